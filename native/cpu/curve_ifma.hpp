// Points of E and of its twist in Jacobian coordinates, eight in lanes, rows of several such vectors side by side.
//
// Exceptions cost nothing: the formulas below hold for points that are neither equal nor opposite nor infinity. Where they
// are, Z becomes zero and stays so, and whoever calls sees it in the end.
#pragma once
#include "group_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

// So many vectors of elements side by side: one product alone would wait for itself. In Fq2 both parts do that.
template <class S>
constexpr int abreast = S::words == 8 ? 2 : 1;

template <class S, int B>
struct LooseRow {
    static constexpr int K = abreast<S>;
    typename S::template Loose<B> of[K];
};
template <class S, int B>
struct Row {
    static constexpr int K = abreast<S>;
    typename S::template Element<B> of[K];

    template <int C>
    operator Row<S, C>() const {
        Row<S, C> out;
        for (int k = 0; k < K; ++k) out.of[k] = of[k];
        return out;
    }
    static Row same(const typename S::template Element<B>& a) {
        Row out;
        for (auto& element : out.of) element = a;
        return out;
    }
};
// A bit a lane, of every vector of a row.
template <class S>
struct RowMask {
    Mask8 of[abreast<S>];
};

#define VX_LINEAR_ROWS(A, B)                                                                   \
    template <class S, int C, int D>                                                           \
    VX_INLINE LooseRow<S, C + D> operator+(const A<S, C>& a, const B<S, D>& b) {               \
        LooseRow<S, C + D> out;                                                                \
        for (int k = 0; k < out.K; ++k) out.of[k] = a.of[k] + b.of[k];                         \
        return out;                                                                            \
    }                                                                                          \
    template <class S, int C, int D>                                                           \
    VX_INLINE LooseRow<S, C + D> operator-(const A<S, C>& a, const B<S, D>& b) {               \
        LooseRow<S, C + D> out;                                                                \
        for (int k = 0; k < out.K; ++k) out.of[k] = a.of[k] - b.of[k];                         \
        return out;                                                                            \
    }
VX_LINEAR_ROWS(Row, Row)
VX_LINEAR_ROWS(Row, LooseRow)
VX_LINEAR_ROWS(LooseRow, Row)
VX_LINEAR_ROWS(LooseRow, LooseRow)
#undef VX_LINEAR_ROWS

template <class S, int B>
VX_INLINE Row<S, B> tight(const LooseRow<S, B>& a) {
    Row<S, B> out;
    for (int k = 0; k < out.K; ++k) out.of[k] = tight(a.of[k]);
    return out;
}
template <class S, int B>
VX_INLINE Row<S, 2> fit(const LooseRow<S, B>& a) {
    Row<S, 2> out;
    for (int k = 0; k < out.K; ++k) out.of[k] = fit(a.of[k]);
    return out;
}
template <int N, class S, int B>
VX_INLINE Row<S, larger(N + 1, B - N)> fold(const LooseRow<S, B>& a) {
    Row<S, larger(N + 1, B - N)> out;
    for (int k = 0; k < out.K; ++k) out.of[k] = fold<N>(a.of[k]);
    return out;
}
template <int N, class S, int B>
VX_INLINE LooseRow<S, N * B> times(const Row<S, B>& a) {
    LooseRow<S, N * B> out;
    for (int k = 0; k < out.K; ++k) out.of[k] = times<N>(loosen(a.of[k]));
    return out;
}
template <class S, int B>
VX_INLINE LooseRow<S, B> minus_of(const Row<S, B>& a) {
    LooseRow<S, B> out;
    for (int k = 0; k < out.K; ++k) out.of[k] = minus_of(a.of[k]);
    return out;
}
// Products are called, not inlined: whole formulas would outgrow the instruction cache. Bounds of 4 for all keep their number low.
template <class S>
__attribute__((noinline)) Row<S, 2> product_of(const Row<S, 4>& a, const Row<S, 4>& b) {
    Row<S, 2> out;
    products(a.of, b.of, out.of);
    return out;
}
template <class S>
__attribute__((noinline)) Row<S, 2> square_of(const Row<S, 4>& a) {
    Row<S, 2> out;
    squares(a.of, out.of);
    return out;
}
// ab + cd
template <class S>
__attribute__((noinline)) Row<S, 2> product_plus(const Row<S, 4>& a, const Row<S, 4>& b, const Row<S, 2>& c, const Row<S, 2>& d) {
    Row<S, 2> out;
    products_plus(a.of, b.of, c.of, d.of, out.of);
    return out;
}
template <class S, int B>
VX_INLINE const Row<S, 4>& below_four(const Row<S, B>& a) {
    static_assert(B <= 4);
    return reinterpret_cast<const Row<S, 4>&>(a);
}
template <class S, int C, int D>
VX_INLINE Row<S, 2> operator*(const Row<S, C>& a, const Row<S, D>& b) {
    return product_of(below_four(a), below_four(b));
}
template <class S, int B>
VX_INLINE Row<S, 2> square(const Row<S, B>& a) {
    return square_of(below_four(a));
}
template <class S, int B>
VX_INLINE Row<S, B> select(const RowMask<S>& mask, const Row<S, B>& a, const Row<S, B>& b) {
    Row<S, B> out;
    for (int k = 0; k < out.K; ++k) out.of[k] = S::template Element<B>::select(mask.of[k], a.of[k], b.of[k]);
    return out;
}
template <class S, int B>
VX_INLINE RowMask<S> is_zero(const Row<S, B>& a) {
    RowMask<S> out;
    for (int k = 0; k < a.K; ++k) out.of[k] = is_zero(a.of[k]);
    return out;
}

