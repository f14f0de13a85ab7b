// The optimal ate pairing on BN254 (Vercauteren 2010): e(P, Q) = (f_{6x+2,Q}(P)·l(ψQ)(P)·l(-ψ²Q)(P))^((p^12-1)/r).
#pragma once
#include "vortex/curve.hpp"

namespace vx {
inline namespace VX_ISA {

// A line through points of the twist, free of P yet and monic in its ordinate: l = y_P + c1·x_P·w + c3·w^3, so that
// c1 = -λ and c3 = λx - y for the slope λ and a point (x, y) of it. All zeros stands for one.
template <class F>
struct Line {
    Fp2<F> c1, c3;
};

// A line times any factor, which the final exponentiation takes away: c0·y_P + c1·x_P·w + c3·w^3.
template <class F>
struct ScaledLine {
    Fp2<F> c0, c1, c3;
};

// The running point of Miller's loop in homogeneous coordinates (X/Z, Y/Z), and the lines it leaves behind
// (Costello, Lange, Naehrig 2010, as simplified by Aranha et al. 2010, section 4.3).
template <class F>
struct RunningPoint {
    Fp2<F> x, y, z;

    VX_FN ScaledLine<F> twice() {
        const Fp2<F> a = (x * y).halved(), b = y.square(), c = z.square();
        const Fp2<F> e = Fp2<F>::template constant<bn254::b2>() * (c + c + c), f = e + e + e;
        const Fp2<F> g = (b + f).halved(), h = (y + z).square() - b - c, i = e - b, j = x.square(), ee = e.square();
        x = a * (b - f);
        y = g.square() - (ee + ee + ee);
        z = b * h;
        return {-h, j + j + j, i};
    }
    VX_FN ScaledLine<F> plus(const Affine<Fp2<F>>& q) {
        const Fp2<F> theta = y - q.y * z, lambda = x - q.x * z, c = theta.square(), d = lambda.square(), e = lambda * d;
        const Fp2<F> f = z * c, g = x * d, h = e + f - g - g, j = theta * q.x - lambda * q.y;
        x = lambda * h;
        y = theta * (g - h) - e * y;
        z = z * e;
        return {lambda, -theta, j};
    }
};

// All lines of Q in the order in which the loop uses them, `bn254::miller_lines` of them; those of infinity are zeros.
template <class F>
VX_FN void lines_of(const Affine<Fp2<F>>& q, Line<F>* lines) {
    constexpr int count = bn254::miller_lines;
    ScaledLine<F> scaled[count];
    RunningPoint<F> t = {q.x, q.y, Fp2<F>::one()};
    const Affine<Fp2<F>> minus = -q;
    int n = 0;
    for (int i = bn254::ate_length - 2; i >= 0; --i) {
        scaled[n++] = t.twice();
        const int digit = bn254::ate_digit(i);
        if (digit) scaled[n++] = t.plus(digit > 0 ? q : minus);
    }
    const auto q1 = frobenius(q), q2 = frobenius(q1);
    scaled[n++] = t.plus(q1);
    scaled[n++] = t.plus(-q2);
    // Montgomery's trick. No head is zero, unless Q is infinity or outside of G2.
    Fp2<F> before[count], product = Fp2<F>::one();
    for (int i = 0; i < count; ++i) {
        before[i] = product;
        if (!scaled[i].c0.is_zero()) product = product * scaled[i].c0;
    }
    product = product.inverse();
    for (int i = count; i-- > 0;) {
        const ScaledLine<F>& line = scaled[i];
        if (q.is_infinity() || line.c0.is_zero()) {
            lines[i] = {Fp2<F>::zero(), Fp2<F>::zero()};
            continue;
        }
        const Fp2<F> head = product * before[i];
        product = product * line.c0;
        lines[i] = {line.c1 * head, line.c3 * head};
    }
}

// What of P enters its lines once they are divided by y_P: x_P/y_P and 1/y_P, zeros for infinity.
template <class F>
struct LinePoint {
    F x, y;
};
template <class F>
VX_FN void line_points(const Affine<F>* p, LinePoint<F>* out, int pairs) {
    F product = F::one();
    for (int k = 0; k < pairs; ++k) {
        out[k].y = product;
        if (!p[k].y.is_zero()) product = product * p[k].y;
    }
    product = product.inverse();
    for (int k = pairs; k-- > 0;) {
        const F y = p[k].y.is_zero() ? F::zero() : product * out[k].y;
        if (!p[k].y.is_zero()) product = product * p[k].y;
        out[k] = {p[k].x * y, y};
    }
}

// Π f_{6x+2,Q_i}(P_i) with the final lines, times an element of Fq; `lines[i]` are Q_i's. The squarings are shared.
template <class F>
VX_FN Fp12<F> miller_loop(const LinePoint<F>* p, const Line<F>* const* lines, int pairs) {
    Fp12<F> f = Fp12<F>::one();
    int at = 0;
    const auto multiply = [&] {
        for (int k = 0; k < pairs; ++k) f = f.times_line(lines[k][at].c1 * p[k].x, lines[k][at].c3 * p[k].y);
        ++at;
    };
    for (int i = bn254::ate_length - 2; i >= 0; --i) {
        if (at) f = f.square();
        multiply();
        if (bn254::ate_digit(i)) multiply();
    }
    multiply();
    multiply();
    return f;
}

// The same for points that are not prepared, none of them infinity, times an element of Fq2; `points[i]` starts at Q_i.
template <class F>
VX_FN Fp12<F> miller_loop(const Affine<F>* p, const Affine<Fp2<F>>* q, RunningPoint<F>* points, int pairs) {
    Fp12<F> f = Fp12<F>::one();
    const auto multiply = [&](int k, const ScaledLine<F>& line) {
        f = f.times_line(line.c0 * p[k].y, line.c1 * p[k].x, line.c3);
    };
    for (int i = bn254::ate_length - 2; i >= 0; --i) {
        if (i != bn254::ate_length - 2) f = f.square();
        for (int k = 0; k < pairs; ++k) multiply(k, points[k].twice());
        const int digit = bn254::ate_digit(i);
        for (int k = 0; digit && k < pairs; ++k) multiply(k, points[k].plus(digit > 0 ? q[k] : -q[k]));
    }
    for (int k = 0; k < pairs; ++k) {
        const auto q1 = frobenius(q[k]), q2 = frobenius(q1);
        multiply(k, points[k].plus(q1));
        multiply(k, points[k].plus(-q2));
    }
    return f;
}

// x in width-4 non-adjacent form: digits odd and below 8 in magnitude, or zero.
struct SlidingDigits {
    signed char digit[64] = {};
    int length = 0;

    VX_FN constexpr SlidingDigits() {
        for (u64 rest = bn254::x; rest; rest >>= 1, ++length) {
            if (!(rest & 1)) continue;
            const int d = (int)(rest & 15);
            digit[length] = (signed char)(d > 8 ? d - 16 : d);
            rest -= (u64)(long long)digit[length];
        }
    }
};

// a^x for the BN parameter, a in the cyclotomic subgroup, where the inverse is the conjugate.
template <class E>
VX_FN E power_of_x(const E& a) {
    constexpr SlidingDigits x;
    const E square = a.cyclotomic_square();
    E odd[4] = {a};
    for (int i = 1; i < 4; ++i) odd[i] = odd[i - 1] * square;
    E out = odd[x.digit[x.length - 1] / 2];
    for (int i = x.length - 2; i >= 0; --i) {
        out = out.cyclotomic_square();
        const int d = x.digit[i];
        if (d > 0) out = out * odd[d / 2];
        if (d < 0) out = out * odd[-d / 2].conjugate();
    }
    return out;
}

// f^((p^12-1)/r), given f^(p^6-1): the rest of the easy part, then the hard part (p^4-p^2+1)/r exactly, by the chain of
// Scott et al. 2009.
template <class E>
VX_FN E final_exponentiation(const E& t) {
    const E a = t.frobenius(2) * t;
    const E x1 = power_of_x(a), x2 = power_of_x(x1), x3 = power_of_x(x2);
    const E y0 = a.frobenius(1) * a.frobenius(2) * a.frobenius(3), y1 = a.conjugate(), y2 = x2.frobenius(2);
    const E y3 = x1.frobenius(1).conjugate(), y4 = (x1 * x2.frobenius(1)).conjugate(), y5 = x2.conjugate();
    const E y6 = (x3 * x3.frobenius(1)).conjugate();
    E t0 = y6.cyclotomic_square() * y4 * y5;
    E t1 = y3 * y5 * t0;
    t0 = t0 * y2;
    t1 = (t1.cyclotomic_square() * t0).cyclotomic_square();
    t0 = t1 * y1;
    t1 = t1 * y0;
    return t0.cyclotomic_square() * t1;
}

}  // namespace VX_ISA
}  // namespace vx
