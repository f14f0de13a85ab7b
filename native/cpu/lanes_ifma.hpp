// Eight elements of a prime field at once in AVX-512 IFMA: five limbs of 52 bits, one vector a limb, R = 2^260.
//
// The six spare bits hold lazy values, and the types say how far: `Lanes<M, B>` holds values in [0, Bp) with limbs in
// [0, 2^52), fit to be multiplied; `Sum<M, B>` holds values in [0, Bp) whose limbs have not been carried and may be
// negative. Sums and differences add up the bounds, products ask that they stay in range, all while compiling.
//
// A product of the *numbers* x and y is xy/2^260. Elements stored with R = 2^256 pass through linear maps unchanged, and
// through a product whose other factor has R = 2^260; where both are stored, one is read as 16 times itself (`load<16>`).
#pragma once
#include <immintrin.h>

#include "core_adx.hpp"

namespace vx {
inline namespace VX_ISA {

// Products of five vectors a side are worth inlining everywhere: a call would move them through memory.
#define VX_INLINE inline __attribute__((always_inline))

using Vec = __m512i;
using Mask8 = __mmask8;

constexpr u64 mask52 = ((u64)1 << 52) - 1;

// Limb i of k·p in radix 2^52.
template <class M>
constexpr u64 multiple_of_p(int k, int i) {
    unsigned __int128 carry = 0;
    const u64 p[5] = {M::p(0) & mask52, (M::p(0) >> 52 | M::p(1) << 12) & mask52, (M::p(1) >> 40 | M::p(2) << 24) & mask52,
                      (M::p(2) >> 28 | M::p(3) << 36) & mask52, M::p(3) >> 16};
    u64 limb = 0;
    for (int j = 0; j <= i; ++j) {
        carry += (unsigned __int128)p[j] * (u64)k;
        limb = j < 4 ? (u64)carry & mask52 : (u64)carry;
        carry >>= 52;
    }
    return limb;
}

// Limb i of 2^k mod p in radix 2^52.
template <class M>
constexpr u64 power_of_two(int k, int i) {
    u64 v[4] = {1, 0, 0, 0};
    for (; k > 0; --k) {
        u64 d[4] = {}, borrow = 0;
        for (int j = 3; j > 0; --j) v[j] = v[j] << 1 | v[j - 1] >> 63;
        v[0] <<= 1;
        for (int j = 0; j < 4; ++j) {
            const u64 t = v[j] - M::p(j);
            d[j] = t - borrow;
            borrow = (u64)(v[j] < M::p(j)) | (u64)(t < borrow);
        }
        for (int j = 0; j < 4; ++j) v[j] = borrow ? v[j] : d[j];
    }
    const u64 limbs[5] = {v[0] & mask52, (v[0] >> 52 | v[1] << 12) & mask52, (v[1] >> 40 | v[2] << 24) & mask52,
                          (v[2] >> 28 | v[3] << 36) & mask52, v[3] >> 16};
    return limbs[i];
}

VX_INLINE Vec broadcast(u64 a) { return _mm512_set1_epi64((long long)a); }

template <class M, int B>
struct Sum {
    Vec v[5];
};

template <class M, int B>
struct Lanes {
    static_assert(B <= 64, "260 bits hold values below 64p");
    Vec v[5];

    // A value of a tighter bound is one of a looser bound too.
    template <int C>
    operator Lanes<M, C>() const {
        static_assert(B <= C);
        return {{v[0], v[1], v[2], v[3], v[4]}};
    }
    static Lanes select(Mask8 mask, const Lanes& a, const Lanes& b) {
        Lanes out;
        for (int i = 0; i < 5; ++i) out.v[i] = _mm512_mask_mov_epi64(b.v[i], mask, a.v[i]);
        return out;
    }
    static Lanes zero() {
        Lanes out;
        for (int i = 0; i < 5; ++i) out.v[i] = _mm512_setzero_si512();
        return out;
    }
    // 2^K mod p in every lane.
    template <int K>
    static Lanes two_to_the() {
        constexpr u64 limbs[5] = {power_of_two<M>(K, 0), power_of_two<M>(K, 1), power_of_two<M>(K, 2), power_of_two<M>(K, 3),
                                  power_of_two<M>(K, 4)};
        Lanes out;
        for (int i = 0; i < 5; ++i) out.v[i] = broadcast(limbs[i]);
        return out;
    }
};

// Carries. Limbs of the sum are within ±2^62 and its value is not negative.
template <class M, int B>
VX_INLINE Lanes<M, B> tight(const Sum<M, B>& a) {
    const Vec mask = broadcast(mask52);
    Lanes<M, B> out;
    Vec carry = a.v[0];
    for (int i = 0; i < 4; ++i) {
        out.v[i] = _mm512_and_si512(carry, mask);
        carry = _mm512_add_epi64(a.v[i + 1], _mm512_srai_epi64(carry, 52));
    }
    out.v[4] = carry;
    return out;
}
template <class M, int B>
VX_INLINE const Lanes<M, B>& tight(const Lanes<M, B>& a) {
    return a;
}

template <class M, int C, int D>
VX_INLINE Sum<M, C + D> plus(const Vec* a, const Vec* b) {
    Sum<M, C + D> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_add_epi64(a[i], b[i]);
    return out;
}
// a - b + Dp
template <class M, int C, int D>
VX_INLINE Sum<M, C + D> minus(const Vec* a, const Vec* b) {
    Sum<M, C + D> out;
    for (int i = 0; i < 5; ++i) {
        out.v[i] = _mm512_sub_epi64(_mm512_add_epi64(a[i], broadcast(multiple_of_p<M>(D, i))), b[i]);
    }
    return out;
}
#define VX_LINEAR(S, T)                                            \
    template <class M, int C, int D>                               \
    VX_INLINE Sum<M, C + D> operator+(const S<M, C>& a, const T<M, D>& b) { return plus<M, C, D>(a.v, b.v); } \
    template <class M, int C, int D>                               \
    VX_INLINE Sum<M, C + D> operator-(const S<M, C>& a, const T<M, D>& b) { return minus<M, C, D>(a.v, b.v); }
VX_LINEAR(Lanes, Lanes)
VX_LINEAR(Lanes, Sum)
VX_LINEAR(Sum, Lanes)
VX_LINEAR(Sum, Sum)
#undef VX_LINEAR

// Bp - a
template <class M, int B>
VX_INLINE Sum<M, B> minus_of(const Lanes<M, B>& a) {
    Sum<M, B> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_sub_epi64(broadcast(multiple_of_p<M>(B, i)), a.v[i]);
    return out;
}

template <class M, int B>
VX_INLINE Sum<M, B> loosen(const Lanes<M, B>& a) {
    return {{a.v[0], a.v[1], a.v[2], a.v[3], a.v[4]}};
}
// K·a
template <int K, class M, int B>
VX_INLINE Sum<M, K * B> times(const Sum<M, B>& a) {
    Sum<M, K * B> out;
    for (int i = 0; i < 5; ++i) {
        out.v[i] = a.v[i];
        for (int bit = K >= 8 ? 4 : K >= 4 ? 2 : K >= 2 ? 1 : 0; bit > 0; bit /= 2) {
            out.v[i] = _mm512_add_epi64(out.v[i], out.v[i]);
            if (K & bit) out.v[i] = _mm512_add_epi64(out.v[i], a.v[i]);
        }
    }
    static_assert(K < 16);
    return out;
}

// t + m·p with the m that makes it a multiple of 2^52, which is left in t[1] and what follows.
// `low` of the lowest limb need not be computed: t + m·p has zeros there, so its carry is t's, rounded up.
template <class M>
VX_INLINE void reduce_column(Vec* t) {
    const Vec m = _mm512_madd52lo_epu64(_mm512_setzero_si512(), t[0], broadcast(M::inv & mask52));
    const Vec carry = _mm512_srli_epi64(_mm512_add_epi64(t[0], broadcast(mask52)), 52);
    Vec p[5];
    for (int i = 0; i < 5; ++i) p[i] = broadcast(multiple_of_p<M>(1, i));
    t[1] = _mm512_add_epi64(t[1], carry);
    asm("vpmadd52luq %[p1], %[m], %[t1]\n\tvpmadd52luq %[p2], %[m], %[t2]\n\tvpmadd52luq %[p3], %[m], %[t3]\n\t"
        "vpmadd52luq %[p4], %[m], %[t4]\n\tvpmadd52huq %[p0], %[m], %[t1]\n\tvpmadd52huq %[p1], %[m], %[t2]\n\t"
        "vpmadd52huq %[p2], %[m], %[t3]\n\tvpmadd52huq %[p3], %[m], %[t4]\n\tvpmadd52huq %[p4], %[m], %[t5]"
        : [t1] "+&v"(t[1]), [t2] "+&v"(t[2]), [t3] "+&v"(t[3]), [t4] "+&v"(t[4]), [t5] "+&v"(t[5])
        : [m] "v"(m), [p0] "vm"(p[0]), [p1] "vm"(p[1]), [p2] "vm"(p[2]), [p3] "vm"(p[3]), [p4] "vm"(p[4]));
}
// t += a·y for one limb y, then t = (t + m·p) / 2^52: one row of a Montgomery product.
template <class M>
VX_INLINE void reduce_row(Vec* t) {
    reduce_column<M>(t);
    for (int i = 0; i < 5; ++i) t[i] = t[i + 1];
    t[5] = _mm512_setzero_si512();
}
// Five multiplications in one piece: left to itself, GCC copies every sum before it adds to it, and runs out of registers.
VX_INLINE void product_row(Vec* t, const Vec* a, Vec y) {
    asm("vpmadd52luq %[a0], %[y], %[t0]\n\tvpmadd52luq %[a1], %[y], %[t1]\n\tvpmadd52luq %[a2], %[y], %[t2]\n\t"
        "vpmadd52luq %[a3], %[y], %[t3]\n\tvpmadd52luq %[a4], %[y], %[t4]"
        : [t0] "+&v"(t[0]), [t1] "+&v"(t[1]), [t2] "+&v"(t[2]), [t3] "+&v"(t[3]), [t4] "+&v"(t[4])
        : [y] "v"(y), [a0] "vm"(a[0]), [a1] "vm"(a[1]), [a2] "vm"(a[2]), [a3] "vm"(a[3]), [a4] "vm"(a[4]));
}
VX_INLINE void product_row_high(Vec* t, const Vec* a, Vec y) {
    asm("vpmadd52huq %[a0], %[y], %[t0]\n\tvpmadd52huq %[a1], %[y], %[t1]\n\tvpmadd52huq %[a2], %[y], %[t2]\n\t"
        "vpmadd52huq %[a3], %[y], %[t3]\n\tvpmadd52huq %[a4], %[y], %[t4]"
        : [t0] "+&v"(t[1]), [t1] "+&v"(t[2]), [t2] "+&v"(t[3]), [t3] "+&v"(t[4]), [t4] "+&v"(t[5])
        : [y] "v"(y), [a0] "vm"(a[0]), [a1] "vm"(a[1]), [a2] "vm"(a[2]), [a3] "vm"(a[3]), [a4] "vm"(a[4]));
}

template <class M>
VX_INLINE Lanes<M, 2> carried(const Vec* t) {
    Sum<M, 2> s;
    for (int i = 0; i < 5; ++i) s.v[i] = t[i];
    return tight(s);
}

// K sums of N products ab/2^260 side by side, one reduction a sum, not carried yet: one alone would wait for its own results,
// and the next be too far away in the stream of instructions.
template <class M, int K, int N>
VX_INLINE void product_rows(const Vec* const (&a)[K][N], const Vec* const (&b)[K][N], Vec* const (&out)[K]) {
    Vec t[K][6];
    for (auto& row : t) {
        for (auto& limb : row) limb = _mm512_setzero_si512();
    }
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
        for (int n = 0; n < N; ++n) {
            for (int k = 0; k < K; ++k) product_row(t[k], a[k][n], b[k][n][i]);
        }
        for (int n = 0; n < N; ++n) {
            for (int k = 0; k < K; ++k) product_row_high(t[k], a[k][n], b[k][n][i]);
        }
        for (auto& row : t) reduce_row<M>(row);
    }
    for (int k = 0; k < K; ++k) {
        for (int i = 0; i < 5; ++i) out[k][i] = t[k][i];
    }
}
// K squares side by side: products of different limbs are made once and their sums doubled.
template <class M, int K>
VX_INLINE void square_rows(const Vec* const (&a)[K], Vec* const (&out)[K]) {
    Vec t[K][10];
    for (auto& columns : t) {
        for (auto& column : columns) column = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        for (int k = 0; k < K; ++k) {
            for (int j = i + 1; j < 5; ++j) {
                t[k][i + j] = _mm512_madd52lo_epu64(t[k][i + j], a[k][i], a[k][j]);
                t[k][i + j + 1] = _mm512_madd52hi_epu64(t[k][i + j + 1], a[k][i], a[k][j]);
            }
        }
    }
    for (int k = 0; k < K; ++k) {
        for (int i = 1; i < 9; ++i) t[k][i] = _mm512_add_epi64(t[k][i], t[k][i]);
        for (int i = 0; i < 5; ++i) {
            t[k][2 * i] = _mm512_madd52lo_epu64(t[k][2 * i], a[k][i], a[k][i]);
            t[k][2 * i + 1] = _mm512_madd52hi_epu64(t[k][2 * i + 1], a[k][i], a[k][i]);
        }
    }
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
        for (int k = 0; k < K; ++k) reduce_column<M>(t[k] + i);
    }
    for (int k = 0; k < K; ++k) {
        for (int i = 0; i < 5; ++i) out[k][i] = t[k][5 + i];
    }
}

