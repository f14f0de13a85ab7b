// Fq2 with eight elements in the lanes of two vectors of Fq.
#pragma once
#include "lanes_ifma.hpp"
#include "vortex/bn254.hpp"

namespace vx {
inline namespace VX_ISA {

using FqM = bn254::FqModulus;

// Lanes of Fq2; bounds are those of both parts.
template <class M, int B>
struct Sum2 {
    Sum<M, B> c0, c1;
};
template <class M, int B>
struct Lanes2 {
    Lanes<M, B> c0, c1;

    template <int C>
    operator Lanes2<M, C>() const {
        return {c0, c1};
    }
    static Lanes2 select(Mask8 mask, const Lanes2& a, const Lanes2& b) {
        return {Lanes<M, B>::select(mask, a.c0, b.c0), Lanes<M, B>::select(mask, a.c1, b.c1)};
    }
};
template <class M, int B>
VX_INLINE Lanes2<M, B> tight(const Sum2<M, B>& a) {
    return {tight(a.c0), tight(a.c1)};
}
template <class M, int B>
VX_INLINE const Lanes2<M, B>& tight(const Lanes2<M, B>& a) {
    return a;
}
template <class M, int C, int D>
VX_INLINE Sum2<M, C + D> operator+(const Lanes2<M, C>& a, const Lanes2<M, D>& b) {
    return {a.c0 + b.c0, a.c1 + b.c1};
}
template <class M, int C, int D>
VX_INLINE Sum2<M, C + D> operator-(const Lanes2<M, C>& a, const Lanes2<M, D>& b) {
    return {a.c0 - b.c0, a.c1 - b.c1};
}
template <class M, int C, int D>
VX_INLINE Sum2<M, C + D> operator-(const Sum2<M, C>& a, const Lanes2<M, D>& b) {
    return {a.c0 - b.c0, a.c1 - b.c1};
}
// Four products, two reductions, both parts side by side.
template <class M, int C, int D>
VX_INLINE Lanes2<M, 2> product(const Lanes2<M, C>& a, const Lanes2<M, D>& b) {
    static_assert(2 * C * D <= 84, "the product would leave [0, 2p)");
    const Lanes<M, C> minus = tight(minus_of(a.c1));
    Vec even[6], odd[6];
    for (int i = 0; i < 6; ++i) even[i] = odd[i] = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
        product_row(even, a.c0.v, b.c0.v[i]);
        product_row(odd, a.c0.v, b.c1.v[i]);
        product_row(even, minus.v, b.c1.v[i]);
        product_row(odd, a.c1.v, b.c0.v[i]);
        product_row_high(even, a.c0.v, b.c0.v[i]);
        product_row_high(odd, a.c0.v, b.c1.v[i]);
        product_row_high(even, minus.v, b.c1.v[i]);
        product_row_high(odd, a.c1.v, b.c0.v[i]);
        reduce_row<M>(even);
        reduce_row<M>(odd);
    }
    return {carried<M>(even), carried<M>(odd)};
}
template <int K, class M, int C, int D>
VX_INLINE void products(const Lanes2<M, C> (&a)[K], const Lanes2<M, D> (&b)[K], Lanes2<M, 2> (&out)[K]) {
    for (int k = 0; k < K; ++k) out[k] = product(a[k], b[k]);
}
template <class M, int B>
VX_INLINE Lanes2<M, 2> square(const Lanes2<M, B>& a) {
    const Lanes<M, 2 * B> left[2] = {tight(a.c0 + a.c1), tight(a.c0 + a.c0)}, right[2] = {tight(a.c0 - a.c1), a.c1};
    Lanes<M, 2> out[2];
    products(left, right, out);
    return {out[0], out[1]};
}
template <class M, int B>
VX_INLINE Sum2<M, B> loosen(const Lanes2<M, B>& a) {
    return {loosen(a.c0), loosen(a.c1)};
}
template <int K, class M, int B>
VX_INLINE Lanes2<M, larger(K + 1, B - K)> fold(const Sum2<M, B>& a) {
    return {fold<K>(a.c0), fold<K>(a.c1)};
}
template <class M, int B>
VX_INLINE Lanes2<M, 2> fit(const Lanes2<M, B>& a) {
    return {fit(a.c0), fit(a.c1)};
}
template <class M, int B>
VX_INLINE Mask8 is_zero(const Lanes2<M, B>& a) {
    return is_zero(a.c0) & is_zero(a.c1);
}

}  // namespace VX_ISA
}  // namespace vx
