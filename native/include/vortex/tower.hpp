// The tower of EIP-197: Fq2 = Fq[u]/(u^2+1), Fq6 = Fq2[v]/(v^3-ξ) with ξ = 9+u, Fq12 = Fq6[w]/(w^2-v).
#pragma once
#include "vortex/bn254.hpp"
#include "vortex/field.hpp"

namespace vx {
inline namespace VX_ISA {

// Products in Fq2 before their reduction, for fields that reduce late.
template <class F>
struct WideFp2;

template <class F>
struct Fp2 {
    using Base = F;
    F c0, c1;

    static VX_FN Fp2 zero() { return {F::zero(), F::zero()}; }
    static VX_FN Fp2 one() { return {F::one(), F::zero()}; }
    template <u64 (*limb)(int), int at = 0>
    static VX_FN Fp2 constant() {
        return {F::template constant<limb, at>(), F::template constant<limb, at + 4>()};
    }
    friend VX_FN Fp2 operator+(const Fp2& a, const Fp2& b) { return {a.c0 + b.c0, a.c1 + b.c1}; }
    friend VX_FN Fp2 operator-(const Fp2& a, const Fp2& b) { return {a.c0 - b.c0, a.c1 - b.c1}; }
    VX_FN Fp2 operator-() const { return {-c0, -c1}; }
    // Three products (Karatsuba).
    friend VX_FN Fp2 operator*(const Fp2& a, const Fp2& b) {
        if constexpr (F::reduces_late) {
            const auto t = wide_product(a, b);
            return {t.c0.reduced(), t.c1.reduced()};
        } else {
            const F t0 = a.c0 * b.c0, t1 = a.c1 * b.c1;
            return {t0 - t1, (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1};
        }
    }
    static VX_FN WideFp2<F> wide_product(const Fp2& a, const Fp2& b) {
        const auto t0 = F::wide_product(a.c0, b.c0), t1 = F::wide_product(a.c1, b.c1);
        const auto t2 = F::wide_product(F::lazy_sum(a.c0, a.c1), F::lazy_sum(b.c0, b.c1));
        return {t0 - t1, t2.less(t0).less(t1)};
    }
    friend VX_FN Fp2 operator*(const Fp2& a, const F& b) { return {a.c0 * b, a.c1 * b}; }
    // Two products: (c0+c1)(c0-c1) + 2 c0 c1 u.
    VX_FN Fp2 square() const {
        if constexpr (F::reduces_late) {
            return {F::lazy_sum(c0, c1) * (c0 - c1), F::lazy_sum(c0, c0) * c1};
        } else {
            const F t = c0 * c1;
            return {(c0 + c1) * (c0 - c1), t + t};
        }
    }
    VX_FN Fp2 halved() const { return {c0.halved(), c1.halved()}; }
    VX_FN Fp2 conjugate() const { return {c0, -c1}; }
    // ξ·this = (9 c0 - c1) + (9 c1 + c0) u.
    VX_FN Fp2 times_xi() const {
        if constexpr (F::reduces_late) return {F::nine_times_minus(c0, c1), F::nine_times_plus(c1, c0)};
        const Fp2 two = *this + *this, four = two + two, nine = four + four + *this;
        return {nine.c0 - c1, nine.c1 + c0};
    }
    VX_FN F norm() const {
        if constexpr (F::reduces_late) {
            return (F::wide_product(c0, c0) + F::wide_product(c1, c1)).reduced();
        } else {
            return c0 * c0 + c1 * c1;
        }
    }
    VX_FN Fp2 inverse() const {
        const F t = norm().inverse();
        return {c0 * t, -(c1 * t)};
    }
    VX_FN bool operator==(const Fp2& b) const { return c0 == b.c0 && c1 == b.c1; }
    VX_FN bool operator!=(const Fp2& b) const { return !(*this == b); }
    VX_FN bool is_zero() const { return c0.is_zero() && c1.is_zero(); }
};

template <class F>
struct WideFp2 {
    typename F::Wide c0, c1;

    friend VX_FN WideFp2 operator-(const WideFp2& a, const WideFp2& b) { return {a.c0 - b.c0, a.c1 - b.c1}; }
    VX_FN Fp2<F> reduced() const { return {c0.reduced(), c1.reduced()}; }
    // a + b.
    static VX_FN Fp2<F> sum(const WideFp2& a, const WideFp2& b) {
        return {(a.c0 + b.c0).reduced_twice(), (a.c1 + b.c1).reduced_twice()};
    }
};

template <class F>
struct Fp6 {
    using F2 = Fp2<F>;
    F2 c0, c1, c2;

    static VX_FN Fp6 zero() { return {F2::zero(), F2::zero(), F2::zero()}; }
    static VX_FN Fp6 one() { return {F2::one(), F2::zero(), F2::zero()}; }
    friend VX_FN Fp6 operator+(const Fp6& a, const Fp6& b) { return {a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2}; }
    friend VX_FN Fp6 operator-(const Fp6& a, const Fp6& b) { return {a.c0 - b.c0, a.c1 - b.c1, a.c2 - b.c2}; }
    VX_FN Fp6 operator-() const { return {-c0, -c1, -c2}; }
    // Six products in Fq2 (Devegili et al. 2006, section 4).
    friend VX_FN Fp6 operator*(const Fp6& a, const Fp6& b) {
        const F2 t0 = a.c0 * b.c0, t1 = a.c1 * b.c1, t2 = a.c2 * b.c2;
        return {t0 + ((a.c1 + a.c2) * (b.c1 + b.c2) - t1 - t2).times_xi(),
                (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1 + t2.times_xi(),
                (a.c0 + a.c2) * (b.c0 + b.c2) - t0 - t2 + t1};
    }
    VX_FN Fp6 times_v() const { return {c2.times_xi(), c0, c1}; }
    // this·(b0 + b1 v), given ξ·b1: five products.
    VX_FN Fp6 times_sparse(const F2& b0, const F2& b1, const F2& xi_b1) const {
        if constexpr (F::reduces_late) {
            using Wide = WideFp2<F>;
            const Wide t0 = F2::wide_product(c0, b0), t1 = F2::wide_product(c1, b1);
            return {Wide::sum(t0, F2::wide_product(c2, xi_b1)), (F2::wide_product(c0 + c1, b0 + b1) - t0 - t1).reduced(),
                    Wide::sum(t1, F2::wide_product(c2, b0))};
        } else {
            const F2 t0 = c0 * b0, t1 = c1 * b1;
            return {t0 + c2 * xi_b1, (c0 + c1) * (b0 + b1) - t0 - t1, t1 + c2 * b0};
        }
    }
    VX_FN Fp6 inverse() const {
        const F2 t0 = c0.square() - (c1 * c2).times_xi(), t1 = c2.square().times_xi() - c0 * c1, t2 = c1.square() - c0 * c2;
        const F2 d = (c0 * t0 + (c2 * t1 + c1 * t2).times_xi()).inverse();
        return {t0 * d, t1 * d, t2 * d};
    }
    VX_FN bool operator==(const Fp6& b) const { return c0 == b.c0 && c1 == b.c1 && c2 == b.c2; }
};

template <class F>
struct Fp12 {
    using F2 = Fp2<F>;
    using F6 = Fp6<F>;
    F6 c0, c1;

    static VX_FN Fp12 one() { return {F6::one(), F6::zero()}; }
    friend VX_FN Fp12 operator*(const Fp12& a, const Fp12& b) {
        const F6 t0 = a.c0 * b.c0, t1 = a.c1 * b.c1;
        return {t0 + t1.times_v(), (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1};
    }
    // Complex squaring: two products in Fq6.
    VX_FN Fp12 square() const {
        const F6 t = c0 * c1;
        return {(c0 + c1) * (c0 + c1.times_v()) - t - t.times_v(), t + t};
    }
    // this·(1 + l1 w + l3 w^3), the shape of a line: w^3 = v w.
    VX_FN Fp12 times_line(const F2& l1, const F2& l3) const {
        const F2 xi_l3 = l3.times_xi();
        return {c0 + c1.times_sparse(l1, l3, xi_l3).times_v(), c1 + c0.times_sparse(l1, l3, xi_l3)};
    }
    VX_FN Fp12 conjugate() const { return {c0, -c1}; }
    VX_FN Fp12 inverse() const {
        const F6 d = (c0 * c0 - (c1 * c1).times_v()).inverse();
        return {c0 * d, -(c1 * d)};
    }
    // Granger and Scott 2010: squaring where this^(p^6+1) = 1 and this^(p^4-p^2+1) = 1; nine products in place of 12.
    VX_FN Fp12 cyclotomic_square() const {
        F2 s0, s1, s2, d0, d1, d2;
        square_fp4(c0.c0, c1.c1, s0, d0);
        square_fp4(c1.c0, c0.c2, s1, d1);
        square_fp4(c0.c1, c1.c2, s2, d2);
        const F2 e = d2.times_xi();
        return {{twice(s0 - c0.c0) + s0, twice(s1 - c0.c1) + s1, twice(s2 - c0.c2) + s2},
                {twice(e + c1.c0) + e, twice(d0 + c1.c1) + d0, twice(d1 + c1.c2) + d1}};
    }
    // this^(p^k) for k = 1, 2, 3.
    VX_FN Fp12 frobenius(int k) const {
        Fp12 out = *this;
        for (int i = 0; i < k; ++i) out = out.frobenius_once();
        return out;
    }
    VX_FN bool operator==(const Fp12& b) const { return c0 == b.c0 && c1 == b.c1; }

private:
    // (a + b·s)^2 = (a^2 + ξ b^2) + 2ab·s.
    static VX_FN void square_fp4(const F2& a, const F2& b, F2& even, F2& odd) {
        const F2 t0 = a.square(), t1 = b.square();
        even = t0 + t1.times_xi();
        odd = (a + b).square() - t0 - t1;
    }
    static VX_FN F2 twice(const F2& a) { return a + a; }
    VX_FN Fp12 frobenius_once() const {
        using bn254::frobenius;
        return {{c0.c0.conjugate(), c0.c1.conjugate() * F2::template constant<frobenius, 16>(),
                 c0.c2.conjugate() * F2::template constant<frobenius, 32>()},
                {c1.c0.conjugate() * F2::template constant<frobenius, 8>(),
                 c1.c1.conjugate() * F2::template constant<frobenius, 24>(),
                 c1.c2.conjugate() * F2::template constant<frobenius, 40>()}};
    }
};

}  // namespace VX_ISA
}  // namespace vx
