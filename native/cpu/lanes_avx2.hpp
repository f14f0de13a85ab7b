// Four words at a time with AVX2, for the transforms of primes below 2^61 on machines without AVX-512.
#pragma once

#include <immintrin.h>

#include "vortex/modulus.hpp"

namespace vx {
inline namespace VX_ISA {

struct Avx2Lanes {
    using V = __m256i;
    static constexpr int kLanes = 4, kRadix = 4, kShoupBits = 64;
    static constexpr bool kMontgomeryTail = false;
    static constexpr bool kFma = true;

    struct Mod {
        V q, q2, q_high;
        explicit Mod(const Modulus& m) : q(set1(m.q)), q2(set1(2 * m.q)), q_high(set1(m.q >> 32)) {}
    };

    VX_INLINE static V load(const u64* p) { return _mm256_loadu_si256(reinterpret_cast<const V*>(p)); }
    VX_INLINE static void store(u64* p, V v) { _mm256_storeu_si256(reinterpret_cast<V*>(p), v); }
    VX_INLINE static V set1(u64 a) { return _mm256_set1_epi64x(static_cast<long long>(a)); }
    VX_INLINE static V add(V a, V b) { return _mm256_add_epi64(a, b); }
    VX_INLINE static V sub(V a, V b) { return _mm256_sub_epi64(a, b); }
    // [0, 2m) -> [0, m), 2m < 2^63: the sign of a - m chooses.
    VX_INLINE static V reduce(V a, V m) {
        __m256d less = _mm256_castsi256_pd(sub(a, m));
        return _mm256_castpd_si256(_mm256_blendv_pd(less, _mm256_castsi256_pd(a), less));
    }

    // Low 64 bits of a b, given the high halves.
    VX_INLINE static V mul_low(V a, V a_high, V b, V b_high) {
        V cross = add(_mm256_mul_epu32(a_high, b), _mm256_mul_epu32(a, b_high));
        return add(_mm256_mul_epu32(a, b), _mm256_slli_epi64(cross, 32));
    }

    // y w mod q in [0, 2q), any y: a Shoup quotient at most 2 short, as in WideLanes.
    VX_INLINE static V mul_lazy(V y, V w, V ws, const Mod& m) {
        V y_high = _mm256_srli_epi64(y, 32), ws_high = _mm256_srli_epi64(ws, 32);
        V middle = add(_mm256_srli_epi64(_mm256_mul_epu32(y_high, ws), 32), _mm256_srli_epi64(_mm256_mul_epu32(y, ws_high), 32));
        V quotient = add(_mm256_mul_epu32(y_high, ws_high), middle);
        V product = mul_low(y, y_high, w, _mm256_srli_epi64(w, 32));
        return reduce(sub(product, mul_low(quotient, _mm256_srli_epi64(quotient, 32), m.q, m.q_high)), m.q2);
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

    // The 4 x 4 matrix of words, rows and columns exchanged.
    VX_INLINE static void transpose(V (&v)[4]) {
        V a = _mm256_unpacklo_epi64(v[0], v[1]), b = _mm256_unpackhi_epi64(v[0], v[1]);
        V c = _mm256_unpacklo_epi64(v[2], v[3]), d = _mm256_unpackhi_epi64(v[2], v[3]);
        v[0] = _mm256_permute2x128_si256(a, c, 0x20);
        v[1] = _mm256_permute2x128_si256(b, d, 0x20);
        v[2] = _mm256_permute2x128_si256(a, c, 0x31);
        v[3] = _mm256_permute2x128_si256(b, d, 0x31);
    }
};

}  // namespace VX_ISA
}  // namespace vx
