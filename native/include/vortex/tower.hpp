// The tower of EIP-197: Fq2 = Fq[u]/(u^2+1), Fq6 = Fq2[v]/(v^3-ξ) with ξ = 9+u, Fq12 = Fq6[w]/(w^2-v).
#pragma once
#include "vortex/bn254.hpp"
#include "vortex/field.hpp"

namespace vx {
inline namespace VX_ISA {

// A factor in Fq2 as sums of products under one reduction take it.
template <class F>
struct Factor {
    F minus_c1, c0, c1;
};

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
    // Three products (Karatsuba), or four under two reductions.
    friend VX_FN Fp2 operator*(const Fp2& a, const Fp2& b) {
        if constexpr (F::sums_products) {
            return F::product_fq2(a, b);
        } else {
            const F t0 = a.c0 * b.c0, t1 = a.c1 * b.c1;
            return {t0 - t1, (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1};
        }
    }
    VX_FN Factor<F> factor() const { return {F::complement(c1), c0, c1}; }
    // Σ a_i b_i under two reductions.
    static VX_FN Fp2 sum_of_products(const Fp2& a0, const Factor<F>& b0, const Fp2& a1, const Factor<F>& b1) {
        return F::sum_fq2(a0, b0, a1, b1);
    }
    static VX_FN Fp2 sum_of_products(const Fp2& a0, const Factor<F>& b0, const Fp2& a1, const Factor<F>& b1, const Fp2& a2,
                                     const Factor<F>& b2) {
        return F::sum_fq2(a0, b0, a1, b1, a2, b2);
    }
    friend VX_FN Fp2 operator*(const Fp2& a, const F& b) {
        if constexpr (F::sums_products) {
            return F::product_pair(a, Fp2{b, b});
        } else {
            return {a.c0 * b, a.c1 * b};
        }
    }
    // Two products: (c0+c1)(c0-c1) + 2 c0 c1 u.
    VX_FN Fp2 square() const {
        if constexpr (F::sums_products) {
            return F::product_pair(Fp2{F::lazy_sum(c0, c1), F::lazy_sum(c0, c0)}, Fp2{F::lazy_sum(c0, F::complement(c1)), c1});
        } else {
            const F t = c0 * c1;
            return {(c0 + c1) * (c0 - c1), t + t};
        }
    }
    VX_FN Fp2 halved() const { return {c0.halved(), c1.halved()}; }
    VX_FN Fp2 conjugate() const { return {c0, -c1}; }
    // ξ·this = (9 c0 - c1) + (9 c1 + c0) u.
    VX_FN Fp2 times_xi() const {
        if constexpr (F::sums_products) return {F::nine_times_minus(c0, c1), F::nine_times_plus(c1, c0)};
        const Fp2 two = *this + *this, four = two + two, nine = four + four + *this;
        return {nine.c0 - c1, nine.c1 + c0};
    }
    VX_FN F norm() const {
        return c0 * c0 + c1 * c1;
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
struct Fp6;

// A factor in Fq6, with what ξ makes of its upper coefficients.
template <class F>
struct Factor6 {
    Factor<F> c0, c1, c2, xi_c1, xi_c2;
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
    // Six products in Fq2 (Devegili et al. 2006, section 4), or nine under six reductions.
    friend VX_FN Fp6 operator*(const Fp6& a, const Fp6& b) {
        if constexpr (F::sums_products) return a * b.factor();
        const F2 t0 = a.c0 * b.c0, t1 = a.c1 * b.c1, t2 = a.c2 * b.c2;
        return {t0 + ((a.c1 + a.c2) * (b.c1 + b.c2) - t1 - t2).times_xi(),
                (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1 + t2.times_xi(),
                (a.c0 + a.c2) * (b.c0 + b.c2) - t0 - t2 + t1};
    }
    VX_FN Factor6<F> factor() const {
        return {c0.factor(), c1.factor(), c2.factor(), c1.times_xi().factor(), c2.times_xi().factor()};
    }
    friend VX_FN Fp6 operator*(const Fp6& a, const Factor6<F>& b) {
        return {F2::sum_of_products(a.c0, b.c0, a.c1, b.xi_c2, a.c2, b.xi_c1),
                F2::sum_of_products(a.c0, b.c1, a.c1, b.c0, a.c2, b.xi_c2),
                F2::sum_of_products(a.c0, b.c2, a.c1, b.c1, a.c2, b.c0)};
    }
    VX_FN Fp6 times_v() const { return {c2.times_xi(), c0, c1}; }
    // this·(b0 + b1 v), given ξ·b1: five products.
    VX_FN Fp6 times_sparse(const F2& b0, const F2& b1, const F2& xi_b1) const {
        const F2 t0 = c0 * b0, t1 = c1 * b1;
        return {t0 + c2 * xi_b1, (c0 + c1) * (b0 + b1) - t0 - t1, t1 + c2 * b0};
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
    // this·(1 + l1 w + l3 w^3), the shape of a monic line: w^3 = v w.
    VX_FN Fp12 times_line(const F2& l1, const F2& l3) const {
        const F2 xi_l3 = l3.times_xi();
        if constexpr (F::sums_products) {
            const Factor<F> m1 = l1.factor(), m3 = l3.factor(), xi_m1 = l1.times_xi().factor(), xi_m3 = xi_l3.factor();
            return {{c0.c0 + F2::sum_of_products(c1.c2, xi_m1, c1.c1, xi_m3), c0.c1 + F2::sum_of_products(c1.c0, m1, c1.c2, xi_m3),
                     c0.c2 + F2::sum_of_products(c1.c1, m1, c1.c0, m3)},
                    {c1.c0 + F2::sum_of_products(c0.c0, m1, c0.c2, xi_m3), c1.c1 + F2::sum_of_products(c0.c1, m1, c0.c0, m3),
                     c1.c2 + F2::sum_of_products(c0.c2, m1, c0.c1, m3)}};
        } else {
            return {c0 + c1.times_sparse(l1, l3, xi_l3).times_v(), c1 + c0.times_sparse(l1, l3, xi_l3)};
        }
    }
    // this·(l0 + l1 w + l3 w^3), for fields that sum products.
    VX_FN Fp12 times_line(const F2& l0, const F2& l1, const F2& l3) const {
        const Factor<F> m0 = l0.factor(), m1 = l1.factor(), m3 = l3.factor();
        const Factor<F> xi_m1 = l1.times_xi().factor(), xi_m3 = l3.times_xi().factor();
        return {{F2::sum_of_products(c0.c0, m0, c1.c2, xi_m1, c1.c1, xi_m3), F2::sum_of_products(c0.c1, m0, c1.c0, m1, c1.c2, xi_m3),
                 F2::sum_of_products(c0.c2, m0, c1.c1, m1, c1.c0, m3)},
                {F2::sum_of_products(c1.c0, m0, c0.c0, m1, c0.c2, xi_m3), F2::sum_of_products(c1.c1, m0, c0.c1, m1, c0.c0, m3),
                 F2::sum_of_products(c1.c2, m0, c0.c2, m1, c0.c1, m3)}};
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
        if constexpr (F::sums_products) {
            odd = F2{F::lazy_sum(a.c0, a.c0), F::lazy_sum(a.c1, a.c1)} * b;
        } else {
            odd = (a + b).square() - t0 - t1;
        }
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
