// Eight words at a time with AVX-512: NarrowLanes multiply with IFMA (52-bit words, primes below 2^50), WideLanes with
// 64-bit Shoup quotients (primes below 2^61) and sum products in words of 52 bits.
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "vortex/modulus.hpp"

namespace vx {
inline namespace VX_ISA {

struct Avx512Lanes {
    using V = __m512i;
    static constexpr int kLanes = 8, kRadix = 8;
    static constexpr bool kFma = true;

    VX_INLINE static V load(const u64* p) { return _mm512_loadu_si512(p); }
    VX_INLINE static void store(u64* p, V v) { _mm512_storeu_si512(p, v); }
    VX_INLINE static V set1(u64 a) { return _mm512_set1_epi64(static_cast<long long>(a)); }
    VX_INLINE static V add(V a, V b) { return _mm512_add_epi64(a, b); }
    VX_INLINE static V sub(V a, V b) { return _mm512_sub_epi64(a, b); }
    // [0, 2m) -> [0, m): below m, a - m wraps to a larger number.
    VX_INLINE static V reduce(V a, V m) { return _mm512_min_epu64(a, _mm512_sub_epi64(a, m)); }
    VX_INLINE static V select(V mask, V a, V b) { return _mm512_ternarylogic_epi64(mask, a, b, 0xca); }
    VX_INLINE static V permute(const u64* block, const u64* lanes, size_t) {
        return _mm512_permutexvar_epi64(load(lanes), load(block));
    }

    // Each of the words at p 2^repeat times, as many as it takes.
    VX_INLINE static V load_repeated(const u64* p, unsigned repeat) {
        const V lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        const auto few = static_cast<__mmask8>(repeat < 3 ? 0xff >> (8 - (8 >> repeat)) : 1);
        const V source = _mm512_srl_epi64(lanes, _mm_cvtsi32_si128(static_cast<int>(repeat)));
        return _mm512_permutexvar_epi64(source, _mm512_maskz_loadu_epi64(few, p));
    }

    // The 16 x 16 matrix of words of 32 bits, rows and columns exchanged, row after row.
    template <class Lane>
    VX_INLINE static void store_transposed(u32* out, Lane (&rows)[16]) {
        V a[16], b[16];
        for (int i = 0; i < 16; i += 2) {
            a[i] = _mm512_unpacklo_epi32((V)rows[i], (V)rows[i + 1]);
            a[i + 1] = _mm512_unpackhi_epi32((V)rows[i], (V)rows[i + 1]);
        }
        // b[4 g + k] holds rows 4 g .. 4 g + 3 at columns k + 4 c in its 128-bit parts c
        for (int g = 0; g < 16; g += 4) {
            for (int k = 0; k < 2; ++k) {
                b[g + 2 * k] = _mm512_unpacklo_epi64(a[g + k], a[g + 2 + k]);
                b[g + 2 * k + 1] = _mm512_unpackhi_epi64(a[g + k], a[g + 2 + k]);
            }
        }
        for (int k = 0; k < 4; ++k) {
            const V even = _mm512_shuffle_i64x2(b[k], b[4 + k], 0x88), odd = _mm512_shuffle_i64x2(b[k], b[4 + k], 0xdd);
            const V more = _mm512_shuffle_i64x2(b[8 + k], b[12 + k], 0x88), rest = _mm512_shuffle_i64x2(b[8 + k], b[12 + k], 0xdd);
            _mm512_storeu_si512(out + 16 * k, _mm512_shuffle_i64x2(even, more, 0x88));
            _mm512_storeu_si512(out + 16 * (k + 4), _mm512_shuffle_i64x2(odd, rest, 0x88));
            _mm512_storeu_si512(out + 16 * (k + 8), _mm512_shuffle_i64x2(even, more, 0xdd));
            _mm512_storeu_si512(out + 16 * (k + 12), _mm512_shuffle_i64x2(odd, rest, 0xdd));
        }
    }
    // Those of eight words of 64 bits that are below the modulus under the mask, first; returns their count.
    VX_INLINE static size_t store_below(u64* out, const u32* words, u64 mask, u64 modulus) {
        const V v = _mm512_and_si512(_mm512_loadu_si512(words), set1(mask));
        const __mmask8 below = _mm512_cmplt_epu64_mask(v, set1(modulus));
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(below, v));
        return static_cast<size_t>(__builtin_popcount(below));
    }

    // The 8 x 8 matrix of words, rows and columns exchanged.
    VX_INLINE static void transpose(V (&v)[8]) {
        V a[8];
#pragma GCC unroll 4
        for (int i = 0; i < 8; i += 2) {
            a[i] = _mm512_unpacklo_epi64(v[i], v[i + 1]);
            a[i + 1] = _mm512_unpackhi_epi64(v[i], v[i + 1]);
        }
        // a[i] holds rows i, i+1 at columns (0 or 1) + 2 c in its 128-bit parts c
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; ++odd) {
            V low01 = _mm512_shuffle_i64x2(a[odd], a[2 + odd], 0x88), high01 = _mm512_shuffle_i64x2(a[odd], a[2 + odd], 0xdd);
            V low23 = _mm512_shuffle_i64x2(a[4 + odd], a[6 + odd], 0x88);
            V high23 = _mm512_shuffle_i64x2(a[4 + odd], a[6 + odd], 0xdd);
            v[odd] = _mm512_shuffle_i64x2(low01, low23, 0x88);
            v[4 + odd] = _mm512_shuffle_i64x2(low01, low23, 0xdd);
            v[2 + odd] = _mm512_shuffle_i64x2(high01, high23, 0x88);
            v[6 + odd] = _mm512_shuffle_i64x2(high01, high23, 0xdd);
        }
    }
};

