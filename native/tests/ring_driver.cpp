// Runs every ring kernel on every code path of this machine with two threads, and holds the paths against each other.
// Built with sanitizers by tests/arith/ring/test_sanitizers.py, for aarch64 by tests/arith/test_aarch64.py; arguments: the
// degree, then prime and root by turns.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>

#include "digest.hpp"
#include "ring.hpp"

namespace {

using vx::Basis;
using vx::Ring;
using vx::RowsIn;
using vx::RowsOut;
using vx::Term;
using vx::u64;

// Rows of exactly N words each in blocks of their own, so that one word beyond is seen.
class Rows {
public:
    Rows(size_t count, size_t n) : store_(count, std::vector<u64>(n)) {}
    RowsOut out() {
        RowsOut rows;
        for (auto& row : store_) rows.push_back(row.data());
        return rows;
    }
    RowsIn in() const {
        RowsIn rows;
        for (const auto& row : store_) rows.push_back(row.data());
        return rows;
    }
    bool operator==(const Rows& other) const { return store_ == other.store_; }
    void add_to(vx::Digest& digest) const {
        for (const auto& row : store_) {
            for (u64 word : row) digest.add(word);
        }
    }

private:
    std::vector<std::vector<u64>> store_;
};

std::vector<double*> as_floats(const RowsOut& rows) {
    std::vector<double*> floats;
    for (u64* row : rows) floats.push_back(reinterpret_cast<double*>(row));
    return floats;
}

std::vector<const double*> as_floats(const RowsIn& rows) {
    std::vector<const double*> floats;
    for (const u64* row : rows) floats.push_back(reinterpret_cast<const double*>(row));
    return floats;
}

// Every result of every kernel, in a fixed order. Bit for bit the same on all paths.
std::vector<Rows> everything(Ring& ring) {
    const size_t n = ring.degree(), limbs = ring.primes();
    Basis all(limbs);
    for (size_t i = 0; i < limbs; ++i) all[i] = static_cast<int>(i);
    const unsigned char seed[32] = {1, 2, 3};
    std::vector<Rows> results;
    const auto result = [&](size_t rows, const std::function<void(const RowsOut&)>& kernel) -> Rows& {
        results.emplace_back(rows, n);
        kernel(results.back().out());
        return results.back();
    };
    const auto uniform = [&](size_t pairs, u64 stream) {
        Rows rows(pairs * limbs, n);
        const RowsOut out = rows.out();
        for (size_t i = 0; i < pairs; ++i) {
            ring.expand_uniform(RowsOut(out.begin() + i * limbs, out.begin() + (i + 1) * limbs), seed, stream + i, all);
        }
        return rows;
    };
    const Rows a = uniform(2, 0), b = uniform(2, 10), key = uniform(6, 20);
    const RowsIn x = a.in(), y = b.in(), first(x.begin(), x.begin() + limbs);
    std::vector<u64> scalars;
    for (int i : all) scalars.push_back(ring.modulus(i) - 1);
    result(x.size(), [&](const RowsOut& out) { ring.ntt(out, x, all, false); });
    result(x.size(), [&](const RowsOut& out) { ring.ntt(out, x, all, true); });
    result(x.size(), [&](const RowsOut& out) { ring.add(out, x, y, all); });
    result(x.size(), [&](const RowsOut& out) { ring.sub(out, x, y, all); });
    result(x.size(), [&](const RowsOut& out) { ring.negate(out, x, all); });
    result(x.size(), [&](const RowsOut& out) { ring.multiply(out, x, y, all); });
    result(x.size(), [&](const RowsOut& out) { ring.multiply_add(out, x, y, x, all); });
    result(3 * limbs, [&](const RowsOut& out) { ring.tensor_sum(out, x, y, {}, all); });
    RowsIn twice(x), also(y);
    twice.insert(twice.end(), y.begin(), y.end());
    also.insert(also.end(), x.begin(), x.end());
    result(3 * limbs, [&](const RowsOut& out) { ring.tensor_sum(out, twice, also, first, all); });
    result(x.size(), [&](const RowsOut& out) { ring.add_scalar(out, x, scalars, all, 2); });
    result(x.size(), [&](const RowsOut& out) { ring.multiply_scalar(out, x, scalars, all); });
    result(x.size(), [&](const RowsOut& out) { ring.automorphism(out, x, 5, all, true); });
    result(x.size(), [&](const RowsOut& out) { ring.automorphism(out, x, 5, all, false); });
    result(2 * limbs, [&](const RowsOut& out) { ring.extend(out, x, all, all, true); });
    result(2 * (limbs - 2), [&](const RowsOut& out) { ring.mod_down(out, x, all, 2, {}, 1); });
    const Basis special{static_cast<int>(limbs) - 1};
    std::vector<Basis> digits(2);
    RowsIn operand;
    for (size_t i = 0; i + 1 < limbs; ++i) {
        digits[i % 2].push_back(all[i]);
    }
    for (const Basis& digit : digits) {
        for (int i : digit) operand.push_back(first[i]);
    }
    Basis whole = digits[0];
    whole.insert(whole.end(), digits[1].begin(), digits[1].end());
    whole.insert(whole.end(), special.begin(), special.end());
    const RowsIn keys = key.in();
    const RowsIn lifted = result(2 * limbs, [&](const RowsOut& out) { ring.decompose(out, operand, digits, special); }).in();
    result(2 * limbs, [&](const RowsOut& out) { ring.key_switch_inner(out, lifted, keys, {}, whole, 5); });
    result(2 * (limbs - 1), [&](const RowsOut& out) { ring.key_switch(out, operand, keys, operand, digits, special, 5, 0); });
    result(2 * (limbs - 2), [&](const RowsOut& out) { ring.key_switch(out, operand, keys, operand, digits, special, 5, 1); });
    const auto pair_of_keys = [&](size_t j) { return RowsIn(keys.begin() + 2 * j * limbs, keys.begin() + 2 * (j + 1) * limbs); };
    const std::vector<Term> terms{{pair_of_keys(0), {}, {}, {}}, {pair_of_keys(1), {}, {}, {}}};
    // terms of which two are turned, one by nothing
    std::vector<Term> turned{terms[0], {{}, lifted, keys, RowsIn(lifted.begin(), lifted.begin() + limbs), 5}};
    turned.push_back({{}, lifted, keys, {}, 1});
    RowsIn six;
    for (int copy = 0; copy < 6; ++copy) six.insert(six.end(), first.begin(), first.end());
    result(4 * limbs, [&](const RowsOut& out) { ring.weighted_sums(out, six, std::vector<unsigned>(6), turned, 2, 2, whole); });
    RowsIn weights(first);
    weights.insert(weights.end(), limbs, nullptr);
    result(2 * limbs, [&](const RowsOut& out) { ring.weighted_sums(out, weights, {0, 0}, terms, 1, 2, all); });
    for (const unsigned repeat : {0U, 1U, 3U}) {  // five sums of two terms, weights of fewer words than places among them
        Rows fewer(limbs, n >> repeat);
        for (size_t i = 0; i < limbs; ++i) std::copy_n(first[i], n >> repeat, fewer.out()[i]);
        for (const unsigned other : {repeat, 0U}) {
            const RowsIn short_rows = fewer.in();
            const RowsIn& last = other == 0 ? first : short_rows;
            RowsIn many;
            std::vector<unsigned> repeats;
            for (int sum = 0; sum < 5; ++sum) {
                many.insert(many.end(), short_rows.begin(), short_rows.end());
                many.insert(many.end(), last.begin(), last.end());
                repeats.insert(repeats.end(), {repeat, other});
            }
            result(10 * limbs, [&](const RowsOut& out) { ring.weighted_sums(out, many, repeats, terms, 5, 2, all); });
        }
    }
    std::vector<const long long*> signed_rows;
    for (const u64* row : first) signed_rows.push_back(reinterpret_cast<const long long*>(row));
    result(limbs * limbs, [&](const RowsOut& out) { ring.reduce_signed(out, signed_rows, all); });
    const Rows& lifts = result(4, [&](const RowsOut& out) {
        const auto floats = as_floats(out);
        ring.lift_to_floats({floats[0], floats[1]}, {floats[2], floats[3]}, RowsIn{x[0], x[1], x[0], x[2]}, {all[0], all[1]});
    });
    const auto floats = as_floats(lifts.in());
    result(2 * limbs, [&](const RowsOut& out) {
        if (!ring.round_to_residues(out, {floats[0], floats[1]}, {floats[2], floats[3]}, 0.25, 0.0, all)) {
            throw std::runtime_error("rounding refused");
        }
    });
    if (!ring.is_reduced(x, all)) {
        throw std::runtime_error("operands are not reduced");
    }
    const size_t slots = n / 4;
    std::vector<double> roots(4 * slots), values(4 * slots);
    for (size_t i = 0; i < 4 * slots; ++i) {
        roots[i] = 1.0 / static_cast<double>(i + 1);
        values[i] = 1.0 / static_cast<double>(i + 3);
    }
    for (bool inverse : {false, true}) {
        for (bool extended : {false, true}) {
            result(1, [&](const RowsOut& out) {
                const size_t size = extended ? slots : 2 * slots;
                std::vector<double> split(roots.size());  // real parts, imaginary parts, and their low parts
                for (size_t i = 0; i < split.size(); ++i) {
                    split[(i / (2 * size) * 2 + i % 2) * size + i / 2 % size] = roots[i];
                }
                ring.special_fft(as_floats(out), {values.data()}, split.data(), size, inverse, extended);
            });
        }
    }
    const std::vector<u64> thresholds{u64{1} << 62, (u64{1} << 63) - 1};
    result(3, [&](const RowsOut& out) {
        ring.sample_ternary(reinterpret_cast<long long*>(out[0]), seed, 0, 1);
        ring.sample_sparse_ternary(reinterpret_cast<long long*>(out[1]), seed, 0, 2, n / 4);
        ring.sample_gaussian(reinterpret_cast<long long*>(out[2]), seed, 0, 3, thresholds);
    });
    return results;
}

}  // namespace

int main(int argc, char** argv) {
    const size_t degree = std::strtoull(argv[1], nullptr, 10);
    std::vector<u64> moduli, roots;
    for (int i = 2; i + 1 < argc; i += 2) {
        moduli.push_back(std::strtoull(argv[i], nullptr, 10));
        roots.push_back(std::strtoull(argv[i + 1], nullptr, 10));
    }
    std::vector<Rows> expected;
    for (const char* isa : {"portable", "avx2", "ifma"}) {
        std::unique_ptr<Ring> ring;
        try {
            ring = std::make_unique<Ring>(degree, moduli, roots, 2, isa);
        } catch (const std::invalid_argument&) {
            std::printf("%s: not on this machine\n", isa);
            continue;
        }
        std::vector<Rows> results = everything(*ring);
        if (expected.empty()) {
            expected = std::move(results);
        } else if (!(results == expected)) {
            std::printf("%s: differs from portable\n", isa);
            return 1;
        }
        std::printf("%s: ok\n", isa);
    }
    vx::Digest digest;
    for (const Rows& rows : expected) rows.add_to(digest);
    digest.print();
    return 0;
}
