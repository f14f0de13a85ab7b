// Python's view of the field kernels: shapes are checked here once more, the lock is released while they run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "field_ops.hpp"
#include "isa.hpp"
#include "msm.hpp"
#include "ntt_fr.hpp"
#include "run.hpp"
#include "vortex/bn254.hpp"

namespace nb = nanobind;

namespace {

using vx::Run;
using vx::u64;
using vx::u8;
using Limbs = nb::ndarray<const u64, nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<nb::numpy, u64>;
using OutFlags = nb::ndarray<nb::numpy, bool>;

constexpr size_t block = 4096;  // elements handed to a thread at a time

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

// The count of elements of `words` limbs in an array.
size_t count(const Limbs& a, size_t words) {
    if (a.size() % words) refuse("an array does not hold whole elements");
    return a.size() / words;
}
void expect(const Limbs& a, size_t elements, size_t words) {
    if (a.size() != elements * words) refuse("arrays have different lengths, or an element has the wrong size");
}

const vx::FieldOps& ops_of(const std::string& isa) {
    if (isa == "portable") return vx::field_ops_portable();
    if constexpr (vx::x86_64) {
        if (isa == "avx2" && vx::has_avx2()) return vx::field_ops_avx2();
        if (isa == "ifma" && vx::has_ifma()) return vx::field_ops_ifma();
    }
    refuse("this processor has no instruction set '" + isa + "'");
}
std::vector<std::string> available() {
    std::vector<std::string> sets = {"portable"};
    if constexpr (vx::x86_64) {
        if (vx::has_avx2()) sets.push_back("avx2");
        if (vx::has_ifma()) sets.push_back("ifma");
    }
    return sets;
}

// An instruction set, with the memory and the threads of the kernels on it.
class Engine {
public:
    explicit Engine(const std::string& isa) : ops(ops_of(isa)) {}

    Run run(unsigned threads) const { return {*resources_, threads}; }
    Out limbs(u64*& data, std::vector<size_t> shape) const { return fresh<u64, Out>(data, std::move(shape)); }
    OutFlags flags(bool*& data, size_t n) const { return fresh<bool, OutFlags>(data, {n}); }

    const vx::FieldOps& ops;

private:
    // In memory that the engine uses again once the array is gone.
    template <class T, class Array>
    Array fresh(T*& data, std::vector<size_t> shape) const {
        size_t size = 1;
        for (size_t extent : shape) size *= extent;
        auto buffer = std::make_unique<vx::Buffer<T>>(resources_->arena, size);
        data = buffer->data();
        nb::capsule owner(buffer.get(), [](void* p) noexcept { delete static_cast<vx::Buffer<T>*>(p); });
        buffer.release();
        return Array(data, shape.size(), shape.data(), owner);
    }

    std::shared_ptr<vx::Resources> resources_ = std::make_shared<vx::Resources>();
};

class Vectors {
public:
    Vectors(const Engine& engine, const std::string& field)
        : engine_(engine), ops_(field == "fr" ? engine.ops.fr : engine.ops.fq) {}

    using Unary = void (*)(const u64*, u64*, size_t);
    using Binary = void (*)(const u64*, const u64*, u64*, size_t);

