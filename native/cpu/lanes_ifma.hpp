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

inline Vec broadcast(u64 a) { return _mm512_set1_epi64((long long)a); }

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
    // One number in every lane.
    static Lanes everywhere(const u64* limbs52) {
        Lanes out;
        for (int i = 0; i < 5; ++i) out.v[i] = broadcast(limbs52[i]);
        return out;
    }
};

// Carries. Limbs of the sum are within ±2^62 and its value is not negative.
template <class M, int B>
inline Lanes<M, B> tight(const Sum<M, B>& a) {
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
inline const Lanes<M, B>& tight(const Lanes<M, B>& a) {
    return a;
}

template <class M, int C, int D>
inline Sum<M, C + D> plus(const Vec* a, const Vec* b) {
    Sum<M, C + D> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_add_epi64(a[i], b[i]);
    return out;
}
// a - b + Dp
template <class M, int C, int D>
inline Sum<M, C + D> minus(const Vec* a, const Vec* b) {
    Sum<M, C + D> out;
    for (int i = 0; i < 5; ++i) {
        out.v[i] = _mm512_sub_epi64(_mm512_add_epi64(a[i], broadcast(multiple_of_p<M>(D, i))), b[i]);
    }
    return out;
}
template <template <class, int> class S, template <class, int> class T, class M, int C, int D>
inline Sum<M, C + D> operator+(const S<M, C>& a, const T<M, D>& b) {
    return plus<M, C, D>(a.v, b.v);
}
template <template <class, int> class S, template <class, int> class T, class M, int C, int D>
inline Sum<M, C + D> operator-(const S<M, C>& a, const T<M, D>& b) {
    return minus<M, C, D>(a.v, b.v);
}

// t += a·y for one limb y, then t = (t + m·p) / 2^52 with the m that makes it exact: one row of a Montgomery product.
// `low` of the lowest limb need not be computed: t + m·p has zeros there, so its carry is t's, rounded up.
template <class M>
inline void reduce_row(Vec* t) {
    const Vec zero = _mm512_setzero_si512();
    const Vec m = _mm512_madd52lo_epu64(zero, t[0], broadcast(M::inv & mask52));
    const Vec carry = _mm512_srli_epi64(_mm512_add_epi64(t[0], broadcast(mask52)), 52);
    Vec p[5];
    for (int i = 0; i < 5; ++i) p[i] = broadcast(multiple_of_p<M>(1, i));
    t[1] = _mm512_add_epi64(t[1], carry);
    for (int i = 1; i < 5; ++i) t[i] = _mm512_madd52lo_epu64(t[i], m, p[i]);
    for (int i = 0; i < 5; ++i) t[i + 1] = _mm512_madd52hi_epu64(t[i + 1], m, p[i]);
    for (int i = 0; i < 5; ++i) t[i] = t[i + 1];
    t[5] = zero;
}
inline void product_row(Vec* t, const Vec* a, Vec y) {
    for (int i = 0; i < 5; ++i) t[i] = _mm512_madd52lo_epu64(t[i], a[i], y);
}
inline void product_row_high(Vec* t, const Vec* a, Vec y) {
    for (int i = 0; i < 5; ++i) t[i + 1] = _mm512_madd52hi_epu64(t[i + 1], a[i], y);
}

template <class M>
inline Lanes<M, 2> carried(const Vec* t) {
    Sum<M, 2> s;
    for (int i = 0; i < 5; ++i) s.v[i] = t[i];
    return tight(s);
}

// ab/2^260 mod p in [0, 2p): the result is below (CD·p/2^260 + 1)p, and p/2^254 < 0.757.
template <class M, int C, int D>
inline Lanes<M, 2> multiply(const Vec* a, const Vec* b) {
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
inline Lanes<M, 2> multiply_two(const Lanes<M, A>& a, const Lanes<M, B>& b, const Lanes<M, C>& c, const Lanes<M, D>& d) {
    static_assert(A * B + C * D <= 84, "the sum of products would leave [0, 2p)");
    Vec t[6];
    for (auto& limb : t) limb = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
        product_row(t, a.v, b.v[i]);
        product_row(t, c.v, d.v[i]);
        product_row_high(t, a.v, b.v[i]);
        product_row_high(t, c.v, d.v[i]);
        reduce_row<M>(t);
    }
    return carried<M>(t);
}
template <template <class, int> class S, template <class, int> class T, class M, int C, int D>
inline Lanes<M, 2> operator*(const S<M, C>& a, const T<M, D>& b) {
    return multiply<M, C, D>(tight(a).v, tight(b).v);
}

template <class M, int C>
inline Lanes<M, 2> square(const Lanes<M, C>& a) {
    return a * a;
}

// a - kp where the lane's bit is set; exact comparison by the sign of the difference.
template <class M, int K, int B>
inline Lanes<M, B> subtract_if_not_below(const Lanes<M, B>& a) {
    Sum<M, B> d;
    for (int i = 0; i < 5; ++i) d.v[i] = _mm512_sub_epi64(a.v[i], broadcast(multiple_of_p<M>(K, i)));
    const Lanes<M, B> reduced = tight(d);
    return Lanes<M, B>::select(_mm512_movepi64_mask(reduced.v[4]), a, reduced);
}
// [0, 2^k p) -> [0, p).
template <class M, int B>
inline Lanes<M, 1> canonical(const Lanes<M, B>& a) {
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
inline Mask8 is_zero(const Lanes<M, B>& a) {
    const Lanes<M, 1> c = canonical(a);
    const Vec any = _mm512_or_si512(_mm512_or_si512(c.v[0], c.v[1]), _mm512_or_si512(_mm512_or_si512(c.v[2], c.v[3]), c.v[4]));
    return _mm512_testn_epi64_mask(any, any);
}

// 8x8 transposition of 64-bit words.
inline void transpose(Vec* r) {
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

// Four vectors of 64-bit limbs -> five of 52 bits, times `Factor` (1 or 16).
template <int Factor>
inline void split(const Vec* a, Vec* out) {
    constexpr int shift = Factor == 16 ? 4 : 0;
    static_assert(Factor == 1 || Factor == 16);
    const Vec mask = broadcast(mask52);
    const auto part = [&](Vec low, Vec high, int from) {
        return _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(low, (unsigned)from), _mm512_slli_epi64(high, (unsigned)(64 - from))), mask);
    };
    out[0] = _mm512_and_si512(_mm512_slli_epi64(a[0], shift), mask);
    out[1] = part(a[0], a[1], 52 - shift);
    out[2] = part(a[1], a[2], 40 - shift);
    out[3] = part(a[2], a[3], 28 - shift);
    out[4] = _mm512_srli_epi64(a[3], 16 - shift);
}
// Five limbs of 52 bits, the value below 2^256 -> four of 64.
inline void join(const Vec* a, Vec* out) {
    out[0] = _mm512_or_si512(a[0], _mm512_slli_epi64(a[1], 52));
    out[1] = _mm512_or_si512(_mm512_srli_epi64(a[1], 12), _mm512_slli_epi64(a[2], 40));
    out[2] = _mm512_or_si512(_mm512_srli_epi64(a[2], 24), _mm512_slli_epi64(a[3], 28));
    out[3] = _mm512_or_si512(_mm512_srli_epi64(a[3], 36), _mm512_slli_epi64(a[4], 16));
}

// Eight consecutive elements of four limbs each <-> a vector a limb.
inline void deinterleave(const u64* in, Vec* limbs) {
    const Vec a = _mm512_loadu_si512(in), b = _mm512_loadu_si512(in + 8), c = _mm512_loadu_si512(in + 16),
              d = _mm512_loadu_si512(in + 24);
    const Vec first = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13), second = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    const Vec ab01 = _mm512_permutex2var_epi64(a, first, b), cd01 = _mm512_permutex2var_epi64(c, first, d);
    const Vec ab23 = _mm512_permutex2var_epi64(a, second, b), cd23 = _mm512_permutex2var_epi64(c, second, d);
    limbs[0] = _mm512_shuffle_i64x2(ab01, cd01, 0x44);
    limbs[1] = _mm512_shuffle_i64x2(ab01, cd01, 0xee);
    limbs[2] = _mm512_shuffle_i64x2(ab23, cd23, 0x44);
    limbs[3] = _mm512_shuffle_i64x2(ab23, cd23, 0xee);
}
inline void interleave(const Vec* limbs, u64* out) {
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
inline Lanes<M, Factor> load(const u64* in) {
    Vec limbs[4];
    deinterleave(in, limbs);
    Lanes<M, Factor> out;
    split<Factor>(limbs, out.v);
    return out;
}
template <class M, int B>
inline void store(u64* out, const Lanes<M, B>& a) {
    const Lanes<M, 1> c = canonical(a);
    Vec limbs[4];
    join(c.v, limbs);
    interleave(limbs, out);
}

}  // namespace VX_ISA
}  // namespace vx
