// Limb arithmetic for processors: products and sums in plain C++, lazy ones too, and an inverse by division steps.
#pragma once
#include <cstddef>

#include "vortex/field.hpp"

namespace vx {
inline namespace VX_ISA {

// Inversion by division steps (Bernstein and Yang, "Fast constant-time gcd computation and modular inversion", 2019), in
// variable time: 62 steps at a time on the low words, then one linear combination of the long numbers.
namespace division_steps {

using i64 = long long;
using i128 = __int128;

// Σ limb_i·2^(62i), limbs in [0, 2^62) but for the signed last one.
struct Long {
    i64 v[5];
};
constexpr u64 mask = ~(u64)0 >> 2;

inline Long split(const u64* a) {
    return {{(i64)(a[0] & mask), (i64)((a[0] >> 62 | a[1] << 2) & mask), (i64)((a[1] >> 60 | a[2] << 4) & mask),
             (i64)((a[2] >> 58 | a[3] << 6) & mask), (i64)(a[3] >> 56)}};
}

// 2^62 times the product of 62 steps, as integers.
struct Matrix {
    i64 u, v, q, r;
};

// `eta` is minus the paper's delta; f odd.
inline i64 steps(i64 eta, u64 f, u64 g, Matrix& t) {
    u64 u = 1, v = 0, q = 0, r = 1;
    for (int left = 62;;) {
        const int zeros = __builtin_ctzll(g | ~(u64)0 << left);
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= zeros;
        left -= zeros;
        if (left == 0) break;
        if (eta < 0) {
            eta = -eta;
            u64 old = f; f = g; g = 0 - old;
            old = u; u = q; q = 0 - old;
            old = v; v = r; r = 0 - old;
        }
        // f(f^2 - 2) = -1/f mod 2^6, so g + w f loses up to six low bits at once, as many as eta and `left` allow.
        int bits = (int)(eta + 1 < left ? eta + 1 : left);
        if (bits > 6) bits = 6;
        const u64 w = f * g * (f * f - 2) & (((u64)1 << bits) - 1);
        g += f * w;
        q += u * w;
        r += v * w;
    }
    t = {(i64)u, (i64)v, (i64)q, (i64)r};
    return eta;
}

// (f, g) <- t·(f, g) / 2^62, exactly.
inline void combine(Long& f, Long& g, const Matrix& t) {
    i128 cf = (i128)t.u * f.v[0] + (i128)t.v * g.v[0], cg = (i128)t.q * f.v[0] + (i128)t.r * g.v[0];
    cf >>= 62;
    cg >>= 62;
    for (int i = 1; i < 5; ++i) {
        cf += (i128)t.u * f.v[i] + (i128)t.v * g.v[i];
        cg += (i128)t.q * f.v[i] + (i128)t.r * g.v[i];
        f.v[i - 1] = (i64)((u64)cf & mask);
        g.v[i - 1] = (i64)((u64)cg & mask);
        cf >>= 62;
        cg >>= 62;
    }
    f.v[4] = (i64)cf;
    g.v[4] = (i64)cg;
}

// (d, e) <- t·(d, e) / 2^62 mod p; both in (-2p, p) in and out.
inline void combine_modulo(Long& d, Long& e, const Matrix& t, const Long& p, u64 minus_inverse) {
    // Start from the multiples of p that make negative operands count as d + p, e + p.
    const i64 sd = d.v[4] >> 63, se = e.v[4] >> 63;
    i64 md = (t.u & sd) + (t.v & se), me = (t.q & sd) + (t.r & se);
    i128 cd = (i128)t.u * d.v[0] + (i128)t.v * e.v[0], ce = (i128)t.q * d.v[0] + (i128)t.r * e.v[0];
    // Then those that clear the low 62 bits.
    md += (i64)((((u64)cd + (u64)md * (u64)p.v[0]) * minus_inverse) & mask);
    me += (i64)((((u64)ce + (u64)me * (u64)p.v[0]) * minus_inverse) & mask);
    // A correction in [0, 2^62) would push the result up by p at most; (-2p, p) is kept by taking it in (-2^62, 0].
    md -= (i64)1 << 62;
    me -= (i64)1 << 62;
    cd += (i128)md * p.v[0];
    ce += (i128)me * p.v[0];
    cd >>= 62;
    ce >>= 62;
    for (int i = 1; i < 5; ++i) {
        cd += (i128)t.u * d.v[i] + (i128)t.v * e.v[i] + (i128)md * p.v[i];
        ce += (i128)t.q * d.v[i] + (i128)t.r * e.v[i] + (i128)me * p.v[i];
        d.v[i - 1] = (i64)((u64)cd & mask);
        e.v[i - 1] = (i64)((u64)ce & mask);
        cd >>= 62;
        ce >>= 62;
    }
    d.v[4] = (i64)cd;
    e.v[4] = (i64)ce;
}

}  // namespace division_steps

// The operands of Σ a_i b_i in Fq2: a_i = {re, im}, b_i = {-im, re, im}.
template <int terms>
struct Terms {
    const u64 *a[terms], *b[terms];
};

// Limb i of kp.
template <class M>
constexpr u64 multiple_limb(int k, int i) {
    unsigned __int128 sum = 0;
    for (int j = 0; j <= i; ++j) sum = (sum >> 64) + (unsigned __int128)M::p(j) * (unsigned)k;
    return (u64)sum;
}
// Limbs of kp, -1/p, and 2^64 over the bits of p from 224 on, rounded down, by which quotients are guessed.
template <class M, int k = 1>
struct alignas(64) Memory {
    u64 p[4] = {multiple_limb<M>(k, 0), multiple_limb<M>(k, 1), multiple_limb<M>(k, 2), multiple_limb<M>(k, 3)};
    u64 inv = M::inv, guess = ~(u64)0 / ((M::p(3) >> 32) + 1);
};
template <class M, int k = 1>
inline constexpr Memory<M, k> memory{};

// Four limbs in plain C++, for any processor. A value is lazy where it may be p or more; `product` takes and gives lazy ones.
struct CpuCore : PortableCore {
    static constexpr bool sums_products = true;
    // a*b/2^256 mod p in [0, 2p) for a*b < 2^256 p: operands below 2p and 2p, or below 4p and p. As PortableCore's, but row
    // by row in two chains of carries, the low halves of the row's products and the high ones.
    template <class M>
    static inline void product(u64* out, const u64* a, const u64* b) {
        u64 t[6] = {0, 0, 0, 0, 0, 0};
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            add_multiple<false>(t, a, b[i]);
            drop_limb<M>(t);
        }
        for (int i = 0; i < 4; ++i) out[i] = t[i];
    }
    // out_k = a_k b_k / 2^256 mod p in [0, p) for k = 0, 1 and operands below 2p, elements side by side.
    template <class M>
    static inline void product_pair(u64* out, const u64* a, const u64* b) {
        mul<M>(out, a, b);
        mul<M>(out + 4, a + 4, b + 4);
    }
    // The same for many pairs, those of b `stride` words apart.
    template <class M>
    static inline void product_pairs(u64* out, const u64* a, const u64* b, size_t pairs, size_t stride) {
        for (size_t i = 0; i < pairs; ++i) product_pair<M>(out + 8 * i, a + 8 * i, b + stride * i);
    }
    // The product in Fq2, for a below 2p and b below p.
    template <class M>
    static inline void product_fq2(u64* out, const u64* a, const u64* b) {
        u64 minus[4];
        const u64 p[4] = {multiple<M>(2, 0), multiple<M>(2, 1), multiple<M>(2, 2), multiple<M>(2, 3)};
        sub_limbs(minus, p, a + 4);
        const u64 *left[2] = {a, minus}, *right[2] = {b, b + 4}, *swapped[2] = {b + 4, b};
        sum_of_products<M, 2>(out, left, right);
        left[1] = a + 4;
        sum_of_products<M, 2>(out + 4, left, swapped);
    }
    // Σ a_i b_i in Fq2, two or three, all below p.
    template <class M, int terms>
    static inline void sum_fq2(u64* out, const Terms<terms>& t) {
        const u64 *a[2 * terms], *b[2 * terms];
        for (int i = 0; i < terms; ++i) {
            a[2 * i] = t.a[i];
            a[2 * i + 1] = t.a[i] + 4;
            b[2 * i] = t.b[i] + 4;
            b[2 * i + 1] = t.b[i];
        }
        sum_of_products<M, 2 * terms>(out, a, b);
        for (int i = 0; i < 2 * terms; ++i) b[i] += 4;
        sum_of_products<M, 2 * terms>(out + 4, a, b);
    }
    // t in [0, 2kp) -> [0, kp), without a branch.
    template <class M, int k = 1>
    static VX_INLINE void fold(u64* out, const u64* t) {
        subtract_unless_below(out, t, memory<M, k>.p);
    }
    // 9a + b in [0, p), for b <= p.
    template <class M>
    static inline void nine_times_plus(u64* out, const u64* a, const u64* b) {
        u64 t[4], q[4], carry = 0, high = 0;
        for (int i = 0; i < 4; ++i) t[i] = multiply_add(a[i], 9, b[i], carry);
        // A quotient guessed from the bits from 224 on, never too large and at most one too small.
        const u64 quotient = mul_hi(carry << 32 | t[3] >> 32, memory<M>.guess);
        for (int i = 0; i < 4; ++i) q[i] = multiply_add(M::p(i), quotient, 0, high);
        sub_limbs(t, t, q);
        fold<M>(out, t);
    }
    template <class M>
    static inline void mul(u64* out, const u64* a, const u64* b) {
        u64 t[4];
        product<M>(t, a, b);
        fold<M>(out, t);
    }
    template <class M>
    static inline void add(u64* out, const u64* a, const u64* b) {
        u64 t[4];
        add_limbs(t, a, b);
        fold<M>(out, t);
    }
    template <class M>
    static inline void sub(u64* out, const u64* a, const u64* b) {
        u64 t[4];
        const u64 below = sub_limbs(t, a, b);
        const u64 p[4] = {M::p(0) & below, M::p(1) & below, M::p(2) & below, M::p(3) & below};
        add_limbs(out, t, p);
    }
    // a in [0, p) -> 1/a in Montgomery form, and 0 for 0.
    template <class M, class Core>
    static inline void inverse_with(u64* out, const u64* a);
    template <class M>
    static inline void inverse(u64* out, const u64* a) {
        inverse_with<M, CpuCore>(out, a);
    }
    template <class M>
    static VX_INLINE constexpr u64 multiple(int k, int i) {
        return multiple_limb<M>(k, i);
    }

private:
    // Σ a_i b_i / 2^256 mod p in [0, p), for up to six products below p^2, or two below 2p^2. A row takes a limb of every b_i,
    // and then the multiple of p that clears the lowest limb
    // (Longa, "Efficient algorithms for large prime characteristic fields and their application to bilinear pairings", 2022).
    template <class M, int count>
    static inline void sum_of_products(u64* out, const u64* const* a, const u64* const* b) {
        u64 t[6] = {0, 0, 0, 0, 0, 0};
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 6
            for (int i = 0; i < count; ++i) add_multiple<(count > 4)>(t, a[i], b[i][j]);
            drop_limb<M, (count > 4)>(t);
        }
        fold<M>(out, t);
        if (count > 4) fold<M>(out, out);
    }
    // t = (t + m*p)/2^64 with the m that makes it exact.
    template <class M, bool six = false>
    static VX_INLINE void drop_limb(u64* t) {
        add_multiple<six>(t, memory<M>.p, t[0] * M::inv);
        shift(t);
    }
    // One limb down: spelt out, or compilers move memory.
    static VX_INLINE void shift(u64* t) {
        t[0] = t[1];
        t[1] = t[2];
        t[2] = t[3];
        t[3] = t[4];
        t[4] = t[5];
        t[5] = 0;
    }
};