template <class S>
struct AffineRow {
    Row<S, 2> x, y;
};

// (X/Z^2, Y/Z^3)
template <class S>
struct JacobianRow {
    Row<S, 2> x, y;
    Row<S, 4> z;

    static JacobianRow from(const AffineRow<S>& a) { return {a.x, a.y, Row<S, 1>::same(S::one())}; }
    static JacobianRow select(const RowMask<S>& mask, const JacobianRow& a, const JacobianRow& b) {
        return {vx::select(mask, a.x, b.x), vx::select(mask, a.y, b.y), vx::select(mask, a.z, b.z)};
    }
    void twice();
    void add(const AffineRow<S>& b);
    void add(const JacobianRow& b);

private:
    // The sum of points (u1, s1) and (u2, s2) with the same Z, but for Z itself, which is to be multiplied by what is
    // returned. With h = u2 - u1 and r = s2 - s1: X = r^2 - h^3 - 2 u1 h^2, Y = r (u1 h^2 - X) - s1 h^3.
    VX_INLINE Row<S, 4> chord(const Row<S, 2>& u1, const Row<S, 2>& s1, const Row<S, 2>& u2, const Row<S, 2>& s2) {
        const Row<S, 4> h = tight(u2 - u1), r = tight(s2 - s1);
        const Row<S, 2> hh = square(h), cube = h * hh, v = u1 * hh, minus = tight(minus_of(s1));
        x = fit(square(r) - cube - v - v);
        y = product_plus(r, tight(v - x), minus, cube);
        return h;
    }
};

// dbl-2009-l
template <class S>
void JacobianRow<S>::twice() {
    const Row<S, 2> a = square(x), b = square(y), c = square(b), yz = y * z;
    const Row<S, 2> d = fit(times<2>(tight(square(tight(x + b)) - a - c)));
    const Row<S, 4> e = fold<2>(times<3>(a));
    x = fit(square(e) - d - d);
    y = fit(e * tight(d - x) - times<8>(c));
    z = tight(yz + yz);
}
template <class S>
void JacobianRow<S>::add(const AffineRow<S>& b) {
    const Row<S, 2> zz = square(z), zzz = zz * z;
    z = chord(x, y, b.x * zz, b.y * zzz) * z;
}
template <class S>
void JacobianRow<S>::add(const JacobianRow& b) {
    const Row<S, 2> zz1 = square(z), zz2 = square(b.z), zzz1 = zz1 * z, zzz2 = zz2 * b.z, both = z * b.z;
    z = chord(x * zz2, y * zzz2, b.x * zz1, b.y * zzz1) * both;
}

// An element of Fq of a generated header, limb by limb from `at` on, with R = 2^260 in every lane.
template <u64 (*limb)(int), int at = 0>
VX_INLINE Lanes<FqM, 2> constant_of_fq() {
    alignas(64) u64 copies[32];
    for (int i = 0; i < 32; ++i) copies[i] = limb(at + i % 4);
    return fit(load<FqM, 16>(copies));
}
template <u64 (*limb)(int), int at = 0>
VX_INLINE Lanes2<FqM, 2> constant_of_fq2() {
    return {constant_of_fq<limb, at>(), constant_of_fq<limb, at + 4>()};
}

// Points in memory, R = 2^256: as they come, eight at a time, and with R = 2^260.
template <class S>
struct PointsIn {
    Vec limbs[S::words];
    static constexpr size_t parts = S::words / 8;  // elements of Fq a coordinate has

    // `count` points, 1 to 8 of them; the last one again in the other lanes.
    PointsIn(const u64* points, size_t count) {
        for (size_t part = 0; part < S::words; part += 8) {
            for (size_t i = 0; i < 8; ++i) {
                limbs[part + i] = _mm512_loadu_si512(points + (i < count ? i : count - 1) * S::words + part);
            }
            transpose(limbs + part);
        }
    }
    Mask8 infinite() const {
        Vec any = limbs[0];
        for (size_t i = 1; i < S::words; ++i) any = _mm512_or_si512(any, limbs[i]);
        return _mm512_testn_epi64_mask(any, any);
    }
    // All coordinates are below p.
    Mask8 reduced() const {
        Mask8 below = 0xff;
        for (size_t part = 0; part < S::words; part += 4) {
            Sum<FqM, 6> less;
            split<1>(limbs + part, less.v);
            for (int i = 0; i < 5; ++i) less.v[i] = _mm512_sub_epi64(less.v[i], broadcast(multiple_of_p<FqM>(1, i)));
            below &= _mm512_movepi64_mask(tight(less).v[4]);
        }
        return below;
    }
    template <int coordinate>
    typename S::template Element<2> at() const {
        return coordinate_of(limbs + coordinate * S::words / 2, (typename S::template Element<2>*)nullptr);
    }

private:
    static Lanes<FqM, 2> coordinate_of(const Vec* limbs, const Lanes<FqM, 2>*) {
        Lanes<FqM, 16> out;
        split<16>(limbs, out.v);
        return fit(out);
    }
    static Lanes2<FqM, 2> coordinate_of(const Vec* limbs, const Lanes2<FqM, 2>*) {
        const Lanes<FqM, 2>* one = nullptr;
        return {coordinate_of(limbs, one), coordinate_of(limbs + 4, one)};
    }
};

