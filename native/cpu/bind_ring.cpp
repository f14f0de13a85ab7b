// Bindings of the ring: arrays to rows, shapes checked, the interpreter's lock released while kernels run.
//
// Operands may have any strides but along the last axis, so that a slice of limbs costs no copy. Results are fresh
// arrays from the ring's arena.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "ring.hpp"

namespace nb = nanobind;

namespace {

using vx::Basis;
using vx::Ring;
using vx::RowsIn;
using vx::RowsOut;
using vx::u64;

template <class T>
using In = nb::ndarray<const T, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<nb::numpy, T>;
using Shape = std::vector<size_t>;

[[noreturn]] void refuse(const char* what) { throw std::invalid_argument(what); }

template <class T>
Shape shape_of(const In<T>& a) {
    Shape shape(a.ndim());
    for (size_t i = 0; i < a.ndim(); ++i) {
        shape[i] = a.shape(i);
    }
    return shape;
}

// The rows along the last axis, which must have `length` places next to each other.
template <class T>
std::vector<const T*> rows_of(const In<T>& a, size_t length) {
    if (a.ndim() == 0 || a.shape(a.ndim() - 1) != length || (length > 1 && a.stride(a.ndim() - 1) != 1)) {
        refuse("an operand's last axis has another length than the ring's, or is not contiguous");
    }
    std::vector<const T*> rows{a.data()};
    for (size_t axis = 0; axis + 1 < a.ndim(); ++axis) {
        std::vector<const T*> finer;
        finer.reserve(rows.size() * a.shape(axis));
        for (const T* row : rows) {
            for (size_t i = 0; i < a.shape(axis); ++i) {
                finer.push_back(row + static_cast<int64_t>(i) * a.stride(axis));
            }
        }
        rows = std::move(finer);
    }
    return rows;
}

void check_basis(const Ring& ring, const Basis& basis) {
    for (int i : basis) {
        if (i < 0 || static_cast<size_t>(i) >= ring.primes()) {
            refuse("a basis names a prime that the ring does not have");
        }
    }
    if (basis.empty()) {
        refuse("a basis is empty");
    }
}

// Rows of residues [.., limbs, N] over a basis.
RowsIn residues(const Ring& ring, const In<u64>& a, const Basis& basis) {
    check_basis(ring, basis);
    if (a.ndim() < 2 || a.shape(a.ndim() - 2) != basis.size()) {
        refuse("an operand has another number of limbs than its basis");
    }
    return rows_of(a, ring.degree());
}

// The second operand of a pair: as many rows as the first, or one polynomial for all.
RowsIn second(const Ring& ring, const In<u64>& b, const RowsIn& a, const Basis& basis) {
    RowsIn rows = residues(ring, b, basis);
    if (rows.size() != a.size() && rows.size() != basis.size()) {
        refuse("operands of different shapes");
    }
    return rows;
}

// A fresh array and its rows.
template <class T>
struct Made {
    Out<T> array;
    std::vector<T*> rows;
};

template <class T>
Made<T> make(const Ring& ring, const Shape& shape) {
    size_t count = 1;
    for (size_t extent : shape) {
        count *= extent;
    }
    auto buffer = std::make_unique<vx::Buffer<T>>(ring.arena(), count);
    T* data = buffer->data();
    nb::capsule owner(buffer.get(), [](void* p) noexcept { delete static_cast<vx::Buffer<T>*>(p); });
    buffer.release();
    Made<T> made{Out<T>(data, shape.size(), shape.data(), owner), {}};
    const size_t length = shape.back();
    for (size_t at = 0; at < count; at += length) {
        made.rows.push_back(data + at);
    }
    return made;
}

template <class F>
auto unlocked(F f) {
    nb::gil_scoped_release release;
    return f();
}

Out<u64> ntt(Ring& ring, const In<u64>& x, const Basis& basis, bool inverse) {
    const RowsIn in = residues(ring, x, basis);
    Made<u64> out = make<u64>(ring, shape_of(x));
    unlocked([&] { ring.ntt(out.rows, in, basis, inverse); });
    return out.array;
}

template <void (Ring::*kernel)(const RowsOut&, const RowsIn&, const RowsIn&, const Basis&)>
Out<u64> binary(Ring& ring, const In<u64>& a, const In<u64>& b, const Basis& basis) {
    const RowsIn left = residues(ring, a, basis), right = second(ring, b, left, basis);
    Made<u64> out = make<u64>(ring, shape_of(a));
    unlocked([&] { (ring.*kernel)(out.rows, left, right, basis); });
    return out.array;
}

Out<u64> negate(Ring& ring, const In<u64>& a, const Basis& basis) {
    const RowsIn in = residues(ring, a, basis);
    Made<u64> out = make<u64>(ring, shape_of(a));
    unlocked([&] { ring.negate(out.rows, in, basis); });
    return out.array;
}

Out<u64> multiply_add(Ring& ring, const In<u64>& a, const In<u64>& b, const In<u64>& c, const Basis& basis) {
    const RowsIn x = residues(ring, a, basis), y = second(ring, b, x, basis), z = second(ring, c, x, basis);
    Made<u64> out = make<u64>(ring, shape_of(a));
    unlocked([&] { ring.multiply_add(out.rows, x, y, z, basis); });
    return out.array;
}

// Rows of none, one or two polynomials over the basis.
RowsIn addend_rows(const Ring& ring, const nb::object& addend, const Basis& basis) {
    if (addend.is_none()) {
        return {};
    }
    const RowsIn rows = residues(ring, nb::cast<In<u64>>(addend, false), basis);
    if (rows.size() > 2 * basis.size()) {
        refuse("an addend has one polynomial or two");
    }
    return rows;
}

Out<u64> tensor_sum(Ring& ring, const std::vector<In<u64>>& a, const std::vector<In<u64>>& b, const Basis& basis,
                    const nb::object& addend) {
    RowsIn x, y;
    for (const bool first : {true, false}) {
        for (const In<u64>& operand : first ? a : b) {
            const RowsIn rows = residues(ring, operand, basis);
            if (rows.size() != 2 * basis.size()) {
                refuse("tensor takes pairs");
            }
            (first ? x : y).insert((first ? x : y).end(), rows.begin(), rows.end());
        }
    }
    if (x.empty() || x.size() != y.size()) {
        refuse("tensor takes as many pairs on either side, and at least one");
    }
    const RowsIn added = addend_rows(ring, addend, basis);
    Made<u64> out = make<u64>(ring, {3, basis.size(), ring.degree()});
    unlocked([&] { ring.tensor_sum(out.rows, x, y, added, basis); });
    return out.array;
}

// b over the first polynomials of a, or with an axis less over all of them.
Out<u64> add(Ring& ring, const In<u64>& a, const In<u64>& b, const Basis& basis) {
    const RowsIn left = residues(ring, a, basis);
    RowsIn right = residues(ring, b, basis);
    if (b.ndim() == 2) {
        const RowsIn one = right;
        while (right.size() < left.size()) {
            right.insert(right.end(), one.begin(), one.end());
        }
    }
    if (right.size() > left.size()) {
        refuse("operands of different shapes");
    }
    Made<u64> out = make<u64>(ring, shape_of(a));
    unlocked([&] { ring.add(out.rows, left, right, basis); });
    return out.array;
}

void check_scalars(const Ring& ring, const std::vector<u64>& scalars, const Basis& basis) {
    if (scalars.size() != basis.size()) {
        refuse("one scalar a limb is expected");
    }
    for (size_t i = 0; i < basis.size(); ++i) {
        if (scalars[i] >= ring.modulus(basis[i])) {
            refuse("a scalar is not reduced");
        }
    }
}

Out<u64> add_scalar(Ring& ring, const In<u64>& a, const std::vector<u64>& scalars, const Basis& basis, size_t count) {
    const RowsIn in = residues(ring, a, basis);
    check_scalars(ring, scalars, basis);
    Made<u64> out = make<u64>(ring, shape_of(a));
    unlocked([&] { ring.add_scalar(out.rows, in, scalars, basis, count); });
    return out.array;
}

Out<u64> multiply_scalar(Ring& ring, const In<u64>& a, const std::vector<u64>& scalars, const Basis& basis) {
    const RowsIn in = residues(ring, a, basis);
    check_scalars(ring, scalars, basis);
    Made<u64> out = make<u64>(ring, shape_of(a));
    unlocked([&] { ring.multiply_scalar(out.rows, in, scalars, basis); });
    return out.array;
}

void check_element(u64 element) {
    if (element % 2 == 0) {
        refuse("a Galois element is odd");
    }
}

Out<u64> automorphism(Ring& ring, const In<u64>& x, u64 element, const Basis& basis, bool in_ntt_form) {
    const RowsIn in = residues(ring, x, basis);
    check_element(element);
    Made<u64> out = make<u64>(ring, shape_of(x));
    unlocked([&] { ring.automorphism(out.rows, in, element, basis, in_ntt_form); });
    return out.array;
}

Out<u64> extend(Ring& ring, const In<u64>& x, const Basis& source, const Basis& target, bool exact) {
    const RowsIn in = residues(ring, x, source);
    check_basis(ring, target);
    Shape shape = shape_of(x);
    shape[shape.size() - 2] = target.size();
    Made<u64> out = make<u64>(ring, shape);
    unlocked([&] { ring.extend(out.rows, in, source, target, exact); });
    return out.array;
}

Out<u64> mod_down(Ring& ring, const In<u64>& x, const Basis& basis, size_t count, u64 element, const nb::object& addend) {
    const RowsIn in = residues(ring, x, basis);
    check_element(element);
    if (count < 1 || count >= basis.size()) {
        refuse("mod_down drops at least one limb and keeps at least one");
    }
    Shape shape = shape_of(x);
    shape[shape.size() - 2] -= count;
    const RowsIn added = addend_rows(ring, addend, Basis(basis.begin(), basis.end() - count));
    Made<u64> out = make<u64>(ring, shape);
    if (added.size() > out.rows.size()) {
        refuse("an addend has more polynomials than the operand");
    }
    unlocked([&] { ring.mod_down(out.rows, in, basis, count, added, element); });
    return out.array;
}

Out<u64> reduce_signed(Ring& ring, const In<int64_t>& x, const Basis& basis) {
    check_basis(ring, basis);
    std::vector<const long long*> in;
    for (const int64_t* row : rows_of(x, ring.degree())) {
        in.push_back(reinterpret_cast<const long long*>(row));
    }
    Shape shape = shape_of(x);
    shape.insert(shape.end() - 1, basis.size());
    Made<u64> out = make<u64>(ring, shape);
    unlocked([&] { ring.reduce_signed(out.rows, in, basis); });
    return out.array;
}

bool is_reduced(Ring& ring, const In<u64>& x, const Basis& basis) {
    const RowsIn in = residues(ring, x, basis);
    return unlocked([&] { return ring.is_reduced(in, basis); });
}

Basis whole_basis(const Ring& ring, const std::vector<Basis>& digits, const Basis& special) {
    Basis whole;
    for (const Basis& digit : digits) {
        check_basis(ring, digit);
        whole.insert(whole.end(), digit.begin(), digit.end());
    }
    whole.insert(whole.end(), special.begin(), special.end());
    check_basis(ring, whole);
    return whole;
}

// x [L, N] over the digits.
RowsIn digit_rows(const Ring& ring, const In<u64>& x, const std::vector<Basis>& digits) {
    const RowsIn in = residues(ring, x, whole_basis(ring, digits, {}));
    if (x.ndim() != 2) {
        refuse("one polynomial is decomposed at a time");
    }
    return in;
}

Out<u64> decompose(Ring& ring, const In<u64>& x, const std::vector<Basis>& digits, const Basis& special) {
    const RowsIn in = digit_rows(ring, x, digits);
    const Basis whole = whole_basis(ring, digits, special);
    Made<u64> out = make<u64>(ring, {digits.size(), whole.size(), ring.degree()});
    unlocked([&] { ring.decompose(out.rows, in, digits, special); });
    return out.array;
}

// Rows [digit][2][limb of basis] of a key [>= digits, 2, key limbs, N].
RowsIn key_rows(const Ring& ring, const In<u64>& key, size_t digits, const Basis& basis, const Basis& key_basis) {
    const RowsIn all = residues(ring, key, key_basis);
    if (key.ndim() != 4 || key.shape(0) < digits || key.shape(1) != 2) {
        refuse("a key is [digits, 2, limbs, N], with a digit for each of the operand");
    }
    RowsIn rows;
    for (size_t pair = 0; pair < 2 * digits; ++pair) {
        for (int i : basis) {
            const auto at = std::find(key_basis.begin(), key_basis.end(), i);
            if (at == key_basis.end()) {
                refuse("a key lacks a prime of the operand");
            }
            rows.push_back(all[pair * key_basis.size() + (at - key_basis.begin())]);
        }
    }
    return rows;
}

Out<u64> key_switch_inner(Ring& ring, const In<u64>& lifted, const In<u64>& key, const Basis& basis,
                          const Basis& key_basis, u64 element, const nb::object& addend) {
    const RowsIn in = residues(ring, lifted, basis), added = addend_rows(ring, addend, basis);
    check_element(element);
    if (lifted.ndim() != 3) {
        refuse("lifted digits are [digits, limbs, N]");
    }
    const RowsIn keys = key_rows(ring, key, lifted.shape(0), basis, key_basis);
    Made<u64> out = make<u64>(ring, {2, basis.size(), ring.degree()});
    unlocked([&] { ring.key_switch_inner(out.rows, in, keys, added, basis, element); });
    return out.array;
}

Out<u64> key_switch(Ring& ring, const In<u64>& x, const In<u64>& key, const std::vector<Basis>& digits,
                    const Basis& special, const Basis& key_basis, u64 element, const nb::object& addend, size_t drop) {
    const RowsIn in = digit_rows(ring, x, digits), added = addend_rows(ring, addend, whole_basis(ring, digits, {}));
    check_element(element);
    const RowsIn keys = key_rows(ring, key, digits.size(), whole_basis(ring, digits, special), key_basis);
    if (special.empty()) {
        refuse("key switching needs a special prime");
    }
    if (drop >= in.size()) {
        refuse("key switching keeps at least one limb");
    }
    Made<u64> out = make<u64>(ring, {2, in.size() - drop, ring.degree()});
    unlocked([&] { ring.key_switch(out.rows, in, keys, added, digits, special, element, drop); });
    return out.array;
}

// A term of sums: an array [parts, limbs, N], or a tuple (lifted, key, key basis, Galois element, addend or None).
vx::Term term_of(const Ring& ring, nb::handle term, const Basis& basis) {
    vx::Term made;
    if (!nb::isinstance<nb::tuple>(term)) {
        const auto array = nb::cast<In<u64>>(term, false);
        made.parts = residues(ring, array, basis);
        if (array.ndim() != 3) {
            refuse("terms are [parts, limbs, N], all alike");
        }
        return made;
    }
    const auto turned = nb::borrow<nb::tuple>(term);
    if (nb::len(turned) != 5) {
        refuse("a turned term is (lifted, key, key basis, Galois element, addend)");
    }
    const auto lifted = nb::cast<In<u64>>(turned[0], false);
    made.lifted = residues(ring, lifted, basis);
    if (lifted.ndim() != 3 || lifted.shape(0) == 0) {
        refuse("lifted digits are [digits, limbs, N]");
    }
    made.key = key_rows(ring, nb::cast<In<u64>>(turned[1], false), lifted.shape(0), basis, nb::cast<Basis>(turned[2]));
    made.element = nb::cast<u64>(turned[3]);
    check_element(made.element);
    made.addend = addend_rows(ring, turned[4], basis);
    return made;
}

Out<u64> weighted_sums(Ring& ring, const std::vector<nb::list>& weights, const nb::list& terms, const Basis& basis) {
    if (nb::len(terms) == 0 || weights.empty()) {
        refuse("weighted_sums needs terms and weights");
    }
    std::vector<vx::Term> all_terms;
    RowsIn all_weights;
    std::vector<unsigned> repeats;
    size_t parts = 0;
    for (nb::handle term : terms) {
        all_terms.push_back(term_of(ring, term, basis));
        const size_t has = all_terms.back().lifted.empty() ? all_terms.back().parts.size() / basis.size() : 2;
        if (parts != 0 && has != parts) {
            refuse("terms are [parts, limbs, N], all alike");
        }
        parts = has;
    }
    for (const nb::list& row : weights) {
        if (nb::len(row) != all_terms.size()) {
            refuse("one weight, or None, for each term");
        }
        for (nb::handle weight : row) {
            RowsIn rows(basis.size(), nullptr);
            unsigned repeat = 0;
            if (!weight.is_none()) {
                const auto array = nb::cast<In<u64>>(weight, false);
                if (array.ndim() != 2 || array.shape(0) != basis.size()) {
                    refuse("a weight is [limbs, M]");
                }
                const size_t length = array.shape(1);
                rows = rows_of(array, length);
                while (length << repeat < ring.degree() && length != 0) {
                    ++repeat;
                }
                if (length << repeat != ring.degree()) {
                    refuse("a weight's length is N over a power of two");
                }
            }
            repeats.push_back(repeat);
            all_weights.insert(all_weights.end(), rows.begin(), rows.end());
        }
    }
    Made<u64> out = make<u64>(ring, {weights.size(), parts, basis.size(), ring.degree()});
    unlocked([&] { ring.weighted_sums(out.rows, all_weights, repeats, all_terms, weights.size(), parts, basis); });
    return out.array;
}

// values float64 [.., (2,) 2 n]: complex numbers as pairs, extended: high parts then low parts.
Out<double> special_fft(Ring& ring, const In<double>& values, const In<double>& roots, size_t n, bool inverse, bool extended) {
    const size_t length = (extended ? 4 : 2) * n;
    if (n == 0 || (n & (n - 1)) != 0 || n > ring.degree()) {
        refuse("the special FFT takes a power of two of slots, at most the ring's degree");
    }
    const std::vector<const double*> in = rows_of(values, length), table = rows_of(roots, length);
    if (table.size() != 1) {
        refuse("the special FFT takes one table of roots");
    }
    Made<double> out = make<double>(ring, shape_of(values));
    unlocked([&] { ring.special_fft(out.rows, in, table[0], n, inverse, extended); });
    return out.array;
}

// None if a coefficient is out of range.
nb::object round_to_residues(Ring& ring, const In<double>& high, const nb::object& low, double scale_high,
                             double scale_low, const Basis& basis) {
    check_basis(ring, basis);
    const std::vector<const double*> high_rows = rows_of(high, ring.degree());
    std::vector<const double*> low_rows;
    if (!low.is_none()) {
        low_rows = rows_of(nb::cast<In<double>>(low, false), ring.degree());
        if (low_rows.size() != high_rows.size()) {
            refuse("high and low parts of different shapes");
        }
    }
    Shape shape = shape_of(high);
    shape.insert(shape.end() - 1, basis.size());
    Made<u64> out = make<u64>(ring, shape);
    const bool good =
        unlocked([&] { return ring.round_to_residues(out.rows, high_rows, low_rows, scale_high, scale_low, basis); });
    return good ? nb::cast(out.array) : nb::none();
}

nb::tuple lift_to_floats(Ring& ring, const In<u64>& x, const Basis& basis) {
    const RowsIn in = residues(ring, x, basis);
    Shape shape = shape_of(x);
    shape.erase(shape.end() - 2);
    Made<double> high = make<double>(ring, shape), low = make<double>(ring, shape);
    unlocked([&] { ring.lift_to_floats(high.rows, low.rows, in, basis); });
    return nb::make_tuple(high.array, low.array);
}

const unsigned char* seed_of(const nb::bytes& seed) {
    if (seed.size() != 32) {
        refuse("a seed has 32 bytes");
    }
    return reinterpret_cast<const unsigned char*>(seed.c_str());
}

Out<u64> expand_uniform(Ring& ring, const nb::bytes& seed, u64 stream, const Basis& basis) {
    check_basis(ring, basis);
    const unsigned char* bytes = seed_of(seed);
    Made<u64> out = make<u64>(ring, {basis.size(), ring.degree()});
    unlocked([&] { ring.expand_uniform(out.rows, bytes, stream, basis); });
    return out.array;
}

template <class F>
Out<int64_t> sampled(Ring& ring, F sampler) {
    Made<int64_t> out = make<int64_t>(ring, {ring.degree()});
    unlocked([&] { sampler(reinterpret_cast<long long*>(out.rows[0])); });
    return out.array;
}

Out<int64_t> sample_ternary(Ring& ring, const nb::bytes& seed, u64 stream, uint32_t word) {
    const unsigned char* bytes = seed_of(seed);
    return sampled(ring, [&](long long* out) { ring.sample_ternary(out, bytes, stream, word); });
}

Out<int64_t> sample_sparse_ternary(Ring& ring, const nb::bytes& seed, u64 stream, uint32_t word, size_t weight) {
    const unsigned char* bytes = seed_of(seed);
    if (weight < 1 || weight > ring.degree() / 2) {
        refuse("a Hamming weight is between 1 and N/2");
    }
    return sampled(ring, [&](long long* out) { ring.sample_sparse_ternary(out, bytes, stream, word, weight); });
}

Out<int64_t> sample_gaussian(Ring& ring, const nb::bytes& seed, u64 stream, uint32_t word,
                             const std::vector<u64>& thresholds) {
    const unsigned char* bytes = seed_of(seed);
    return sampled(ring, [&](long long* out) { ring.sample_gaussian(out, bytes, stream, word, thresholds); });
}

}  // namespace