    Out unary(Unary kernel, const Limbs& a, unsigned threads) const {
        const size_t n = count(a, 4);
        u64* out;
        Out result = engine_.limbs(out, {n, 4});
        blocks(n, threads, [&](size_t i, size_t k) { kernel(a.data() + 4 * i, out + 4 * i, k); });
        return result;
    }
    Out binary(Binary kernel, const Limbs& a, const Limbs& b, unsigned threads) const {
        const size_t n = count(a, 4);
        expect(b, n, 4);
        u64* out;
        Out result = engine_.limbs(out, {n, 4});
        blocks(n, threads, [&](size_t i, size_t k) { kernel(a.data() + 4 * i, b.data() + 4 * i, out + 4 * i, k); });
        return result;
    }
    Out add(const Limbs& a, const Limbs& b, unsigned threads) const { return binary(ops_.add, a, b, threads); }
    Out sub(const Limbs& a, const Limbs& b, unsigned threads) const { return binary(ops_.sub, a, b, threads); }
    Out mul(const Limbs& a, const Limbs& b, unsigned threads) const { return binary(ops_.mul, a, b, threads); }
    Out inverse(const Limbs& a, unsigned threads) const { return unary(ops_.inverse, a, threads); }
    Out to_montgomery(const Limbs& a, unsigned threads) const { return unary(ops_.to_montgomery, a, threads); }
    Out from_montgomery(const Limbs& a, unsigned threads) const { return unary(ops_.from_montgomery, a, threads); }
    Out neg(const Limbs& a, unsigned threads) const {
        const size_t n = count(a, 4);
        const std::vector<u64> zeros(4 * std::min(n, block));
        u64* out;
        Out result = engine_.limbs(out, {n, 4});
        blocks(n, threads, [&](size_t i, size_t k) { ops_.sub(zeros.data(), a.data() + 4 * i, out + 4 * i, k); });
        return result;
    }
    Out mul_add(const Limbs& a, const Limbs& b, const Limbs& c, unsigned threads) const {
        const size_t n = count(a, 4);
        expect(b, n, 4);
        expect(c, n, 4);
        u64* out;
        Out result = engine_.limbs(out, {n, 4});
        blocks(n, threads, [&](size_t i, size_t k) {
            ops_.mul_add(a.data() + 4 * i, b.data() + 4 * i, c.data() + 4 * i, out + 4 * i, k);
        });
        return result;
    }
    Out scale(const Limbs& a, const Limbs& s, unsigned threads) const {
        const size_t n = count(a, 4);
        expect(s, 1, 4);
        u64* out;
        Out result = engine_.limbs(out, {n, 4});
        blocks(n, threads, [&](size_t i, size_t k) { ops_.scale(a.data() + 4 * i, s.data(), out + 4 * i, k); });
        return result;
    }
    Out inner_product(const Limbs& a, const Limbs& b, unsigned threads) const {
        const size_t n = count(a, 4);
        expect(b, n, 4);
        u64* out;
        Out result = engine_.limbs(out, {4});
        std::vector<u64> parts(4 * ((n + block - 1) / block));
        blocks(n, threads, [&](size_t i, size_t k) {
            ops_.inner_product(a.data() + 4 * i, b.data() + 4 * i, parts.data() + 4 * (i / block), k);
        });
        std::fill(out, out + 4, 0);
        for (size_t i = 0; i < parts.size(); i += 4) ops_.add(out, parts.data() + i, out, 1);
        return result;
    }
    Out powers(const Limbs& base, size_t n, const Limbs& first, unsigned threads) const {
        expect(base, 1, 4);
        expect(first, 1, 4);
        u64* out;
        Out result = engine_.limbs(out, {n, 4});
        blocks(n, threads, [&](size_t i, size_t k) {
            u64 start[4];
            ops_.power(base.data(), i, start);
            ops_.mul(start, first.data(), start, 1);
            ops_.powers(base.data(), start, out + 4 * i, k);
        });
        return result;
    }
    Out from_int64(const Ints& values, unsigned threads) const {
        u64* out;
        Out result = engine_.limbs(out, {values.size(), 4});
        blocks(values.size(), threads, [&](size_t i, size_t k) { ops_.from_int64(values.data() + i, out + 4 * i, k); });
        return result;
    }
    OutFlags is_canonical(const Limbs& a, unsigned threads) const {
        const size_t n = count(a, 4);
        bool* out;
        OutFlags result = engine_.flags(out, n);
        static_assert(sizeof(bool) == 1);
        blocks(n, threads, [&](size_t i, size_t k) {
            ops_.canonical(a.data() + 4 * i, reinterpret_cast<u8*>(out) + i, k);
        });
        return result;
    }

private:
    // body(from, count) over blocks of n elements, without the interpreter's lock.
    template <class Body>
    void blocks(size_t n, unsigned threads, const Body& body) const {
        nb::gil_scoped_release release;
        engine_.run(threads).blocks(n, block, body);
    }

    Engine engine_;
    const vx::VectorOps& ops_;
};

class Group {
public:
    Group(const Engine& engine, const std::string& group)
        : engine_(engine), all_(engine.ops), ops_(group == "g1" ? all_.g1 : all_.g2) {}

