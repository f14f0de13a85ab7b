// Square roots in Fq and Fq2, sixteen at a time: two vectors side by side go through one fixed chain of squarings.
#pragma once
#include "curve_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

using PairOfFq = Row<LanesOfG1, 2>;

// (p-3)/4 as windows: `squarings[i]` squarings, then a product with the power `odd[i]`, from the power `odd[0]` on.
struct RootChain {
    static constexpr int longest = 5;
    signed char squarings[64] = {}, odd[64] = {};
    int count = 0, last = 0;  // squarings after the last product

    constexpr RootChain() {
        const auto bit = [](int i) {
            return i < 0 ? 0 : (int)(bn254::minus_half_of_p((i + 1) / 64) >> ((i + 1) % 64) & 1);  // (p-1)/2 = 2e + 1
        };
        int at = 252, waiting = 0;
        while (!bit(at)) --at;
        while (at >= 0) {
            if (!bit(at)) {
                ++waiting;
                --at;
                continue;
            }
            int end = at - longest + 1 < 0 ? 0 : at - longest + 1;
            while (!bit(end)) ++end;
            int value = 0;
            for (int i = at; i >= end; --i) value = 2 * value + bit(i);
            squarings[count] = (signed char)(waiting + at - end + 1);
            odd[count++] = (signed char)value;
            waiting = 0;
            at = end - 1;
        }
        last = waiting;
    }
};

// a^((p-3)/4): a root of 1/a up to its sign where a is a square, and of -1/a elsewhere; zero for zero.
inline PairOfFq root_of_inverse(const PairOfFq& a) {
    static constexpr RootChain chain;
    PairOfFq powers[1 << (RootChain::longest - 1)];
    const PairOfFq twice = square(a);
    powers[0] = a;
    for (int i = 1; i < 1 << (RootChain::longest - 1); ++i) powers[i] = powers[i - 1] * twice;
    PairOfFq out = powers[chain.odd[0] / 2];
    for (int i = 1; i < chain.count; ++i) {
        for (int k = 0; k < chain.squarings[i]; ++k) out = square(out);
        out = out * powers[chain.odd[i] / 2];
    }
    for (int k = 0; k < chain.last; ++k) out = square(out);
    return out;
}

// A root of a, up to its sign, where there is one: true in `found`.
inline PairOfFq square_root(const PairOfFq& a, RowMask<LanesOfG1>& found) {
    const PairOfFq root = root_of_inverse(a) * a;
    found = is_zero(tight(square(root) - a));
    return root;
}

struct PairOfFq2 {
    PairOfFq c0, c1;
};

// With n^2 = N(a), d = (a0 + n)/2, t = d^((p-3)/4) and x = td: x^2 is d, and then x + (a1 t/2)u is a root, or it is -d, and then
// -a1 t/2 + xu is one. Where a1 = 0, d = a0 whatever the sign of n.
inline PairOfFq2 square_root(const PairOfFq2& a, RowMask<LanesOfG1>& found) {
    const PairOfFq half = PairOfFq::same(constant_of_fq<bn254::half>());
    const PairOfFq n = square_root(product_plus(below_four(a.c0), below_four(a.c0), a.c1, a.c1), found);
    const PairOfFq mean = tight(a.c0 + n) * half, d = select(is_zero(mean), a.c0, mean);
    const PairOfFq t = root_of_inverse(d), x = t * d, other = a.c1 * half * t;
    const RowMask<LanesOfG1> real = is_zero(tight(square(x) - d));
    return {select(real, x, tight(minus_of(other))), select(real, other, x)};
}

// lift_x, sixteen abscissae at a time; `parts` is the degree of their field over Fq.
template <size_t parts>
struct LaneRoots {
    static constexpr size_t together = 16;
    using Numbers = u64[parts][4 * together];