// ab/2^260 mod p in [0, 2p): the result is below (CD·p/2^260 + 1)p, and p/2^254 < 0.757.
template <class M, int C, int D>
VX_INLINE Lanes<M, 2> multiply(const Vec* a, const Vec* b) {
    static_assert(C * D <= 84, "the product would leave [0, 2p)");
    Vec t[6];
    for (auto& limb : t) limb = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
        product_row(t, a, b[i]);
        product_row_high(t, a, b[i]);
        reduce_row<M>(t);
    }
    return carried<M>(t);
}
// (ab + cd)/2^260 mod p in [0, 2p), with one reduction for both products.
template <class M, int A, int B, int C, int D>
VX_INLINE Lanes<M, 2> multiply_two(const Lanes<M, A>& a, const Lanes<M, B>& b, const Lanes<M, C>& c, const Lanes<M, D>& d) {
    static_assert(A * B + C * D <= 84, "the sum of products would leave [0, 2p)");
    Sum<M, 2> sum;
    product_rows<M, 1, 2>({{a.v, c.v}}, {{b.v, d.v}}, {sum.v});
    return tight(sum);
}
template <class M, int C, int D>
VX_INLINE Lanes<M, 2> product(const Lanes<M, C>& a, const Lanes<M, D>& b) {
    return multiply<M, C, D>(a.v, b.v);
}
template <template <class, int> class S, template <class, int> class T, class M, int C, int D>
VX_INLINE auto operator*(const S<M, C>& a, const T<M, D>& b) -> decltype(product(tight(a), tight(b))) {
    return product(tight(a), tight(b));
}