    Out msm(const Limbs& points, const Limbs& scalars, unsigned threads) const {
        const size_t n = count(points, ops_.words);
        expect(scalars, n, 4);
        if (n >> 30) refuse("at most 2^30 points at a time");
        u64* out;
        Out result = engine_.limbs(out, shape());
        nb::gil_scoped_release release;
        vx::msm(all_, ops_, points.data(), scalars.data(), out, n, engine_.run(threads));
        return result;
    }
    Out fixed_base(const Limbs& base, const Limbs& scalars, unsigned threads) const {
        expect(base, 1, ops_.words);
        const size_t n = count(scalars, 4);
        u64* out;
        Out result = engine_.limbs(out, shape(n));
        nb::gil_scoped_release release;
        vx::fixed_base(all_, ops_, base.data(), scalars.data(), out, n, engine_.run(threads));
        return result;
    }
    Out multiply(const Limbs& points, const Limbs& scalars, unsigned threads) const {
        const size_t n = count(points, ops_.words), w = ops_.words;
        expect(scalars, n, 4);
        u64* out;
        Out result = engine_.limbs(out, shape(n));
        nb::gil_scoped_release release;
        engine_.run(threads).blocks(n, 64, [&](size_t from, size_t k) {
            u64 plain[4 * 64];
            all_.fr.from_montgomery(scalars.data() + 4 * from, plain, k);
            ops_.multiply(points.data() + w * from, plain, out + w * from, k);
        });
        return result;
    }
    Out add(const Limbs& a, const Limbs& b, unsigned threads) const {
        const size_t n = count(a, ops_.words);
        expect(b, n, ops_.words);
        u64* out;
        Out result = engine_.limbs(out, shape(n));
        nb::gil_scoped_release release;
        vx::add_points(ops_, a.data(), b.data(), out, n, engine_.run(threads));
        return result;
    }
    Out neg(const Limbs& a, unsigned threads) const {
        const size_t n = count(a, ops_.words), w = ops_.words;
        u64* out;
        Out result = engine_.limbs(out, shape(n));
        nb::gil_scoped_release release;
        engine_.run(threads).blocks(n, block, [&](size_t i, size_t k) { ops_.negate(a.data() + w * i, out + w * i, k); });
        return result;
    }
    OutFlags valid(const Limbs& points, unsigned threads) const {
        const size_t n = count(points, ops_.words), w = ops_.words;
        bool* out;
        OutFlags result = engine_.flags(out, n);
        nb::gil_scoped_release release;
        static_assert(sizeof(bool) == 1);
        engine_.run(threads).blocks(n, w == 8 ? 1024 : 64, [&](size_t from, size_t k) {
            ops_.valid(points.data() + w * from, reinterpret_cast<u8*>(out) + from, k);
        });
        return result;
    }
    nb::tuple lift_x(const Limbs& x, const Flags& larger, unsigned threads) const {
        const size_t w = ops_.words, n = count(x, w / 2);
        if (larger.size() != n) refuse("as many flags are needed as abscissae");
        u64* out;
        bool* found;
        Out points = engine_.limbs(out, shape(n));
        OutFlags result = engine_.flags(found, n);
        {
            nb::gil_scoped_release release;
            engine_.run(threads).blocks(n, 64, [&](size_t from, size_t k) {
                u8 sign[64], ok[64];
                for (size_t j = 0; j < k; ++j) sign[j] = larger.data()[from + j];
                ops_.lift_x(x.data() + w / 2 * from, sign, out + w * from, ok, k);
                for (size_t j = 0; j < k; ++j) found[from + j] = ok[j] != 0;
            });
        }
        return nb::make_tuple(points, result);
    }

private:
    std::vector<size_t> shape() const {
        return ops_.words == 8 ? std::vector<size_t>{2, 4} : std::vector<size_t>{2, 2, 4};
    }
    std::vector<size_t> shape(size_t n) const {
        std::vector<size_t> out = shape();
        out.insert(out.begin(), n);
        return out;
    }

