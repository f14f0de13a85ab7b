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
#define VX_LINEAR2(S, T)                                           \
    template <class M, int C, int D>                               \
    VX_INLINE Sum2<M, C + D> operator+(const S<M, C>& a, const T<M, D>& b) { return {a.c0 + b.c0, a.c1 + b.c1}; } \
    template <class M, int C, int D>                               \
    VX_INLINE Sum2<M, C + D> operator-(const S<M, C>& a, const T<M, D>& b) { return {a.c0 - b.c0, a.c1 - b.c1}; }
VX_LINEAR2(Lanes2, Lanes2)
VX_LINEAR2(Lanes2, Sum2)
VX_LINEAR2(Sum2, Lanes2)
VX_LINEAR2(Sum2, Sum2)
#undef VX_LINEAR2
template <class M, int B>
VX_INLINE Sum2<M, B> minus_of(const Lanes2<M, B>& a) {
    return {minus_of(a.c0), minus_of(a.c1)};
}
template <int K, class M, int B>
VX_INLINE Sum2<M, K * B> times(const Sum2<M, B>& a) {
    return {times<K>(a.c0), times<K>(a.c1)};
}
// Four products, two reductions, both parts side by side.
template <class M, int C, int D>
VX_INLINE Lanes2<M, 2> product(const Lanes2<M, C>& a, const Lanes2<M, D>& b) {
    static_assert(2 * C * D <= 84, "the product would leave [0, 2p)");
    const Lanes<M, C> minus = tight(minus_of(a.c1));
    Sum2<M, 2> out;
    product_rows<M, 2, 2>({{a.c0.v, minus.v}, {a.c0.v, a.c1.v}}, {{b.c0.v, b.c1.v}, {b.c1.v, b.c0.v}}, {out.c0.v, out.c1.v});
    return tight(out);
}
// ab + cd: eight products, two reductions.
template <class M, int A, int B, int C, int D>
VX_INLINE Lanes2<M, 2> product_plus(const Lanes2<M, A>& a, const Lanes2<M, B>& b, const Lanes2<M, C>& c, const Lanes2<M, D>& d) {
    static_assert(2 * (A * B + C * D) <= 84, "the sum of products would leave [0, 2p)");
    const Lanes<M, A> minus_a = tight(minus_of(a.c1));
    const Lanes<M, C> minus_c = tight(minus_of(c.c1));
    Sum2<M, 2> out;
    product_rows<M, 2, 4>({{a.c0.v, minus_a.v, c.c0.v, minus_c.v}, {a.c0.v, a.c1.v, c.c0.v, c.c1.v}},
                          {{b.c0.v, b.c1.v, d.c0.v, d.c1.v}, {b.c1.v, b.c0.v, d.c1.v, d.c0.v}}, {out.c0.v, out.c1.v});
    return tight(out);
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
template <int K, class M, int B>
VX_INLINE void squares(const Lanes2<M, B> (&a)[K], Lanes2<M, 2> (&out)[K]) {
    for (int k = 0; k < K; ++k) out[k] = square(a[k]);
}
template <int K, class M, int A, int B, int C, int D>
VX_INLINE void products_plus(const Lanes2<M, A> (&a)[K], const Lanes2<M, B> (&b)[K], const Lanes2<M, C> (&c)[K],
                             const Lanes2<M, D> (&d)[K], Lanes2<M, 2> (&out)[K]) {
    for (int k = 0; k < K; ++k) out[k] = product_plus(a[k], b[k], c[k], d[k]);
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
VX_INLINE Lanes2<M, 2> fit(const Sum2<M, B>& a) {
    return {fit(a.c0), fit(a.c1)};
}
template <class M, int B>
VX_INLINE Mask8 is_zero(const Lanes2<M, B>& a) {
    return is_zero(a.c0) & is_zero(a.c1);
}

}  // namespace VX_ISA
}  // namespace vx
