// Short Weierstrass curves y^2 = x^3 + b over a field F (Fp or Fp2): E over Fq for G1, its twist over Fq2 for G2.
// Formulas are those of the Explicit-Formulas Database, named beside each.
#pragma once
#include "vortex/tower.hpp"

namespace vx {
inline namespace VX_ISA {

// (0, 0) is infinity: it lies on neither curve.
template <class F>
struct Affine {
    F x, y;

    static VX_FN Affine infinity() { return {F::zero(), F::zero()}; }
    VX_FN bool is_infinity() const { return x.is_zero() && y.is_zero(); }
    VX_FN Affine operator-() const { return {x, -y}; }
    VX_FN bool on_curve(const F& b) const { return is_infinity() || y.square() == x.square() * x + b; }
};

// (X/Z^2, Y/Z^3); Z = 0 is infinity.
template <class F>
struct Jacobian {
    F x, y, z;

    static VX_FN Jacobian infinity() { return {F::one(), F::one(), F::zero()}; }
    static VX_FN Jacobian from(const Affine<F>& a) {
        return a.is_infinity() ? infinity() : Jacobian{a.x, a.y, F::one()};
    }
    VX_FN bool is_infinity() const { return z.is_zero(); }
    VX_FN Jacobian operator-() const { return {x, -y, z}; }

    // dbl-2009-l: 2M + 5S. There are no points of order two.
    VX_FN Jacobian twice() const {
        const F a = x.square(), b = y.square(), c = b.square();
        F d = (x + b).square() - a - c;
        d = d + d;
        const F e = a + a + a, f = e.square();
        const F x3 = f - d - d, c2 = c + c, c4 = c2 + c2, yz = y * z;
        return {x3, e * (d - x3) - c4 - c4, yz + yz};
    }
    // madd-2007-bl: 7M + 4S, with every exceptional case.
    VX_FN Jacobian plus(const Affine<F>& b) const {
        if (b.is_infinity()) return *this;
        if (is_infinity()) return from(b);
        const F zz = z.square(), u2 = b.x * zz, s2 = b.y * z * zz, h = u2 - x;
        F r = s2 - y;
        if (h.is_zero()) return r.is_zero() ? twice() : infinity();
        r = r + r;
        const F hh = h.square(), hh2 = hh + hh, i = hh2 + hh2, j = h * i, v = x * i;
        const F x3 = r.square() - j - v - v, yj = y * j;
        return {x3, r * (v - x3) - yj - yj, (z + h).square() - zz - hh};
    }
    // add-2007-bl: 11M + 5S, with every exceptional case.
    VX_FN Jacobian plus(const Jacobian& b) const {
        if (b.is_infinity()) return *this;
        if (is_infinity()) return b;
        const F z1z1 = z.square(), z2z2 = b.z.square(), u1 = x * z2z2, u2 = b.x * z1z1;
        const F s1 = y * b.z * z2z2, s2 = b.y * z * z1z1, h = u2 - u1;
        F r = s2 - s1;
        if (h.is_zero()) return r.is_zero() ? twice() : infinity();
        r = r + r;
        const F h2 = h + h, i = h2.square(), j = h * i, v = u1 * i;
        const F x3 = r.square() - j - v - v, sj = s1 * j;
        return {x3, r * (v - x3) - sj - sj, ((z + b.z).square() - z1z1 - z2z2) * h};
    }
    // (X/Z^2, Y/Z^3) given 1/Z.
    VX_FN Affine<F> affine(const F& z_inverse) const {
        if (is_infinity()) return Affine<F>::infinity();
        const F zz = z_inverse.square();
        return {x * zz, y * zz * z_inverse};
    }
    VX_FN Affine<F> affine() const { return affine(z.inverse()); }
    // Equality as points.
    VX_FN bool same(const Jacobian& b) const {
        if (is_infinity() || b.is_infinity()) return is_infinity() == b.is_infinity();
        const F z1z1 = z.square(), z2z2 = b.z.square();
        return x * z2z2 == b.x * z1z1 && y * b.z * z2z2 == b.y * z * z1z1;
    }
};

// k·a for k of `words` limbs, in windows of four bits.
template <class F>
VX_FN Jacobian<F> multiply(const Jacobian<F>& a, const u64* k, int words) {
    Jacobian<F> multiples[16];
    multiples[0] = Jacobian<F>::infinity();
    for (int i = 1; i < 16; ++i) multiples[i] = multiples[i - 1].plus(a);
    Jacobian<F> out = Jacobian<F>::infinity();
    for (int i = 16 * words - 1; i >= 0; --i) {
        if (!out.is_infinity()) {
            for (int j = 0; j < 4; ++j) out = out.twice();
        }
        out = out.plus(multiples[k[i / 16] >> (4 * (i % 16)) & 15]);
    }
    return out;
}

// The untwist-Frobenius-twist endomorphism of G2: (x, y) -> (x^p·ξ^((p-1)/3), y^p·ξ^((p-1)/2)), multiplication by p on G2.
template <class F>
VX_FN Affine<Fp2<F>> frobenius(const Affine<Fp2<F>>& a) {
    using F2 = Fp2<F>;
    return {a.x.conjugate() * F2::template constant<bn254::frobenius, 16>(),
            a.y.conjugate() * F2::template constant<bn254::frobenius, 24>()};
}
template <class F>
VX_FN Jacobian<Fp2<F>> frobenius(const Jacobian<Fp2<F>>& a) {
    const auto image = frobenius(Affine<Fp2<F>>{a.x, a.y});
    return {image.x, image.y, a.z.conjugate()};
}

// Membership of G2 for a point of the twist: [x+1]Q + ψ([x]Q) + ψ²([x]Q) = ψ³([2x]Q), by one short multiplication
// (Dai, Lin, Zhao, Zhou, "Fast subgroup membership testings for G1, G2 and GT on pairing-friendly curves", 2022).
template <class F>
VX_FN bool in_g2(const Affine<Fp2<F>>& q) {
    if (q.is_infinity()) return true;
    const auto point = Jacobian<Fp2<F>>::from(q);
    const u64 x = bn254::x;
    const auto xq = multiply(point, &x, 1), psi = frobenius(xq);
    const auto left = xq.plus(point).plus(psi).plus(frobenius(psi));
    return left.same(frobenius(frobenius(frobenius(xq.twice()))));
}

}  // namespace VX_ISA
}  // namespace vx