inline constexpr u64 kMask52 = (u64{1} << 52) - 1;

struct NarrowLanes : Avx512Lanes {
    static constexpr int kShoupBits = 52;
    static constexpr bool kMontgomeryTail = true;

    struct Mod {
        V q, q2, q4, negative_q, mask, q_inverse;  // negative_q = 2^52 - q; q_inverse = q^-1 mod 2^52
        V radix[3], radix_shoup[3];
        explicit Mod(const Modulus& m)
            : q(set1(m.q)), q2(set1(2 * m.q)), q4(set1(4 * m.q)), negative_q(set1((u64{1} << 52) - m.q)), mask(set1(kMask52)), q_inverse(set1(m.inverse64)) {
            for (int i = 0; i < 3; ++i) {
                radix[i] = set1(m.radix[i]);
                radix_shoup[i] = set1(m.radix52[i]);
            }
        }
    };

    // y w mod q in [0, 2q), y < 2^52: y w - floor(y w' / 2^52) q on the low 52 bits.
    VX_INLINE static V mul_lazy(V y, V w, V ws, const Mod& m) {
        const V zero = _mm512_setzero_si512();
        V quotient = _mm512_madd52hi_epu64(zero, y, ws);
        V low = _mm512_madd52lo_epu64(zero, y, w);
        return _mm512_and_si512(_mm512_madd52lo_epu64(low, quotient, m.negative_q), m.mask);
    }

    // (x, y) -> (x + w y, x - w y); [0, 4q) -> [0, 4q).
    VX_INLINE static void butterfly(V& x, V& y, V w, V ws, const Mod& m) {
        V u = reduce(x, m.q2), v = mul_lazy(y, w, ws, m);
        x = add(u, v);
        y = sub(add(u, m.q2), v);
    }

    // (x, y) -> (x + y, w (x - y)); [0, 2q) -> [0, 2q).
    VX_INLINE static void inverse_butterfly(V& x, V& y, V w, V ws, const Mod& m) {
        V u = sub(add(x, m.q2), y);
        x = reduce(add(x, y), m.q2);
        y = mul_lazy(u, w, ws, m);
    }