void bind_ring(nb::module_& m) {
    // Every argument that holds an array is noconvert: a silent copy to another dtype would hide a mistake.
    const auto a = [](const char* name) { return nb::arg(name).noconvert(); };
    nb::class_<Ring>(m, "Ring")
        .def(nb::init<size_t, const std::vector<u64>&, const std::vector<u64>&, unsigned, const std::string&>(), nb::arg("degree"),
             nb::arg("moduli"), nb::arg("roots"), nb::arg("threads"), nb::arg("isa"), nb::call_guard<nb::gil_scoped_release>())
        .def_prop_ro("threads", &Ring::threads)
        .def_prop_ro("isa", &Ring::isa)
        .def("ntt", &ntt, a("x"), nb::arg("basis"), nb::arg("inverse"))
        .def("add", &add, a("a"), a("b"), nb::arg("basis"))
        .def("sub", &binary<&Ring::sub>, a("a"), a("b"), nb::arg("basis"))
        .def("negate", &negate, a("a"), nb::arg("basis"))
        .def("multiply", &binary<&Ring::multiply>, a("a"), a("b"), nb::arg("basis"))
        .def("multiply_add", &multiply_add, a("a"), a("b"), a("c"), nb::arg("basis"))
        .def("tensor_sum", &tensor_sum, a("a"), a("b"), nb::arg("basis"),
             nb::arg("addend").none())
        .def("add_scalar", &add_scalar, a("a"), nb::arg("scalars"), nb::arg("basis"), nb::arg("count"))
        .def("multiply_scalar", &multiply_scalar, a("a"), nb::arg("scalars"), nb::arg("basis"))
        .def("automorphism", &automorphism, a("x"), nb::arg("galois_element"), nb::arg("basis"), nb::arg("ntt"))
        .def("extend", &extend, a("x"), nb::arg("source"), nb::arg("target"), nb::arg("exact"))
        .def("mod_down", &mod_down, a("x"), nb::arg("basis"), nb::arg("count"), nb::arg("galois_element"),
             nb::arg("addend").none())
        .def("reduce_signed", &reduce_signed, a("x"), nb::arg("basis"))
        .def("is_reduced", &is_reduced, a("x"), nb::arg("basis"))
        .def("decompose", &decompose, a("x"), nb::arg("digits"), nb::arg("special"))
        .def("key_switch_inner", &key_switch_inner, a("lifted"), a("key"), nb::arg("basis"), nb::arg("key_basis"),
             nb::arg("galois_element"), nb::arg("addend").none())
        .def("key_switch", &key_switch, a("x"), a("key"), nb::arg("digits"), nb::arg("special"), nb::arg("key_basis"),
             nb::arg("galois_element"), nb::arg("addend").none(), nb::arg("drop"))
        .def("weighted_sums", &weighted_sums, nb::arg("weights"), a("terms"), nb::arg("basis"))
        .def("special_fft", &special_fft, a("values"), a("roots"), nb::arg("n"), nb::arg("inverse"), nb::arg("extended"))
        .def("round_to_residues", &round_to_residues, a("high"), nb::arg("low").none(), nb::arg("scale_high"),
             nb::arg("scale_low"), nb::arg("basis"))
        .def("lift_to_floats", &lift_to_floats, a("x"), nb::arg("basis"))
        .def("expand_uniform", &expand_uniform, nb::arg("seed"), nb::arg("stream"), nb::arg("basis"))
        .def("sample_ternary", &sample_ternary, nb::arg("seed"), nb::arg("stream"), nb::arg("word"))
        .def("sample_sparse_ternary", &sample_sparse_ternary, nb::arg("seed"), nb::arg("stream"), nb::arg("word"), nb::arg("weight"))
        .def("sample_gaussian", &sample_gaussian, nb::arg("seed"), nb::arg("stream"), nb::arg("word"), nb::arg("thresholds"));
}