    Engine engine_;
    const vx::FieldOps& all_;
    const vx::GroupOps& ops_;
};

Out ntt(const Engine& engine, const Limbs& values, const Limbs& root, const Limbs& coset, bool shifted, bool inverse, unsigned threads) {
    const size_t n = count(values, 4);
    size_t log_n = 0;
    while (((size_t)1 << log_n) < n) ++log_n;
    if (n != (size_t)1 << log_n || log_n > 28) refuse("a transform needs a power of two of values");
    expect(root, 1, 4);
    expect(coset, 1, 4);
    u64* out;
    Out result = engine.limbs(out, {n, 4});
    nb::gil_scoped_release release;
    vx::ntt_fr(engine.ops, values.data(), out, log_n, root.data(), shifted ? coset.data() : nullptr, inverse, engine.run(threads));
    return result;
}

// The count of rows of a sparse matrix in compressed rows, which must be one of so many columns.
size_t expect_csr(const Run& run, const Ints& indptr, const Ints& indices, size_t values, size_t columns) {
    const size_t entries = indices.size(), rows = indptr.size() == 0 ? 0 : indptr.size() - 1;
    std::atomic<bool> sound = indptr.size() > 0 && values == entries && indptr.data()[0] == 0 &&
                              indptr.data()[rows] == (int64_t)entries;
    constexpr size_t many = 1 << 14;
    const size_t row_blocks = (rows + many - 1) / many, entry_blocks = (entries + many - 1) / many;
    run.parallel(row_blocks + entry_blocks, [&](size_t task) {
        bool good = true;
        if (task < row_blocks) {
            for (size_t i = task * many; i < std::min(rows, (task + 1) * many); ++i) good &= indptr.data()[i] <= indptr.data()[i + 1];
        } else {
            const size_t from = (task - row_blocks) * many;
            for (size_t k = from; k < std::min(entries, from + many); ++k) good &= (u64)indices.data()[k] < (u64)columns;
        }
        if (!good) sound = false;
    });
    if (!sound) refuse("indptr must rise from 0 to the count of entries, and indices name elements of x");
    return rows;
}

// kernel(from, count, out) over blocks of rows, once the matrix is found to be one.
template <class Kernel>
Out times_vector(const Engine& engine, const Ints& indptr, const Ints& indices, size_t values, const Limbs& x, unsigned threads,
                 size_t rows_together, const Kernel& kernel) {
    const Run run = engine.run(threads);
    const size_t columns = count(x, 4), rows = indptr.size() == 0 ? 0 : indptr.size() - 1;
    u64* out;
    Out result = engine.limbs(out, {rows, 4});
    nb::gil_scoped_release release;
    const vx::Pool::Watch watch = run.watch();
    expect_csr(run, indptr, indices, values, columns);
    run.blocks(rows, rows_together, [&](size_t from, size_t k) { kernel(from, k, out + 4 * from); });
    return result;
}

Out csr(const Engine& engine, const Ints& indptr, const Ints& indices, const Limbs& values, const Limbs& x, unsigned threads) {
    return times_vector(engine, indptr, indices, count(values, 4), x, threads, 1024, [&](size_t from, size_t k, u64* out) {
        engine.ops.fr.csr(indptr.data() + from, indices.data(), values.data(), x.data(), out, k);
    });
}

Out csr_int64(const Engine& engine, const Ints& indptr, const Ints& indices, const Ints& values, const Limbs& x, unsigned threads) {
    return times_vector(engine, indptr, indices, values.size(), x, threads, 256, [&](size_t from, size_t k, u64* out) {
        engine.ops.fr.csr_int64(indptr.data() + from, indices.data(), values.data(), x.data(), out, k);
    });
}

// Rows in order, each of which may read what the rows before it made; a chain of dependencies has no use for threads.
Out products_in_order(const Engine& engine, const Ints& a_indptr, const Ints& a_indices, const Limbs& a_values, const Ints& b_indptr,
                      const Ints& b_indices, const Limbs& b_values, const Ints& targets, const Limbs& x) {
    const Run alone = engine.run(1);
    const size_t columns = count(x, 4), rows = expect_csr(alone, a_indptr, a_indices, count(a_values, 4), columns);
    if (expect_csr(alone, b_indptr, b_indices, count(b_values, 4), columns) != rows || targets.size() != rows)
        refuse("as many rows of a, rows of b and targets are needed");
    for (size_t i = 0; i < rows; ++i)
        if (targets.data()[i] < 0 || targets.data()[i] >= (int64_t)columns) refuse("targets must name elements of x");
    u64* out;
    Out result = engine.limbs(out, {columns, 4});
    nb::gil_scoped_release release;
    std::copy(x.data(), x.data() + 4 * columns, out);
    for (size_t i = 0; i < rows; ++i) {
        const int64_t a = a_indptr.data()[i], b = b_indptr.data()[i], terms = a_indptr.data()[i + 1] - a;
        const bool square = terms == b_indptr.data()[i + 1] - b &&
                            std::equal(a_indices.data() + a, a_indices.data() + a + terms, b_indices.data() + b) &&
                            std::equal(a_values.data() + 4 * a, a_values.data() + 4 * (a + terms), b_values.data() + 4 * b);
        u64 left[4], right[4];
        engine.ops.fr.csr(a_indptr.data() + i, a_indices.data(), a_values.data(), out, left, 1);
        if (!square) engine.ops.fr.csr(b_indptr.data() + i, b_indices.data(), b_values.data(), out, right, 1);
        engine.ops.fr.mul(left, square ? left : right, out + 4 * targets.data()[i], 1);
    }
    return result;
}

constexpr size_t line_words = 16, lines_words = line_words * (size_t)vx::bn254::miller_lines;

Out prepare_g2(const Engine& engine, const Limbs& q, unsigned threads) {
    const vx::PairingOps& ops = engine.ops.pairing;
    const size_t n = count(q, 16);
    u64* out;
    Out result = engine.limbs(out, {n, (size_t)vx::bn254::miller_lines, 2, 2, 4});
    nb::gil_scoped_release release;
    engine.run(threads).blocks(n, 4, [&](size_t from, size_t k) {
        ops.lines(q.data() + 16 * from, out + lines_words * from, k);
    });
    return result;
}

// Π over n pairs of what miller(from, k, f12) makes of k pairs from `from` on, raised to the final exponent.
template <class Miller>
Out product_of_pairs(const Engine& engine, size_t n, unsigned threads, const Miller& miller) {
    const vx::PairingOps& ops = engine.ops.pairing;
    u64* out;
    Out result = engine.limbs(out, {2, 3, 2, 4});
    nb::gil_scoped_release release;
    // Few pairs are not worth the squarings of a second loop.
    const Run run = engine.run(threads);
    const size_t group = std::clamp<size_t>((n + run.threads() - 1) / run.threads(), 8, vx::pairs_together);
    const size_t groups = (n + group - 1) / group;
    std::vector<u64> parts(48 * std::max<size_t>(groups, 1));
    ops.miller(nullptr, nullptr, 0, parts.data());
    run.blocks(n, group, [&](size_t from, size_t k) { miller(from, k, parts.data() + 48 * (from / group)); });
    for (size_t g = 1; g < groups; ++g) ops.multiply(parts.data(), parts.data() + 48 * g);
    ops.final(parts.data(), out);
    return result;
}

Out product_of_prepared(const Engine& engine, const Limbs& p, const u64* lines, unsigned threads) {
    return product_of_pairs(engine, count(p, 8), threads, [&](size_t from, size_t k, u64* f12) {
        const u64* rows[vx::pairs_together];
        for (size_t i = 0; i < k; ++i) rows[i] = lines + lines_words * (from + i);
        engine.ops.pairing.miller(p.data() + 8 * from, rows, k, f12);
    });
}

Out pairing_product(const Engine& engine, const Limbs& p, const Limbs& lines, unsigned threads) {
    expect(lines, count(p, 8), lines_words);
    return product_of_prepared(engine, p, lines.data(), threads);
}

// The same for points of G2, whose lines are made on the way where that is faster than preparing them.
Out pairing_product_of_points(const Engine& engine, const Limbs& p, const Limbs& q, unsigned threads) {
    const size_t n = count(p, 8);
    expect(q, n, 16);
    const auto miller = engine.ops.pairing.miller_of_points;
    if (miller == nullptr) return product_of_prepared(engine, p, prepare_g2(engine, q, threads).data(), threads);
    return product_of_pairs(engine, n, threads, [&](size_t from, size_t k, u64* f12) {
        miller(p.data() + 8 * from, q.data() + 16 * from, k, f12);
    });
}

}  // namespace