// Products of one or two pairs.
template <class M, int C, int D>
VX_INLINE void products(const Lanes<M, C> (&a)[1], const Lanes<M, D> (&b)[1], Lanes<M, 2> (&out)[1]) {
    out[0] = product(a[0], b[0]);
}
template <class M, int C, int D>
VX_INLINE void products(const Lanes<M, C> (&a)[2], const Lanes<M, D> (&b)[2], Lanes<M, 2> (&out)[2]) {
    static_assert(C * D <= 84, "the product would leave [0, 2p)");
    Sum<M, 2> sums[2];
    product_rows<M, 2, 1>({{a[0].v}, {a[1].v}}, {{b[0].v}, {b[1].v}}, {sums[0].v, sums[1].v});
    for (int k = 0; k < 2; ++k) out[k] = tight(sums[k]);
}

// Σ of two products, of two pairs of them.
template <class M, int A, int B, int C, int D>
VX_INLINE void products_plus(const Lanes<M, A> (&a)[2], const Lanes<M, B> (&b)[2], const Lanes<M, C> (&c)[2],
                             const Lanes<M, D> (&d)[2], Lanes<M, 2> (&out)[2]) {
    static_assert(A * B + C * D <= 84, "the sum of products would leave [0, 2p)");
    Sum<M, 2> sums[2];
    product_rows<M, 2, 2>({{a[0].v, c[0].v}, {a[1].v, c[1].v}}, {{b[0].v, d[0].v}, {b[1].v, d[1].v}},
                          {sums[0].v, sums[1].v});
    for (int k = 0; k < 2; ++k) out[k] = tight(sums[k]);
}
template <class M, int C>
VX_INLINE void squares(const Lanes<M, C> (&a)[1], Lanes<M, 2> (&out)[1]) {
    static_assert(C * C <= 84, "the square would leave [0, 2p)");
    Sum<M, 2> sum;
    square_rows<M, 1>({a[0].v}, {sum.v});
    out[0] = tight(sum);
}
template <class M, int C>
VX_INLINE void squares(const Lanes<M, C> (&a)[2], Lanes<M, 2> (&out)[2]) {
    static_assert(C * C <= 84, "the square would leave [0, 2p)");
    Sum<M, 2> sums[2];
    square_rows<M, 2>({a[0].v, a[1].v}, {sums[0].v, sums[1].v});
    for (int k = 0; k < 2; ++k) out[k] = tight(sums[k]);
}
template <class M, int C>
VX_INLINE Lanes<M, 2> square(const Lanes<M, C>& a) {
    static_assert(C * C <= 84, "the square would leave [0, 2p)");
    Sum<M, 2> sum;
    square_rows<M, 1>({a.v}, {sum.v});
    return tight(sum);
}