VX_INLINE Lanes<FqM, 2> curve_b(const LanesOfG1*) { return constant_of_fq<bn254::b1>(); }
VX_INLINE Lanes2<FqM, 2> curve_b(const LanesOfG2*) { return constant_of_fq2<bn254::b2>(); }

// The endomorphisms of points of the twist, see vortex/curve.hpp.
struct Frobenius {
    Lanes2<FqM, 2> by_x = constant_of_fq2<bn254::frobenius, 16>(), by_y = constant_of_fq2<bn254::frobenius, 24>();

    template <int B>
    static Lanes2<FqM, B> conjugate(const Lanes2<FqM, B>& a) {
        return {a.c0, tight(minus_of(a.c1))};
    }
    AffineRow<LanesOfG2> operator()(const AffineRow<LanesOfG2>& a) const {
        return {{product(conjugate(a.x.of[0]), by_x)}, {product(conjugate(a.y.of[0]), by_y)}};
    }
    JacobianRow<LanesOfG2> operator()(const JacobianRow<LanesOfG2>& a) const {
        return {{product(conjugate(a.x.of[0]), by_x)}, {product(conjugate(a.y.of[0]), by_y)}, {conjugate(a.z.of[0])}};
    }
};

// The digits of the curve's parameter x in non-adjacent form, most significant first.
struct DigitsOfX {
    signed char digit[66] = {};
    int count = 0;

    constexpr DigitsOfX() {
        signed char low[66] = {};
        for (unsigned __int128 rest = bn254::x; rest != 0; rest >>= 1) {
            low[count] = (signed char)(rest & 1 ? 2 - (int)(rest & 3) : 0);
            rest -= (unsigned __int128)(__int128)low[count++];
        }
        for (int i = 0; i < count; ++i) digit[i] = low[count - 1 - i];
    }
};

// Membership of G2 for points of the twist as in vortex/curve.hpp. No step of it is exceptional, whatever the point's order:
// tests/arith/field/test_constants.py goes through them modulo each prime divisor of the twist's order.
inline Mask8 in_g2(const AffineRow<LanesOfG2>& q) {
    static constexpr DigitsOfX digits;
    using J = JacobianRow<LanesOfG2>;
    const AffineRow<LanesOfG2> minus = {q.x, tight(minus_of(q.y))};
    J xq = J::from(q);
    for (int i = 1; i < digits.count; ++i) {
        xq.twice();
        if (digits.digit[i]) xq.add(digits.digit[i] > 0 ? q : minus);
    }
    const Frobenius psi;
    const J once = psi(xq);
    J left = xq, right = xq;
    left.add(q);
    left.add(once);
    left.add(psi(once));
    right.twice();
    right = psi(psi(psi(right)));
    const auto zz1 = square(left.z), zz2 = square(right.z);
    const auto x = tight(left.x * zz2 - right.x * zz1), y = tight(left.y * (zz2 * right.z) - right.y * (zz1 * left.z));
    return is_zero(x).of[0] & is_zero(y).of[0];
}

// y^2 = x^3 + b; coordinates need not be reduced.
template <class S>
inline Mask8 on_curve(const PointsIn<S>& points) {
    const auto x = points.template at<0>(), y = points.template at<1>();
    return is_zero(tight(square(y) - product(square(x), x) - curve_b((S*)nullptr)));
}
// E has prime order: every point of it is in G1.
inline Mask8 in_group(const PointsIn<LanesOfG1>&) { return 0xff; }
inline Mask8 in_group(const PointsIn<LanesOfG2>& points) { return in_g2({{points.at<0>()}, {points.at<1>()}}); }

template <class S>
void valid(const u64* points, u8* out, size_t n) {
    for (size_t from = 0; from < n; from += 8) {
        const size_t count = n - from < 8 ? n - from : 8;
        const PointsIn<S> eight(points + from * S::words, count);
        const Mask8 infinite = eight.infinite();
        Mask8 inside = (Mask8)(eight.reduced() & on_curve(eight) & ~infinite);
        if (inside) inside &= in_group(eight);
        for (size_t i = 0; i < count; ++i) out[from + i] = (inside | infinite) >> i & 1;
    }
}

}  // namespace VX_ISA
}  // namespace vx
