// Stages of the special FFT (embedding.py: special_fft and its extended form), the same operations in the same order.
//
// Plain loops that the compiler turns into vectors; L names the instruction set and says whether it has fused
// multiply-add. Compiled without contraction: double-double sums and products need every rounding where it is written.
#pragma once

#include "ring_rows.hpp"

namespace vx {
inline namespace VX_ISA {

template <class L>
struct Embedding {
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

    static void fft_stage(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        for (size_t first = 0; first < n; first += 2 * half) {
            double *__restrict ur = z.re + first, *__restrict ui = z.im + first;
            double *__restrict vr = ur + half, *__restrict vi = ui + half;
            const double *__restrict tr = table.re, *__restrict ti = table.im;
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
        for (size_t first = 0; first < n; first += 2 * half) {
            for (size_t j = 0; j < half; ++j) {
                size_t u = first + j, v = u + half;
                Dd tr = {table.re[j], table.re_low[j]}, ti = {table.im[j], table.im_low[j]};
                Dd vr = {z.re[v], z.re_low[v]}, vi = {z.im[v], z.im_low[v]};
                Dd re = add(multiply(vr, tr), negate(multiply(vi, ti)));
                Dd im = add(multiply(vr, ti), multiply(vi, tr));
                Dd ur = {z.re[u], z.re_low[u]}, ui = {z.im[u], z.im_low[u]};
                put(z, u, add(ur, re), add(ui, im));
                put(z, v, add(ur, negate(re)), add(ui, negate(im)));
            }
        }
    }

    static void ifft_stage_extended(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        for (size_t first = 0; first < n; first += 2 * half) {
            for (size_t j = 0; j < half; ++j) {
                size_t u = first + j, v = u + half;
                Dd tr = {table.re[j], table.re_low[j]}, ti = {-table.im[j], -table.im_low[j]};
                Dd ur = {z.re[u], z.re_low[u]}, ui = {z.im[u], z.im_low[u]};
                Dd vr = {z.re[v], z.re_low[v]}, vi = {z.im[v], z.im_low[v]};
                Dd re = add(ur, negate(vr)), im = add(ui, negate(vi));
                put(z, u, add(ur, vr), add(ui, vi));
                put(z, v, add(multiply(re, tr), negate(multiply(im, ti))), add(multiply(re, ti), multiply(im, tr)));
            }
        }
    }

    VX_INLINE static void put(const SplitRow& z, size_t i, Dd re, Dd im) {
        z.re[i] = re.high;
        z.re_low[i] = re.low;
        z.im[i] = im.high;
        z.im_low[i] = im.low;
    }
};

}  // namespace VX_ISA
}  // namespace vx
