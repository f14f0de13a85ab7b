// Stages of the special FFT (embedding.py: special_fft and its extended form), the same operations in the same order, and the
// rounding of its results.
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
    // A double, or the sum of two.
    struct One {
        double high;
        static constexpr bool extended = false;
    };
    struct Dd {
        double high, low;
        static constexpr bool extended = true;
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
    VX_INLINE static One multiply(One a, One b) { return {a.high * b.high}; }
    VX_INLINE static One add(One a, One b) { return {a.high + b.high}; }
    VX_INLINE static One negate(One a) { return {-a.high}; }

    // The butterflies of a stage and of its inverse.
    struct Forward {
        template <class N>
        VX_INLINE static void apply(N& ur, N& ui, N& vr, N& vi, N tr, N ti) {
            const N re = add(multiply(vr, tr), negate(multiply(vi, ti)));
            const N im = add(multiply(vr, ti), multiply(vi, tr));
            vr = add(ur, negate(re));
            vi = add(ui, negate(im));
            ur = add(ur, re);
            ui = add(ui, im);
        }
    };
    struct Backward {
        template <class N>
        VX_INLINE static void apply(N& ur, N& ui, N& vr, N& vi, N tr, N ti) {
            const N re = add(ur, negate(vr)), im = add(ui, negate(vi));
            ur = add(ur, vr);
            ui = add(ui, vi);
            ti = negate(ti);  // by the conjugate
            vr = add(multiply(re, tr), negate(multiply(im, ti)));
            vi = add(multiply(re, ti), multiply(im, tr));
        }
    };

    // Butterflies on u, v and twiddles, which lie apart.
    template <class N, class Butterfly>
    VX_INLINE static void butterflies(const SplitRow& u, const SplitRow& v, const SplitRow& table, size_t count) {
        double *__restrict ur = u.re, *__restrict ui = u.im, *__restrict vr = v.re, *__restrict vi = v.im;
        const double *__restrict tr = table.re, *__restrict ti = table.im;
        if constexpr (N::extended) {
            double *__restrict ur_low = u.re_low, *__restrict ui_low = u.im_low;
            double *__restrict vr_low = v.re_low, *__restrict vi_low = v.im_low;
            const double *__restrict tr_low = table.re_low, *__restrict ti_low = table.im_low;
            VX_INDEPENDENT
            for (size_t j = 0; j < count; ++j) {
                N a = {ur[j], ur_low[j]}, b = {ui[j], ui_low[j]}, c = {vr[j], vr_low[j]}, d = {vi[j], vi_low[j]};
                Butterfly::apply(a, b, c, d, N{tr[j], tr_low[j]}, N{ti[j], ti_low[j]});
                ur[j] = a.high, ur_low[j] = a.low, ui[j] = b.high, ui_low[j] = b.low;
                vr[j] = c.high, vr_low[j] = c.low, vi[j] = d.high, vi_low[j] = d.low;
            }
        } else {
            VX_INDEPENDENT
            for (size_t j = 0; j < count; ++j) {
                N a = {ur[j]}, b = {ui[j]}, c = {vr[j]}, d = {vi[j]};
                Butterfly::apply(a, b, c, d, N{tr[j]}, N{ti[j]});
                ur[j] = a.high, ui[j] = b.high, vr[j] = c.high, vi[j] = d.high;
            }
        }
    }
    VX_INLINE static SplitRow from_place(const SplitRow& z, size_t i) {
        return {z.re + i, z.im + i, z.re_low ? z.re_low + i : nullptr, z.im_low ? z.im_low + i : nullptr};
    }
    template <class N, class Butterfly>
    static void stage(const SplitRow& z, const SplitRow& table, size_t n, size_t half) {
        for (size_t first = 0; first < n; first += 2 * half) {
            butterflies<N, Butterfly>(from_place(z, first), from_place(z, first + half), table, half);
        }
    }

    // Eight blocks of eight places, block b in column b: place t of it is at 8 t + b.
    template <class N>
    struct Tile {
        static constexpr size_t parts = N::extended ? 4 : 2;
        alignas(64) double part[parts][64];

        SplitRow row(size_t t) {
            return {part[0] + 8 * t, part[1] + 8 * t, N::extended ? part[parts - 2] + 8 * t : nullptr,
                    N::extended ? part[parts - 1] + 8 * t : nullptr};
        }
        // The stage of half-length 1, 2 or 4 in all blocks.
        template <class Butterfly>
        VX_INLINE void stage(const SplitRow& table, size_t half) {
            for (size_t t = 0; t < 8; ++t) {
                if (t & half) continue;
                const size_t w = half + t % half;
                double twiddle[4][8];
                for (size_t b = 0; b < 8; ++b) {
                    twiddle[0][b] = table.re[w];
                    twiddle[1][b] = table.im[w];
                    twiddle[2][b] = N::extended ? table.re_low[w] : 0;
                    twiddle[3][b] = N::extended ? table.im_low[w] : 0;
                }
                butterflies<N, Butterfly>(row(t), row(t + half), {twiddle[0], twiddle[1], twiddle[2], twiddle[3]}, 8);
            }
        }
        void transpose() {
            for (double* tile : part) {
                if constexpr (L::kLanes == 8) {
                    typename L::V v[8];
                    for (size_t t = 0; t < 8; ++t) v[t] = L::load(reinterpret_cast<const u64*>(tile + 8 * t));
                    L::transpose(v);
                    for (size_t t = 0; t < 8; ++t) L::store(reinterpret_cast<u64*>(tile + 8 * t), v[t]);
                } else {
                    for (size_t t = 0; t < 8; ++t) {
                        for (size_t b = 0; b < t; ++b) {
                            const double x = tile[8 * t + b];
                            tile[8 * t + b] = tile[8 * b + t];
                            tile[8 * b + t] = x;
                        }
                    }
                }
            }
        }
    };
    static void separate(double* __restrict re, double* __restrict im, const double* __restrict from, size_t n) {
        for (size_t i = 0; i < n; ++i) {
            re[i] = from[2 * i];
            im[i] = from[2 * i + 1];
        }
    }
    static void combine(double* __restrict to, const double* __restrict re, const double* __restrict im, size_t n, double scale) {
        for (size_t i = 0; i < n; ++i) {
            to[2 * i] = re[i] * scale;
            to[2 * i + 1] = im[i] * scale;
        }
    }
    // f(c, blocks): the places c .. c + 7 of each eighth of n have, bits reversed, the numbers of eight blocks of eight places,
    // and the eighths those of the places in a block.
    template <class F>
    static void each_eight_blocks(size_t n, F f) {
        const size_t blocks = n / 8;
        size_t reversed = 0, places[8];
        for (size_t i = 0; i < blocks; ++i) {
            places[i % 8] = 8 * reversed;
            reversed ^= blocks - (blocks >> (__builtin_ctzll(~u64{i}) + 1));
            if (i % 8 == 7) f(i - 7, places);
        }
    }
    static constexpr size_t kEighth[8] = {0, 4, 2, 6, 1, 5, 3, 7};

    template <class N>
    static void first(const SplitRow& z, const double* from, const SplitRow& table, size_t n) {
        double* const parts[4] = {z.re, z.im, z.re_low, z.im_low};
        each_eight_blocks(n, [&](size_t c, const size_t* places) {
            Tile<N> tile;
            for (size_t t = 0; t < 8; ++t) {
                for (size_t k = 0; k < tile.parts; k += 2) {
                    separate(tile.part[k] + 8 * t, tile.part[k + 1] + 8 * t, from + k * n + 2 * (kEighth[t] * (n / 8) + c), 8);
                }
            }
            for (size_t half = 1; half < 8; half *= 2) tile.template stage<Forward>(table, half);
            tile.transpose();
            for (size_t k = 0; k < tile.parts; ++k) {
                for (size_t b = 0; b < 8; ++b) __builtin_memcpy(parts[k] + places[b], tile.part[k] + 8 * b, 8 * sizeof(double));
            }
        });
    }
    template <class N>
    static void last(double* to, const SplitRow& z, const SplitRow& table, size_t n, double scale) {
        const double* const parts[4] = {z.re, z.im, z.re_low, z.im_low};
        each_eight_blocks(n, [&](size_t c, const size_t* places) {
            Tile<N> tile;
            for (size_t k = 0; k < tile.parts; ++k) {
                for (size_t b = 0; b < 8; ++b) __builtin_memcpy(tile.part[k] + 8 * b, parts[k] + places[b], 8 * sizeof(double));
            }
            tile.transpose();
            for (size_t half = 4; half > 0; half /= 2) tile.template stage<Backward>(table, half);
            for (size_t t = 0; t < 8; ++t) {
                for (size_t k = 0; k < tile.parts; k += 2) {
                    combine(to + k * n + 2 * (kEighth[t] * (n / 8) + c), tile.part[k] + 8 * t, tile.part[k + 1] + 8 * t, 8, scale);
                }
            }
        });
    }

public:
    static constexpr auto fft_stage = stage<One, Forward>, fft_stage_extended = stage<Dd, Forward>;
    static constexpr auto ifft_stage = stage<One, Backward>, ifft_stage_extended = stage<Dd, Backward>;

    static void fft_first(const SplitRow& z, const double* from, const SplitRow& table, size_t n) {
        z.re_low ? first<Dd>(z, from, table, n) : first<One>(z, from, table, n);
    }
    static void ifft_last(double* to, const SplitRow& z, const SplitRow& table, size_t n, double scale) {
        z.re_low ? last<Dd>(to, z, table, n, scale) : last<One>(to, z, table, n, scale);
    }
    static void part(const SplitRow& z, const double* from, size_t n) {
        separate(z.re, z.im, from, n);
        if (z.re_low) separate(z.re_low, z.im_low, from + 2 * n, n);
    }
    static void join(double* to, const SplitRow& z, size_t n) {
        combine(to, z.re, z.im, n, 1.0);
        if (z.re_low) combine(to + 2 * n, z.re_low, z.im_low, n, 1.0);
    }

    static bool round_small(u64* __restrict magnitude, u64* __restrict negative, const double* __restrict x,
                            const double* __restrict x_low, double scale_high, double scale_low, size_t n) {
        constexpr double kLimit = 4611686018427387904.0;  // 2^62
        u64 large = 0;
        for (size_t j = 0; j < n; ++j) {
            const double p = x[j] * scale_high;
            double e = __builtin_fma(x[j], scale_high, -p);
            e += x[j] * scale_low + (x_low ? x_low[j] : 0.0) * scale_high;
            const double s = p + e;
            e = e - (s - p);
            const double whole = __builtin_nearbyint(s), rest = __builtin_nearbyint((s - whole) + e);
            const bool small = __builtin_fabs(whole) < kLimit;
            large |= small ? 0 : 1;
            const long long value = static_cast<long long>(small ? whole : 0.0) + static_cast<long long>(small ? rest : 0.0);
            const u64 sign = static_cast<u64>(value >> 63);
            negative[j] = sign;
            magnitude[j] = (static_cast<u64>(value) ^ sign) - sign;
        }
        return large == 0;
    }
};

}  // namespace VX_ISA
}  // namespace vx
