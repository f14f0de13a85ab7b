// Arithmetic on limbs for CUDA devices, which multiply words of 32 bits and keep a carry between instructions.
#pragma once
#include "vortex/field.hpp"

namespace vx {
inline namespace VX_ISA {

struct CarryChainCore {
    // a, b in [0, p) -> a*b/2^256 mod p in [0, p). Coarsely integrated operand scanning by words of 32 bits, the sum kept
    // in two parts so that products of 64 bits lie side by side: `near` from word 0 on holds those of even words of a and
    // p, `far` from word 1 on those of odd ones. A shift by one word swaps the two. The sum is below 2p + 2^33 p < 2^288.
    template <class M>
    static VX_FN void mul(u64* out, const u64* a, const u64* b) {
        u32 x[8], p[8], near[8] = {0, 0, 0, 0, 0, 0, 0, 0}, far[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        const u64 prime[4] = {M::p(0), M::p(1), M::p(2), M::p(3)};
        split(x, a);
        split(p, prime);
        for (int i = 0; i < 4; ++i) {
            row<M>(near, far, x, p, (u32)b[i]);
            row<M>(far, near, x, p, (u32)(b[i] >> 32));
        }
        // As in `row`, far[0] is zero now, and far[i] belongs to word i - 1.
        const u64 low[4] = {pair(near[0], near[1]), pair(near[2], near[3]), pair(near[4], near[5]), pair(near[6], near[7])};
        const u64 high[4] = {pair(far[1], far[2]), pair(far[3], far[4]), pair(far[5], far[6]), far[7]};
        u64 t[4];
        add_limbs(t, low, high);
        reduce_once<M>(out, t);
    }

    // a, b in [0, p) -> a + b mod p in [0, p).
    template <class M>
    static VX_FN void add(u64* out, const u64* a, const u64* b) {
        u64 t[4];
        add_limbs(t, a, b);
        reduce_once<M>(out, t);
    }

    // a, b in [0, p) -> a - b mod p in [0, p).
    template <class M>
    static VX_FN void sub(u64* out, const u64* a, const u64* b) {
        u64 t[4];
        const u64 mask = sub_limbs(t, a, b), p[4] = {M::p(0) & mask, M::p(1) & mask, M::p(2) & mask, M::p(3) & mask};
        add_limbs(out, t, p);
    }

    // a in [0, p) -> 1/a, and 0 for 0.
    template <class M>
    static VX_FN void inverse(u64* out, const u64* a) {
        fermat_inverse<CarryChainCore, M>(out, a);
    }

private:
    // Adds a·y and the multiple of p that makes word 0 of the sum zero. Word 0 of `far` is zero before, and its word i is
    // moved to place i - 1 of the sum, so that `near` is what has word 0 zero afterwards.
    template <class M>
    static VX_FN void row(u32* near, u32* far, const u32* a, const u32* p, u32 y) {
        const u32 word = far[1];
        for (int i = 0; i < 6; ++i) far[i] = far[i + 2];
        far[6] = far[7] = 0;
        add_multiply_add_chain(near[0], word, far, a + 1, y);
        multiply_add_chain(near, a, y, far[7]);
        const u32 m = near[0] * (u32)M::inv;
        u32 nothing = 0;
        multiply_add_chain(far, p + 1, m, nothing);
        multiply_add_chain(near, p, m, far[7]);
    }

    // t in [0, 2p) -> [0, p).
    template <class M>
    static VX_FN void reduce_once(u64* out, const u64* t) {
        const u64 p[4] = {M::p(0), M::p(1), M::p(2), M::p(3)};
        u64 d[4];
        const u64 below = sub_limbs(d, t, p);
        for (int i = 0; i < 4; ++i) out[i] = below ? t[i] : d[i];
    }

    static VX_FN u64 pair(u32 low, u32 high) { return (u64)high << 32 | low; }
    static VX_FN void split(u32* words, const u64* limbs) {
        for (int i = 0; i < 4; ++i) {
            words[2 * i] = (u32)limbs[i];
            words[2 * i + 1] = (u32)(limbs[i] >> 32);
        }
    }
};

}  // namespace VX_ISA
}  // namespace vx