constexpr int larger(int a, int b) { return a > b ? a : b; }
// Subtracts Kp where the top limb says that it fits, then carries. Uncarried limbs are within ±2^56, so that the top limb
// is off by less than 16, a trifle of p.
template <int K, class M, int B>
VX_INLINE Lanes<M, larger(K + 1, B - K)> fold(const Sum<M, B>& a) {
    Sum<M, larger(K + 1, B - K)> out;
    const Mask8 above = _mm512_cmpgt_epi64_mask(a.v[4], broadcast(multiple_of_p<M>(K, 4) + 16));
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_mask_sub_epi64(a.v[i], above, a.v[i], broadcast(multiple_of_p<M>(K, i)));
    return tight(out);
}
// [0, 64p) -> [0, 2p): takes off qp for a quotient q guessed from the top limb, which is never too large and at most one and a
// half too small (84 = floor(2^52 / (top of p + 1)), 0.7 % below the truth). Uncarried limbs as in `fold`.
template <class M>
VX_INLINE Lanes<M, 2> fit_by(const Vec* a, Vec top) {
    const Vec zero = _mm512_setzero_si512();
    const Vec q = _mm512_madd52hi_epu64(zero, top, broadcast(mask52 / (multiple_of_p<M>(1, 4) + 1)));
    Sum<M, 2> out;
    for (int i = 0; i < 5; ++i) {
        Vec t = _mm512_madd52lo_epu64(zero, q, broadcast(multiple_of_p<M>(1, i)));
        if (i) t = _mm512_madd52hi_epu64(t, q, broadcast(multiple_of_p<M>(1, i - 1)));
        out.v[i] = _mm512_sub_epi64(a[i], t);
    }
    return tight(out);
}
template <class M, int B>
VX_INLINE Lanes<M, 2> fit(const Lanes<M, B>& a) {
    return fit_by<M>(a.v, a.v[4]);
}
template <class M, int B>
VX_INLINE Lanes<M, 2> fit(const Sum<M, B>& a) {
    static_assert(B <= 64, "260 bits hold values below 64p");
    const Vec top = _mm512_sub_epi64(a.v[4], broadcast(16));
    return fit_by<M>(a.v, _mm512_max_epi64(top, _mm512_setzero_si512()));
}