    static void lift_x(const u64* x, const u8* larger, u64* out, u8* found, size_t n) {
        for (size_t from = 0; from < n; from += together) {
            const size_t count = n - from < together ? n - from : together;
            const u64* at = x + 4 * parts * from;
            alignas(64) Numbers numbers = {};
            for (size_t i = 0; i < 4 * parts * count; ++i) numbers[i / 4 % parts][4 * (i / 4 / parts) + i % 4] = at[i];
            u32 minus = 0;
            for (size_t i = 0; i < count; ++i) minus |= (u32)(larger[from + i] != 0) << i;
            const u32 ok = lift(numbers, minus);
            for (size_t i = 0; i < count; ++i) {
                found[from + i] = ok >> i & 1;
                u64* point = out + 8 * parts * (from + i);
                for (size_t j = 0; j < 4 * parts; ++j) {
                    point[j] = found[from + i] ? at[4 * parts * i + j] : 0;
                    point[4 * parts + j] = found[from + i] ? numbers[j / 4][4 * i + j % 4] : 0;
                }
            }
        }
    }

private:
    static PairOfFq read(const u64* numbers) {
        return {{fit(load<FqM, 16>(numbers)), fit(load<FqM, 16>(numbers + 32))}};
    }
    static u32 bits(const RowMask<LanesOfG1>& mask) { return mask.of[0] | (u32)mask.of[1] << 8; }
    static RowMask<LanesOfG1> mask_of(u32 bits) { return {{(Mask8)bits, (Mask8)(bits >> 8)}}; }
    // Ordinates for abscissae, larger or smaller ones by a bit each; returns which exist.
    static u32 lift(Numbers& numbers, u32 wanted) {
        RowMask<LanesOfG1> found;
        if constexpr (parts == 1) {
            const PairOfFq x = read(numbers[0]);
            const PairOfFq y = square_root(fit(square(x) * x + PairOfFq::same(curve_b((LanesOfG1*)nullptr))), found);
            write(numbers[0], y, wanted ^ is_larger(y));
        } else {
            const PairOfFq2 x = {read(numbers[0]), read(numbers[1])};
            PairOfFq2 right;
            for (int k = 0; k < 2; ++k) {
                const Lanes2<FqM, 2> a = {x.c0.of[k], x.c1.of[k]};
                const Lanes2<FqM, 2> value = fit(product(square(a), a) + curve_b((LanesOfG2*)nullptr));
                right.c0.of[k] = value.c0;
                right.c1.of[k] = value.c1;
            }
            const PairOfFq2 y = square_root(right, found);
            const u32 real = bits(is_zero(y.c1)), larger = (is_larger(y.c1) & ~real) | (is_larger(y.c0) & real);
            write(numbers[0], y.c0, wanted ^ larger);
            write(numbers[1], y.c1, wanted ^ larger);
        }
        return bits(found);
    }
    // Whether the plain integer is above (p-1)/2.
    static u32 is_larger(const PairOfFq& y) {
        PairOfFq one = {};
        for (auto& element : one.of) element.v[0] = broadcast(1);
        const PairOfFq plain = y * one;
        u32 out = 0;
        for (int k = 0; k < 2; ++k) {
            // (p-1)/2 - y is negative.
            const Lanes<FqM, 1> reduced = canonical(plain.of[k]);
            Lanes<FqM, 1> half;
            const u64 limbs[4] = {bn254::minus_half_of_p(0), bn254::minus_half_of_p(1), bn254::minus_half_of_p(2), bn254::minus_half_of_p(3)};
            Vec copies[4];
            for (int i = 0; i < 4; ++i) copies[i] = broadcast(limbs[i]);
            split<1>(copies, half.v);
            Sum<FqM, 1> less;
            for (int i = 0; i < 5; ++i) less.v[i] = _mm512_sub_epi64(half.v[i], reduced.v[i]);
            out |= (u32)_mm512_movepi64_mask(tight(less).v[4]) << 8 * k;
        }
        return out;
    }
    // ±y with R = 2^256.
    static void write(u64* out, const PairOfFq& y, u32 minus) {
        const PairOfFq down = y * PairOfFq::same(Lanes<FqM, 1>::two_to_the<256>());
        const Row<LanesOfG1, 3> opposite = tight(minus_of(down));
        const Row<LanesOfG1, 3> signed_y = select(mask_of(minus), opposite, Row<LanesOfG1, 3>(down));
        for (int k = 0; k < 2; ++k) store(out + 32 * k, signed_y.of[k]);
    }
};

}  // namespace VX_ISA
}  // namespace vx
