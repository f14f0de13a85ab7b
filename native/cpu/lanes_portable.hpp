// One 64-bit word at a time: primes below 2^61 on any machine with a 64 x 64 -> 128 bit product.
#pragma once

#include <cstddef>

#include "vortex/ntt.hpp"

namespace vx {
inline namespace VX_ISA {

struct PortableLanes {
    using V = u64;
    static constexpr int kLanes = 1, kRadix = 4, kShoupBits = 64;
    static constexpr bool kMontgomeryTail = false;
    static constexpr bool kFma = false;

    struct Mod {
        const Modulus& full;
        u64 q, q2;
        explicit Mod(const Modulus& m) : full(m), q(m.q), q2(2 * m.q) {}
    };

    // A sum of products in 128 bits: up to kTerms of a b with a, b < 2^61.
    struct Sum {
        static constexpr size_t kTerms = 32, kShortTerms = kTerms, kTile = 2;
        u64 lo = 0, hi = 0;
        VX_INLINE static Sum of_words(V low, V high) { return {low, high}; }
        VX_INLINE void multiply_add(V a, V b) {
            u64 low = a * b;
            lo += low;
            hi += mul_hi(a, b) + (lo < low);
        }
        VX_INLINE V reduced(const Mod& m) const { return reduce_128(hi, lo, m.full); }
        VX_INLINE V reduced_short(const Mod& m) const { return reduced(m); }
    };

    VX_INLINE static V load(const u64* p) { return *p; }
    VX_INLINE static void store(u64* p, V v) { *p = v; }
    VX_INLINE static V set1(u64 a) { return a; }
    VX_INLINE static V add(V a, V b) { return a + b; }
    VX_INLINE static V sub(V a, V b) { return a - b; }
    VX_INLINE static V reduce(V a, V m) { return reduce_once(a, m); }
    VX_INLINE static V select(V mask, V a, V b) { return b ^ ((a ^ b) & mask); }
    VX_INLINE static V mul_lazy(V y, V w, V ws, const Mod& m) { return mul_shoup_lazy(y, w, ws, m.q); }
    VX_INLINE static void butterfly(V& x, V& y, V w, V ws, const Mod& m) { butterfly_lazy(x, y, w, ws, m.q); }
    VX_INLINE static void inverse_butterfly(V& x, V& y, V w, V ws, const Mod& m) { inverse_butterfly_lazy(x, y, w, ws, m.q); }
    VX_INLINE static V load_repeated(const u64* p, unsigned) { return *p; }
    VX_INLINE static void transpose(V (&)[1]) {}
    VX_INLINE static V permute(const u64* block, const u64* lanes, size_t i) { return block[lanes[i]]; }
};

}  // namespace VX_ISA
}  // namespace vx