template <class M, class Core>
inline void CpuCore::inverse_with(u64* out, const u64* a) {
    using namespace division_steps;
    const u64 modulus[4] = {M::p(0), M::p(1), M::p(2), M::p(3)};
    const Long p = split(modulus);
    Long f = p, g = split(a), d = {{0, 0, 0, 0, 0}}, e = {{1, 0, 0, 0, 0}};
    i64 eta = -1;
    while (g.v[0] | g.v[1] | g.v[2] | g.v[3] | g.v[4]) {
        Matrix t;
        eta = steps(eta, (u64)f.v[0] | (u64)f.v[1] << 62, (u64)g.v[0] | (u64)g.v[1] << 62, t);
        combine_modulo(d, e, t, p, M::inv);
        combine(f, g, t);
    }
    // f is ±1 (or ±p for a = 0, when d is 0) and d·a = f: bring ±d into [0, p).
    const i64 sign = f.v[4] >> 63;
    i64 carry = 0;
    for (int i = 0; i < 5; ++i) {
        carry += (d.v[i] ^ sign) - sign;
        d.v[i] = i < 4 ? carry & (i64)mask : carry;
        carry >>= 62;
    }
    while (d.v[4] < 0) {
        carry = 0;
        for (int i = 0; i < 5; ++i) {
            carry += d.v[i] + p.v[i];
            d.v[i] = i < 4 ? carry & (i64)mask : carry;
            carry >>= 62;
        }
    }
    const u64* w = (const u64*)d.v;
    u64 t[4] = {w[0] | w[1] << 62, w[1] >> 2 | w[2] << 60, w[2] >> 4 | w[3] << 58, w[3] >> 6 | w[4] << 56};
    PortableCore::reduce_once<M>(t, t);
    PortableCore::reduce_once<M>(t, t);
    // t = 1/(a·2^256): two products with 2^512 bring the factor to 2^256.
    const u64 r2[4] = {M::r2(0), M::r2(1), M::r2(2), M::r2(3)};
    Core::template mul<M>(t, t, r2);
    Core::template mul<M>(out, t, r2);
}

}  // namespace VX_ISA
}  // namespace vx
