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
template <class M, int C, int D>
VX_INLINE Lanes2<M, 2> product(const Lanes2<M, C>& a, const Lanes2<M, D>& b) {
    const Lanes<M, C> minus = tight(minus_of(a.c1));
    return {multiply_two(a.c0, b.c0, minus, b.c1), multiply_two(a.c0, b.c1, a.c1, b.c0)};
}
template <class M, int B>
VX_INLINE Lanes2<M, 2> square(const Lanes2<M, B>& a) {
    return {(a.c0 + a.c1) * (a.c0 - a.c1), (a.c0 + a.c0) * a.c1};
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