void bind_field(nb::module_& m) {
    nb::set_leak_warnings(false);  // engines kept in module globals outlive the interpreter's last collection
    m.def("available", &available, "Instruction sets this processor can run, the best last.");
    nb::class_<Engine>(m, "Engine").def(nb::init<const std::string&>(), nb::arg("isa"));
    nb::class_<Vectors>(m, "Vectors")
        .def(nb::init<const Engine&, const std::string&>(), nb::arg("engine"), nb::arg("field"))
        .def("add", &Vectors::add)
        .def("sub", &Vectors::sub)
        .def("neg", &Vectors::neg)
        .def("mul", &Vectors::mul)
        .def("mul_add", &Vectors::mul_add)
        .def("scale", &Vectors::scale)
        .def("inner_product", &Vectors::inner_product)
        .def("powers", &Vectors::powers)
        .def("inverse", &Vectors::inverse)
        .def("to_montgomery", &Vectors::to_montgomery)
        .def("from_montgomery", &Vectors::from_montgomery)
        .def("from_int64", &Vectors::from_int64)
        .def("is_canonical", &Vectors::is_canonical);
    nb::class_<Group>(m, "Group")
        .def(nb::init<const Engine&, const std::string&>(), nb::arg("engine"), nb::arg("group"))
        .def("msm", &Group::msm)
        .def("fixed_base", &Group::fixed_base)
        .def("multiply", &Group::multiply)
        .def("add", &Group::add)
        .def("neg", &Group::neg)
        .def("valid", &Group::valid)
        .def("lift_x", &Group::lift_x);
    m.def("ntt", &ntt);
    m.def("csr", &csr);
    m.def("csr_int64", &csr_int64);
    m.def("products_in_order", &products_in_order);
    m.def("prepare_g2", &prepare_g2);
    m.def("pairing_product", &pairing_product);
    m.def("pairing_product_of_points", &pairing_product_of_points);
}
