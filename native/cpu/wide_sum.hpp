// Sums of many terms that are reduced once, at their end: the rows of a sparse matrix times a vector.
#pragma once
#include "vortex/field.hpp"

namespace vx {
inline namespace VX_ISA {

// Any integer of 256 bits -> [0, p): 2^256 < 6p, and 4p fits into four limbs.
template <class F>
inline F reduced(const u64* limbs) {
    using M = typename F::Modulus;
    F t{{limbs[0], limbs[1], limbs[2], limbs[3]}};
    for (int shift = 2; shift >= 0; --shift) {
        u64 d[4], borrow = 0;
        for (int i = 0; i < 4; ++i) {
            const u64 below = i && shift ? M::p(i - 1) >> (64 - shift) : 0;
            d[i] = sub_borrow(t.v[i], M::p(i) << shift | below, borrow);
        }
        for (int i = 0; i < 4; ++i) t.v[i] = borrow ? t.v[i] : d[i];
    }
    return t;
}

// low + 2^256·high for an integer of six limbs, as the number of an element.
template <class F>
inline F reduced_six(const u64* limbs) {
    const F low = reduced<F>(limbs);
    if ((limbs[4] | limbs[5]) == 0) return low;
    return low + F{{limbs[4], limbs[5], 0, 0}} * F::template constant<F::Modulus::r2>();
}

// Σ values_k·x[indices_k] for signed integers. Each limb of x has a column of its own, so that no carry runs from one to the
// next before the end: 128 bits a column as long as Σ |values_k| is below 2^62, else 192.
template <class F>
struct ScaledSum {
    using i128 = __int128;
    i128 column[4] = {};
    int64_t over[4] = {};

    static inline i128 times(u64 limb, int64_t factor) { return (i128)limb * factor; }

    inline void add_small(int64_t factor, const F& a) {
        for (int i = 0; i < 4; ++i) column[i] += times(a.v[i], factor);
    }
    inline void add(int64_t factor, const F& a) {
        for (int i = 0; i < 4; ++i) {
            const i128 term = times(a.v[i], factor), sum = (i128)((unsigned __int128)column[i] + (unsigned __int128)term);
            over[i] += (int64_t)(term >> 127) + ((unsigned __int128)sum < (unsigned __int128)term);
            column[i] = sum;
        }
    }
    // Columns of 128 bits and a sign become columns of 192.
    inline void widen() {
        for (int i = 0; i < 4; ++i) over[i] = (int64_t)(column[i] >> 127);
    }
    inline F value() const {
        u64 t[7] = {};
        for (int i = 0; i < 4; ++i) {
            const u64 words[3] = {(u64)column[i], (u64)(column[i] >> 64), (u64)over[i]};
            u64 carry = 0;
            for (int j = 0; i + j < 7; ++j) t[i + j] = add_carry(t[i + j], j < 3 ? words[j] : (u64)(over[i] >> 63), carry);
        }
        const u64 sign = 0 - (t[6] >> 63);
        u64 carry = sign & 1;
        for (auto& limb : t) limb = add_carry(limb ^ sign, 0, carry);
        const F sum = reduced_six<F>(t);
        return sign ? -sum : sum;
    }
};

}  // namespace VX_ISA
}  // namespace vx
