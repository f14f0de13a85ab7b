// The butterflies of the negacyclic transform and the order of its twiddles. Shared by the CPU engine and CUDA.
//
// With W[k] = psi^brv(k), k < N: the forward stage of m blocks (m = 1, 2, .., N/2) applies W[m + i] to block i (Longa,
// Naehrig 2016). Values stay in [0, 4q) going forward and in [0, 2q) going back (Harvey 2014), so q < 2^62 suffices.
#pragma once

#include "vortex/modulus.hpp"

namespace vx {

inline namespace VX_ISA {

// (x, y) -> (x + w y, x - w y); x, y in [0, 4q) -> [0, 4q).
VX_INLINE void butterfly_lazy(u64& x, u64& y, u64 w, u64 w_shoup, u64 q) {
    u64 u = reduce_once(x, 2 * q);
    u64 v = mul_shoup_lazy(y, w, w_shoup, q);
    x = u + v;
    y = u + 2 * q - v;
}

// (x, y) -> (x + y, w (x - y)); x, y in [0, 2q) -> [0, 2q).
VX_INLINE void inverse_butterfly_lazy(u64& x, u64& y, u64 w, u64 w_shoup, u64 q) {
    u64 u = x + 2 * q - y;
    x = reduce_once(x + y, 2 * q);
    y = mul_shoup_lazy(u, w, w_shoup, q);
}

}  // namespace VX_ISA
}  // namespace vx