    // y w / 2^52 mod q in (-q, q), y < 2^52 (Montgomery 1985): with y w = hi 2^52 + lo and t = lo q^-1 mod 2^52, t q has
    // the same low part, and hi - (t q)_hi is left. No quotient to load, for one product more.
    VX_INLINE static V mul_montgomery(V y, V w, const Mod& m) {
        const V zero = _mm512_setzero_si512();
        V t = _mm512_madd52lo_epu64(zero, _mm512_madd52lo_epu64(zero, y, w), m.q_inverse);
        return sub(_mm512_madd52hi_epu64(zero, y, w), _mm512_madd52hi_epu64(zero, t, m.q));
    }

    // `butterfly` with w times 2^52.
    VX_INLINE static void tail_butterfly(V& x, V& y, V w, const Mod& m) {
        V u = add(reduce(x, m.q2), m.q), v = mul_montgomery(y, w, m);
        x = add(u, v);
        y = sub(u, v);
    }

    // `inverse_butterfly` with w times 2^52.
    VX_INLINE static void inverse_tail_butterfly(V& x, V& y, V w, const Mod& m) {
        V u = sub(add(x, m.q2), y);
        x = reduce(add(x, y), m.q2);
        y = add(mul_montgomery(u, w, m), m.q);
    }

    // A sum of products as lo + 2^52 hi.
    struct Sum {
        static constexpr size_t kTerms = 1024;   // hi < 2^10 2^48
        static constexpr size_t kShortTerms = 15;  // hi and what lo carries into it below 2^52
        static constexpr size_t kTile = 8;         // sums that the registers hold beside their operands
        V lo = _mm512_setzero_si512(), hi = _mm512_setzero_si512();
        VX_INLINE void multiply_add(V a, V b) {
            lo = _mm512_madd52lo_epu64(lo, a, b);
            hi = _mm512_madd52hi_epu64(hi, a, b);
        }
        VX_INLINE V reduced(const Mod& m) const {
            V carried = add(hi, _mm512_srli_epi64(lo, 52));
            V top = _mm512_srli_epi64(carried, 52);
            V r = add(low_lazy(m), mul_lazy(carried, m.radix[1], m.radix_shoup[1], m));
            r = add(r, mul_lazy(top, m.radix[2], m.radix_shoup[2], m));
            return reduce(reduce(reduce(r, m.q4), m.q2), m.q);
        }
        // At most kShortTerms.
        VX_INLINE V reduced_short(const Mod& m) const {
            V carried = add(hi, _mm512_srli_epi64(lo, 52));
            V r = add(low_lazy(m), mul_lazy(carried, m.radix[1], m.radix_shoup[1], m));
            return reduce(reduce(r, m.q2), m.q);
        }
        // The low 52 bits of lo modulo q, in [0, 2q): multiplication reads no others.
        VX_INLINE V low_lazy(const Mod& m) const {
            V quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), lo, m.radix_shoup[0]);
            return _mm512_and_si512(_mm512_madd52lo_epu64(lo, quotient, m.negative_q), m.mask);
        }
    };
};

struct WideLanes : Avx512Lanes {
    static constexpr int kShoupBits = 64;
    static constexpr bool kMontgomeryTail = false;

    struct Mod {
        V q, q2, q4, mask, radix2_high;
        V radix[3], radix_shoup[3];
        bool large;  // beyond 2^52: a word of a sum is less than twice the modulus
        explicit Mod(const Modulus& m)
            : q(set1(m.q)), q2(set1(2 * m.q)), q4(set1(4 * m.q)), mask(set1(kMask52)), radix2_high(set1(m.radix[2] >> 52)), large(m.q > u64{1} << 52) {
            for (int i = 0; i < 3; ++i) {
                radix[i] = set1(m.radix[i]);
                radix_shoup[i] = set1(m.radix64[i]);
            }
        }
    };

