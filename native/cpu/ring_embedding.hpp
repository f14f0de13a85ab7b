// Stages of the special FFT (embedding.py: special_fft and its extended form), the same operations in the same order.
//
// Plain loops that the compiler turns into vectors, told (ivdep) that u and v lie apart; L names the instruction set and
// says whether it has fused multiply-add. Compiled without contraction: double-double sums and products need every
// rounding where it is written.
#pragma once

#include "ring_rows.hpp"

namespace vx {
inline namespace VX_ISA {

template <class L>
class Embedding {
    struct Dd {
        double high, low;
    };

    VX_INLINE static Dd fast_two_sum(double a, double b) {
        double s = a + b;
        return {s, b - (s - a)};
    }
    VX_INLINE static Dd two_sum(double a, double b) {
        double s = a + b, t = s - a;
        return {s, (a - (s - t)) + (b - t)};
    }
    VX_INLINE static Dd two_product(double a, double b) {
        double p = a * b;
        if constexpr (L::kFma) {
            return {p, __builtin_fma(a, b, -p)};
        } else {
            constexpr double kSplitter = 134217729.0;  // 2^27 + 1 (Dekker)
            double s = kSplitter * a, t = kSplitter * b;
            double a_high = s - (s - a), b_high = t - (t - b), a_low = a - a_high, b_low = b - b_high;
            return {p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low};
        }
    }
    VX_INLINE static Dd multiply(Dd a, Dd b) {
        Dd p = two_product(a.high, b.high);
        return fast_two_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
    }
    VX_INLINE static Dd add(Dd a, Dd b) {
        Dd s = two_sum(a.high, b.high), t = two_sum(a.low, b.low);
        s = fast_two_sum(s.high, s.low + t.high);
        return fast_two_sum(s.high, s.low + t.low);
    }
    VX_INLINE static Dd negate(Dd a) { return {-a.high, -a.low}; }

public:
    static void fft_stage(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        for (size_t first = 0; first < n; first += 2 * half) {
            double *__restrict ur = z.re + first, *__restrict ui = z.im + first;
            double *__restrict vr = ur + half, *__restrict vi = ui + half;
            const double *__restrict tr = table.re, *__restrict ti = table.im;
            VX_INDEPENDENT
            for (size_t j = 0; j < half; ++j) {
                double re = vr[j] * tr[j] - vi[j] * ti[j], im = vr[j] * ti[j] + vi[j] * tr[j];
                double a = ur[j], b = ui[j];
                ur[j] = a + re;
                ui[j] = b + im;
                vr[j] = a - re;
                vi[j] = b - im;
            }
        }
    }

    static void ifft_stage(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        for (size_t first = 0; first < n; first += 2 * half) {
            double *__restrict ur = z.re + first, *__restrict ui = z.im + first;
            double *__restrict vr = ur + half, *__restrict vi = ui + half;
            const double *__restrict tr = table.re, *__restrict ti = table.im;
            VX_INDEPENDENT
            for (size_t j = 0; j < half; ++j) {
                double re = ur[j] - vr[j], im = ui[j] - vi[j];
                ur[j] = ur[j] + vr[j];
                ui[j] = ui[j] + vi[j];
                vr[j] = re * tr[j] + im * ti[j];  // by the conjugate
                vi[j] = im * tr[j] - re * ti[j];
            }
        }
    }

    static void fft_stage_extended(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        each_extended(z, table, n, half, [](Dd& ur, Dd& ui, Dd& vr, Dd& vi, Dd tr, Dd ti) __attribute__((always_inline)) {
            const Dd re = add(multiply(vr, tr), negate(multiply(vi, ti)));
            const Dd im = add(multiply(vr, ti), multiply(vi, tr));
            vr = add(ur, negate(re));
            vi = add(ui, negate(im));
            ur = add(ur, re);
            ui = add(ui, im);
        });
    }

    static void ifft_stage_extended(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        each_extended(z, table, n, half, [](Dd& ur, Dd& ui, Dd& vr, Dd& vi, Dd tr, Dd ti) __attribute__((always_inline)) {
            const Dd re = add(ur, negate(vr)), im = add(ui, negate(vi));
            ur = add(ur, vr);
            ui = add(ui, vi);
            ti = negate(ti);  // by the conjugate
            vr = add(multiply(re, tr), negate(multiply(im, ti)));
            vi = add(multiply(re, ti), multiply(im, tr));
        });
    }

private:
    // butterfly(u, v, twiddle) on every pair, real and imaginary parts apart.
    template <class F>
    VX_INLINE static void each_extended(const SplitRow& z, const SplitRow& table, size_t n, size_t half, F butterfly) {
        const double *__restrict tr = table.re, *__restrict ti = table.im;
        const double *__restrict tr_low = table.re_low, *__restrict ti_low = table.im_low;
        for (size_t first = 0; first < n; first += 2 * half) {
            double *__restrict ur = z.re + first, *__restrict ui = z.im + first;
            double *__restrict ur_low = z.re_low + first, *__restrict ui_low = z.im_low + first;
            double *__restrict vr = ur + half, *__restrict vi = ui + half;
            double *__restrict vr_low = ur_low + half, *__restrict vi_low = ui_low + half;
            VX_INDEPENDENT
            for (size_t j = 0; j < half; ++j) {
                Dd a = {ur[j], ur_low[j]}, b = {ui[j], ui_low[j]}, c = {vr[j], vr_low[j]}, d = {vi[j], vi_low[j]};
                butterfly(a, b, c, d, Dd{tr[j], tr_low[j]}, Dd{ti[j], ti_low[j]});
                ur[j] = a.high, ur_low[j] = a.low, ui[j] = b.high, ui_low[j] = b.low;
                vr[j] = c.high, vr_low[j] = c.low, vi[j] = d.high, vi_low[j] = d.low;
            }
        }
    }
};

}  // namespace VX_ISA
}  // namespace vx
