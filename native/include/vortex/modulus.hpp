// Arithmetic modulo a prime q < 2^61 on 64-bit words. Shared by the CPU engine and CUDA.
//
// A range after a name is part of its meaning: `_lazy` results are below 2q, everything else is below q.
#pragma once

#include "vortex/config.hpp"

namespace vx {

// What reductions modulo q need. radix[i] = 2^(52 i) mod q serves sums kept as words of 52 bits; radix52 and radix64 are
// its Shoup quotients floor(radix[i] 2^52 / q) and floor(radix[i] 2^64 / q), the first only meaningful for q < 2^50.
struct Modulus {
    u64 q;
    u64 mu_hi, mu_lo;  // floor(2^128 / q)
    u64 inverse64;     // q^-1 mod 2^64
    u64 radix[3], radix52[3], radix64[3];
};

inline namespace VX_ISA {

// x - m if that is not negative: [0, 2m) -> [0, m).
VX_INLINE u64 reduce_once(u64 x, u64 m) { return x >= m ? x - m : x; }

// a + b mod q, a and b in [0, q).
VX_INLINE u64 add_mod(u64 a, u64 b, u64 q) { return reduce_once(a + b, q); }

// a - b mod q, a and b in [0, q).
VX_INLINE u64 sub_mod(u64 a, u64 b, u64 q) { return reduce_once(a + q - b, q); }

// y w mod q in [0, 2q), for any y and w in [0, q), given w' = floor(w 2^64 / q) (Shoup; Harvey 2014):
//   y w - floor(y w' / 2^64) q.
VX_INLINE u64 mul_shoup_lazy(u64 y, u64 w, u64 w_shoup, u64 q) { return y * w - mul_hi(y, w_shoup) * q; }

// (hi 2^64 + lo) mod q, hi < 2^63 (Barrett): the quotient by floor(2^128 / q) is at most 3 short.
VX_INLINE u64 reduce_128(u64 hi, u64 lo, const Modulus& m) {
    // quotient = floor((hi 2^64 + lo) (mu_hi 2^64 + mu_lo) / 2^128), partial products rounded down one by one
    u64 quotient = hi * m.mu_hi + mul_hi(hi, m.mu_lo) + mul_hi(lo, m.mu_hi);
    u64 r = lo - quotient * m.q;  // in [0, 4q), and 4q < 2^63
    return reduce_once(reduce_once(r, 2 * m.q), m.q);
}

// a b mod q, a and b in [0, q).
VX_INLINE u64 mul_mod(u64 a, u64 b, const Modulus& m) { return reduce_128(mul_hi(a, b), a * b, m); }

}  // namespace VX_ISA
}  // namespace vx