    // y w mod q in [0, 2q), any y: as mul_shoup_lazy, with a quotient that is at most 2 short (three partial products of
    // 32 bits, each rounded down), hence in [0, 4q) before the last step.
    VX_INLINE static V mul_lazy(V y, V w, V ws, const Mod& m) {
        V y_high = _mm512_srli_epi64(y, 32), ws_high = _mm512_srli_epi64(ws, 32);
        V middle = add(_mm512_srli_epi64(_mm512_mul_epu32(y_high, ws), 32), _mm512_srli_epi64(_mm512_mul_epu32(y, ws_high), 32));
        V quotient = add(_mm512_mul_epu32(y_high, ws_high), middle);
        return reduce(sub(_mm512_mullo_epi64(y, w), _mm512_mullo_epi64(quotient, m.q)), m.q2);
    }

    VX_INLINE static void butterfly(V& x, V& y, V w, V ws, const Mod& m) {
        V u = reduce(x, m.q2), v = mul_lazy(y, w, ws, m);
        x = add(u, v);
        y = sub(add(u, m.q2), v);
    }

    VX_INLINE static void inverse_butterfly(V& x, V& y, V w, V ws, const Mod& m) {
        V u = sub(add(x, m.q2), y);
        x = reduce(add(x, y), m.q2);
        y = mul_lazy(u, w, ws, m);
    }

    // A sum of products of words below 2^61 as w0 + 2^52 w1 + 2^104 w2.
    struct Sum {
        static constexpr size_t kTerms = 1024;  // w1 < 2^10 * 3 * 2^52
        static constexpr size_t kShortTerms = kTerms;
        static constexpr size_t kTile = 4;
        V w0 = _mm512_setzero_si512(), w1 = _mm512_setzero_si512(), w2 = _mm512_setzero_si512();
        // 2^64 high + low; w0 may be any word.
        VX_INLINE static Sum of_words(V low, V high) {
            V middle = _mm512_and_si512(_mm512_slli_epi64(high, 12), set1(kMask52));
            return {low, middle, _mm512_srli_epi64(high, 40)};
        }
        VX_INLINE void multiply_add(V a, V b) {
            V a_high = _mm512_srli_epi64(a, 52), b_high = _mm512_srli_epi64(b, 52);
            w0 = _mm512_madd52lo_epu64(w0, a, b);
            w1 = _mm512_madd52hi_epu64(w1, a, b);
            w2 = _mm512_madd52hi_epu64(w2, a_high, b);
            w1 = _mm512_madd52lo_epu64(w1, a_high, b);
            w2 = _mm512_madd52hi_epu64(w2, a, b_high);
            w1 = _mm512_madd52lo_epu64(w1, a, b_high);
            w2 = _mm512_madd52lo_epu64(w2, a_high, b_high);
        }
        VX_INLINE V reduced(const Mod& m) const {
            if (m.large) {
                // 2^104 w2 as words again, w2 < 2^29: below 2^53 and 2^64.
                V low = _mm512_madd52lo_epu64(_mm512_and_si512(w0, m.mask), w2, m.radix[2]);
                V high = _mm512_madd52hi_epu64(add(w1, _mm512_srli_epi64(w0, 52)), w2, m.radix[2]);
                high = _mm512_madd52lo_epu64(high, w2, m.radix2_high);
                return reduce(reduce(add(low, mul_lazy(high, m.radix[1], m.radix_shoup[1], m)), m.q2), m.q);
            }
            V r = add(mul_lazy(w0, m.radix[0], m.radix_shoup[0], m), mul_lazy(w1, m.radix[1], m.radix_shoup[1], m));
            r = add(r, mul_lazy(w2, m.radix[2], m.radix_shoup[2], m));
            return reduce(reduce(reduce(r, m.q4), m.q2), m.q);
        }
        VX_INLINE V reduced_short(const Mod& m) const { return reduced(m); }
    };
};

}  // namespace VX_ISA
}  // namespace vx