// a - kp where the lane's bit is set; exact comparison by the sign of the difference.
template <class M, int K, int B>
VX_INLINE Lanes<M, B> subtract_if_not_below(const Lanes<M, B>& a) {
    Sum<M, B> d;
    for (int i = 0; i < 5; ++i) d.v[i] = _mm512_sub_epi64(a.v[i], broadcast(multiple_of_p<M>(K, i)));
    const Lanes<M, B> reduced = tight(d);
    return Lanes<M, B>::select(_mm512_movepi64_mask(reduced.v[4]), a, reduced);
}
// [0, 2^k p) -> [0, p).
template <class M, int B>
VX_INLINE Lanes<M, 1> canonical(const Lanes<M, B>& a) {
    if constexpr (B == 1) {
        return a;
    } else {
        constexpr int half = (B + 1) / 2;
        Lanes<M, B> r = subtract_if_not_below<M, half>(a);
        Lanes<M, half> smaller;
        for (int i = 0; i < 5; ++i) smaller.v[i] = r.v[i];
        return canonical(smaller);
    }
}
template <class M, int B>
VX_INLINE Mask8 is_zero(const Lanes<M, B>& a) {
    const Lanes<M, 1> c = canonical(a);
    const Vec any = _mm512_or_si512(_mm512_or_si512(c.v[0], c.v[1]), _mm512_or_si512(_mm512_or_si512(c.v[2], c.v[3]), c.v[4]));
    return _mm512_testn_epi64_mask(any, any);
}

