// Runs every field kernel on every instruction set of this machine with two threads, and holds the sets against each other.
// Built with sanitizers by tests/arith/field/test_sanitizers.py, for aarch64 by tests/arith/test_aarch64.py. Arrays have
// exactly the size asked for.
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "digest.hpp"
#include "field_ops.hpp"
#include "isa.hpp"
#include "msm.hpp"
#include "ntt_fr.hpp"
#include "vortex/bn254.hpp"

namespace {

using vx::u64;
using Words = std::vector<u64>;
using Results = std::vector<Words>;

Words random_elements(size_t n, unsigned seed) {
    std::mt19937_64 draw(seed);
    Words out(4 * n);
    for (u64& word : out) word = draw();
    for (size_t i = 0; i < n; ++i) out[4 * i + 3] >>= 3;  // below 2^253
    if (n > 2) std::fill(out.begin(), out.begin() + 4, 0);
    return out;
}

void vectors(const vx::VectorOps& ops, size_t n, Results& results) {
    const Words a = random_elements(n, 1), b = random_elements(n, 2), c = random_elements(n, 3), s = random_elements(1, 4);
    Words out(4 * n);
    const auto keep = [&] { results.push_back(out); };
    ops.add(a.data(), b.data(), out.data(), n), keep();
    ops.sub(a.data(), b.data(), out.data(), n), keep();
    ops.mul(a.data(), b.data(), out.data(), n), keep();
    ops.mul_add(a.data(), b.data(), c.data(), out.data(), n), keep();
    ops.scale(a.data(), s.data(), out.data(), n), keep();
    ops.powers(s.data(), s.data(), out.data(), n), keep();
    ops.inverse(a.data(), out.data(), n), keep();
    ops.to_montgomery(a.data(), out.data(), n), keep();
    ops.from_montgomery(a.data(), out.data(), n), keep();
    std::vector<int64_t> integers(n), indptr(n + 1), indices(n);
    for (size_t i = 0; i < n; ++i) {
        integers[i] = (int64_t)b[4 * i];
        indptr[i + 1] = (int64_t)(i + 1);
        indices[i] = (int64_t)(n - 1 - i);
    }
    ops.from_int64(integers.data(), out.data(), n), keep();
    std::vector<uint8_t> below(n);
    ops.canonical(a.data(), below.data(), n);
    results.push_back(Words(below.begin(), below.end()));
    ops.csr(indptr.data(), indices.data(), a.data(), b.data(), out.data(), n), keep();
    ops.csr_int64(indptr.data(), indices.data(), integers.data(), b.data(), out.data(), n), keep();
    out.resize(4);
    ops.inner_product(a.data(), b.data(), out.data(), n), keep();
}

Words limbs(u64 (*constant)(int), int count) {
    Words out((size_t)count);
    for (int i = 0; i < count; ++i) out[(size_t)i] = constant(i);
    return out;
}

// A point to start from: the ordinate of a small abscissa.
Words base_point(const vx::FieldOps& ops, const vx::GroupOps& group) {
    const size_t half = group.words / 2;
    Words x(half), point(group.words);
    for (int64_t at = 1;; ++at) {
        ops.fq.from_int64(&at, x.data(), 1);
        uint8_t larger = 0, found = 0;
        group.lift_x(x.data(), &larger, point.data(), &found, 1);
        if (found) return point;
    }
}

void points(const vx::FieldOps& ops, const vx::GroupOps& group, size_t n, const vx::Run& run, Results& results) {
    const Words base = base_point(ops, group);
    Words scalars = random_elements(n, 5), many(n * group.words), out(n * group.words), one(group.words);
    vx::fixed_base(ops, group, base.data(), scalars.data(), many.data(), n, run);
    results.push_back(many);
    if (n > 3) std::memcpy(many.data() + group.words, many.data() + 2 * group.words, 8 * group.words);
    vx::msm(ops, group, many.data(), scalars.data(), one.data(), n, run);
    results.push_back(one);
    for (size_t i = 0; i < n; ++i) scalars[4 * i] = 7, scalars[4 * i + 1] = scalars[4 * i + 2] = scalars[4 * i + 3] = 0;
    vx::msm(ops, group, many.data(), scalars.data(), one.data(), n, run);
    results.push_back(one);
    vx::add_points(group, many.data(), many.data(), out.data(), n, run);
    results.push_back(out);
    group.negate(many.data(), out.data(), n);
    vx::add_points(group, many.data(), out.data(), out.data(), n, run);
    results.push_back(out);
    scalars = random_elements(n, 6);
    group.multiply(many.data(), scalars.data(), out.data(), n);
    results.push_back(out);
    Words x(n * group.words / 2);
    for (size_t i = 0; i < x.size(); ++i) x[i] = many[i / (group.words / 2) * group.words + i % (group.words / 2)];
    std::vector<uint8_t> larger(n), found(n);
    for (size_t i = 0; i < n; ++i) larger[i] = i % 3 == 0;
    group.lift_x(x.data(), larger.data(), out.data(), found.data(), n);
    results.push_back(out);
    results.push_back(Words(found.begin(), found.end()));
    std::vector<uint8_t> inside(n);
    group.valid(many.data(), inside.data(), n);
    results.push_back(Words(inside.begin(), inside.end()));
}

// Many points, small scalars: threads have buckets of their own.
void small_scalars(const vx::FieldOps& ops, const vx::Run& run, Results& results) {
    constexpr size_t n = 300;
    const Words base = base_point(ops, ops.g1), scalars = random_elements(n, 5);
    Words many(8 * n), small(4 * n), one(8);
    std::vector<int64_t> integers(n);
    for (size_t i = 0; i < n; ++i) integers[i] = (int64_t)(i * i % 7) - 3;
    ops.fr.from_int64(integers.data(), small.data(), n);
    vx::fixed_base(ops, ops.g1, base.data(), scalars.data(), many.data(), n, run);
    vx::msm(ops, ops.g1, many.data(), small.data(), one.data(), n, run);
    results.push_back(one);
}

void transforms(const vx::FieldOps& ops, const vx::Run& run, Results& results) {
    const Words root28 = limbs(vx::bn254::fr_root, 4), shift = random_elements(1, 8);
    for (size_t log_n : {0, 3, 6, 7, 9}) {
        Words root = root28, in = random_elements((size_t)1 << log_n, 6), out(in.size()), back(in.size());
        for (size_t i = log_n; i < 28; ++i) ops.fr.mul(root.data(), root.data(), root.data(), 1);
        vx::ntt_fr(ops, in.data(), out.data(), log_n, root.data(), shift.data(), false, run);
        vx::ntt_fr(ops, out.data(), back.data(), log_n, root.data(), shift.data(), true, run);
        results.push_back(out);
        results.push_back(back);
    }
}

void pairing(const vx::FieldOps& ops, Results& results) {
    const Words p = base_point(ops, ops.g1), q = base_point(ops, ops.g2);
    Words many = q, lines(5 * 16 * vx::bn254::miller_lines), f(48), out(48);
    many.resize(2 * q.size());  // infinity
    many.insert(many.end(), q.begin(), q.end());
    ops.g2.negate(many.data(), many.data(), 1);
    for (size_t i = 0; i < 2; ++i) many.insert(many.end(), q.begin(), q.end());
    ops.pairing.lines(many.data(), lines.data(), 5);
    results.push_back(lines);
    const u64* at[1] = {lines.data()};
    ops.pairing.miller(p.data(), at, 1, f.data());
    ops.pairing.multiply(f.data(), f.data());
    ops.pairing.final(f.data(), out.data());
    results.push_back(out);
    // Five pairs with infinity on either side, prepared and not: the same value.
    Words left;
    for (size_t i = 0; i < 5; ++i) left.insert(left.end(), p.begin(), p.end());
    std::fill(left.begin() + 32, left.end(), 0);
    const u64* rows[5];
    for (size_t i = 0; i < 5; ++i) rows[i] = lines.data() + 16 * vx::bn254::miller_lines * i;
    ops.pairing.miller(left.data(), rows, 5, f.data());
    ops.pairing.final(f.data(), out.data());
    results.push_back(out);
    if (ops.pairing.miller_of_points) ops.pairing.miller_of_points(left.data(), many.data(), 5, f.data());
    ops.pairing.final(f.data(), out.data());
    results.push_back(out);
}

Results everything(const vx::FieldOps& ops) {
    vx::Resources resources;
    const vx::Run run(resources, 2);
    Results results;
    for (size_t n : {0, 1, 8, 9, 100}) {
        vectors(ops.fr, n, results);
        vectors(ops.fq, n, results);
    }
    for (size_t n : {1, 9, 70}) {
        points(ops, ops.g1, n, run, results);
        points(ops, ops.g2, n, run, results);
    }
    small_scalars(ops, run, results);
    transforms(ops, run, results);
    pairing(ops, results);
    return results;
}

}  // namespace

int main() {
    const Results wanted = everything(vx::field_ops_portable());
    std::vector<const vx::FieldOps*> sets;
    if constexpr (vx::x86_64) {
        if (vx::has_avx2()) sets.push_back(&vx::field_ops_avx2());
        if (vx::has_ifma()) sets.push_back(&vx::field_ops_ifma());
    }
    for (const vx::FieldOps* ops : sets) {
        const Results got = everything(*ops);
        for (size_t i = 0; i < wanted.size(); ++i) {
            if (got[i] != wanted[i]) {
                std::printf("%s: result %zu differs from portable\n", ops->isa, i);
                return 1;
            }
        }
    }
    vx::Digest digest;
    for (const Words& result : wanted) {
        for (u64 word : result) digest.add(word);
    }
    digest.print();
    std::printf("%zu sets: ok\n", sets.size() + 1);
}