// 8x8 transposition of 64-bit words.
VX_INLINE void transpose(Vec* r) {
    Vec t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
    Vec s[8];
    for (int i = 0; i < 8; i += 4) {
        for (int j = 0; j < 2; ++j) {
            s[i + j] = _mm512_permutex2var_epi64(t[i + j], _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), t[i + 2 + j]);
            s[i + 2 + j] = _mm512_permutex2var_epi64(t[i + j], _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), t[i + 2 + j]);
        }
    }
    for (int i = 0; i < 4; ++i) {
        r[i] = _mm512_shuffle_i64x2(s[i], s[i + 4], 0x44);
        r[i + 4] = _mm512_shuffle_i64x2(s[i], s[i + 4], 0xee);
    }
}

// Four vectors of 64-bit limbs -> five of 52 bits, times `Factor` (1 or 16), with what happens to stand above those bits.
template <int Factor>
VX_INLINE void split_raw(const Vec* a, Vec* out) {
    constexpr int shift = Factor == 16 ? 4 : 0;
    static_assert(Factor == 1 || Factor == 16);
    out[0] = _mm512_slli_epi64(a[0], shift);
    out[1] = _mm512_shrdi_epi64(a[0], a[1], 52 - shift);
    out[2] = _mm512_shrdi_epi64(a[1], a[2], 40 - shift);
    out[3] = _mm512_shrdi_epi64(a[2], a[3], 28 - shift);
    out[4] = _mm512_srli_epi64(a[3], 16 - shift);
}
template <int Factor>
VX_INLINE void split(const Vec* a, Vec* out) {
    split_raw<Factor>(a, out);
    for (int i = 0; i < 4; ++i) out[i] = _mm512_and_si512(out[i], broadcast(mask52));
}
// Five limbs of 52 bits, the value below 2^256 -> four of 64. What stands above those bits does not matter, but in the last.
VX_INLINE void join(const Vec* a, Vec* out) {
    out[0] = _mm512_shrdi_epi64(_mm512_slli_epi64(a[0], 12), a[1], 12);
    out[1] = _mm512_shrdi_epi64(_mm512_slli_epi64(a[1], 12), a[2], 24);
    out[2] = _mm512_shrdi_epi64(_mm512_slli_epi64(a[2], 12), a[3], 36);
    out[3] = _mm512_shrdi_epi64(_mm512_slli_epi64(a[3], 12), a[4], 48);
}

// Eight elements of four limbs each, two a vector, <-> a vector a limb.
VX_INLINE void deinterleave(const Vec* pairs, Vec* limbs) {
    const Vec a = pairs[0], b = pairs[1], c = pairs[2], d = pairs[3];
    const Vec first = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13), second = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    const Vec ab01 = _mm512_permutex2var_epi64(a, first, b), cd01 = _mm512_permutex2var_epi64(c, first, d);
    const Vec ab23 = _mm512_permutex2var_epi64(a, second, b), cd23 = _mm512_permutex2var_epi64(c, second, d);
    limbs[0] = _mm512_shuffle_i64x2(ab01, cd01, 0x44);
    limbs[1] = _mm512_shuffle_i64x2(ab01, cd01, 0xee);
    limbs[2] = _mm512_shuffle_i64x2(ab23, cd23, 0x44);
    limbs[3] = _mm512_shuffle_i64x2(ab23, cd23, 0xee);
}
VX_INLINE void deinterleave(const u64* in, Vec* limbs) {
    const Vec pairs[4] = {_mm512_loadu_si512(in), _mm512_loadu_si512(in + 8), _mm512_loadu_si512(in + 16), _mm512_loadu_si512(in + 24)};
    deinterleave(pairs, limbs);
}
VX_INLINE void interleave(const Vec* limbs, u64* out) {
    const Vec ab01 = _mm512_shuffle_i64x2(limbs[0], limbs[1], 0x44), cd01 = _mm512_shuffle_i64x2(limbs[0], limbs[1], 0xee);
    const Vec ab23 = _mm512_shuffle_i64x2(limbs[2], limbs[3], 0x44), cd23 = _mm512_shuffle_i64x2(limbs[2], limbs[3], 0xee);
    const Vec low = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13), high = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(out, _mm512_permutex2var_epi64(ab01, low, ab23));
    _mm512_storeu_si512(out + 8, _mm512_permutex2var_epi64(ab01, high, ab23));
    _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi64(cd01, low, cd23));
    _mm512_storeu_si512(out + 24, _mm512_permutex2var_epi64(cd01, high, cd23));
}

// uint64 [8, 4], each in [0, p) -> the numbers times Factor.
template <class M, int Factor = 1>
VX_INLINE Lanes<M, Factor> load(const u64* in) {
    Vec limbs[4];
    deinterleave(in, limbs);
    Lanes<M, Factor> out;
    split<Factor>(limbs, out.v);
    return out;
}
// A factor as it comes from memory: multiplications look at 52 bits of a limb, so that the rest need not be cleared.
template <class M, int B>
struct Raw {
    Vec v[5];
};
template <class M, int Factor = 1>
VX_INLINE Raw<M, Factor> load_raw(const u64* in) {
    Vec limbs[4];
    deinterleave(in, limbs);
    Raw<M, Factor> out;
    split_raw<Factor>(limbs, out.v);
    return out;
}
// Two products side by side, not carried yet.
template <class M, int C, int D>
VX_INLINE void multiply_raw(const Raw<M, C> (&a)[2], const Raw<M, D> (&b)[2], Sum<M, 2> (&out)[2]) {
    static_assert(C * D <= 84, "the product would leave [0, 2p)");
    product_rows<M, 2, 1>({{a[0].v}, {a[1].v}}, {{b[0].v}, {b[1].v}}, {out[0].v, out[1].v});
}
// A value that has not been carried, less p, and once more if it may be above 2p, unless that is negative.
template <class M, int B>
VX_INLINE void store(u64* out, const Sum<M, B>& a) {
    static_assert(B == 2 || B == 3);
    Vec as_is[5], less[5], limbs[4];
    for (int i = 0; i < 5; ++i) as_is[i] = a.v[i];
    for (int i = 0; i < 4; ++i) as_is[i + 1] = _mm512_add_epi64(as_is[i + 1], _mm512_srai_epi64(as_is[i], 52));
    for (int k = 1; k < B; ++k) {
        for (int i = 0; i < 5; ++i) less[i] = _mm512_sub_epi64(a.v[i], broadcast(multiple_of_p<M>(k, i)));
        for (int i = 0; i < 4; ++i) less[i + 1] = _mm512_add_epi64(less[i + 1], _mm512_srai_epi64(less[i], 52));
        const Mask8 below = _mm512_movepi64_mask(less[4]);
        for (int i = 0; i < 5; ++i) as_is[i] = _mm512_mask_mov_epi64(less[i], below, as_is[i]);
    }
    join(as_is, limbs);
    interleave(limbs, out);
}
template <class M, int B>
VX_INLINE void store(u64* out, const Lanes<M, B>& a) {
    const Lanes<M, 1> c = canonical(a);
    Vec limbs[4];
    join(c.v, limbs);
    interleave(limbs, out);
}

}  // namespace VX_ISA
}  // namespace vx
