// The transform's tiles with eight columns, or rows, in the lanes.
//
// Decimation in time with lazy values: a butterfly is x ± wy, the product below 2p, so a value grows by 2p a stage and
// never needs reducing within a tile: from 2p through at most 14 stages to 30p, and 30p times a root below p is a product
// the multiplication accepts. Values stay as they came (R = 2^256), roots have R = 2^260.
#pragma once
#include "vectors_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

template <class F>
struct LaneNtt {
    using M = typename F::Modulus;
    using Scalar = ScalarNtt<F>;
    using Value = Lanes<M, 30>;
    struct Root {
        u64 v[5];
    };
    static constexpr size_t max_log = 14;

    template <int B>
    static VX_INLINE Value as_value(const Lanes<M, B>& a) {
        static_assert(B <= 32);
        return {{a.v[0], a.v[1], a.v[2], a.v[3], a.v[4]}};
    }
    static VX_INLINE Lanes<M, 1> everywhere(const Root& r) {
        Lanes<M, 1> out;
        for (int i = 0; i < 5; ++i) out.v[i] = broadcast(r.v[i]);
        return out;
    }
    // Elements with R = 2^256 to roots with R = 2^260, limbs of 52 bits.
    static void convert(const u64* in, Root* out, size_t n) {
        F factor = F{{16, 0, 0, 0}} * F::template constant<M::r2>();
        for (size_t i = 0; i < n; ++i) {
            const F a = reinterpret_cast<const F*>(in)[i] * factor;
            out[i] = {{a.v[0] & mask52, (a.v[0] >> 52 | a.v[1] << 12) & mask52, (a.v[1] >> 40 | a.v[2] << 24) & mask52,
                       (a.v[2] >> 28 | a.v[3] << 36) & mask52, a.v[3] >> 16}};
        }
    }
    // x + wy, x - wy + 2p.
    static VX_INLINE void butterfly(Value& x, Value& y, const Lanes<M, 1>& w) {
        const Lanes<M, 2> t = y * w;
        y = as_value(tight(x - t));
        x = as_value(tight(x + t));
    }
    // Without a root: y is reduced first, to stay within the growth of the others.
    static VX_INLINE void plain_butterfly(Value& x, Value& y) {
        const Lanes<M, 2> t = fit(y);
        y = as_value(tight(x - t));
        x = as_value(tight(x + t));
    }
    // Two stages in one pass over four values `half` apart.
    static VX_INLINE void two_stages(Value* a, size_t half, const Root* first, const Root* even, const Root* odd) {
        Value x0 = a[0], x1 = a[half], x2 = a[2 * half], x3 = a[3 * half];
        if (first) {
            const Lanes<M, 1> w = everywhere(*first);
            butterfly(x0, x1, w);
            butterfly(x2, x3, w);
            butterfly(x0, x2, everywhere(*even));
        } else {
            plain_butterfly(x0, x1);
            plain_butterfly(x2, x3);
            plain_butterfly(x0, x2);
        }
        butterfly(x1, x3, everywhere(*odd));
        a[0] = x0;
        a[half] = x1;
        a[2 * half] = x2;
        a[3 * half] = x3;
    }
    // In bit-reversed order in, natural order out.
    static void transform(Value* a, size_t log_n, const Root* roots) {
        const size_t n = (size_t)1 << log_n;
        size_t half = 1;
        if (log_n % 2) {
            for (size_t i = 0; i < n; i += 2) plain_butterfly(a[i], a[i + 1]);
            half = 2;
        }
        for (; half < n; half *= 4) {
            const size_t stride = n / 2 / half;  // of this stage's roots; half of it in the next
            for (size_t block = 0; block < n; block += 4 * half) {
                two_stages(a + block, half, nullptr, nullptr, roots + n / 4);
                for (size_t i = 1; i < half; ++i) {
                    two_stages(a + block + i, half, roots + i * stride, roots + i * stride / 2,
                               roots + (i + half) * stride / 2);
                }
            }
        }
    }

    struct Scratch {
        Value* tile;
        Root* roots;
        Root* factors;
    };
    static Scratch cut(void* scratch, size_t n) {
        Value* tile = static_cast<Value*>(scratch);
        Root* roots = reinterpret_cast<Root*>(tile + n);
        return {tile, roots, roots + n / 2};
    }

    static void columns(const u64* in, u64* middle, size_t log_n1, size_t log_n2, size_t begin, size_t end, const u64* roots,
                        const u64* shift, const u64* first, const u64* step, void* scratch) {
        const size_t n1 = (size_t)1 << log_n1, n2 = (size_t)1 << log_n2;
        const Scratch s = cut(scratch, n1);
        convert(roots, s.roots, n1 / 2);
        if (shift) convert(shift, s.factors, n1);
        for (size_t j2 = begin; j2 < end; j2 += 8) {
            for (size_t j1 = 0; j1 < n1; ++j1) {
                const Lanes<M, 1> value = load<M>(in + 4 * (j1 * n2 + j2));
                s.tile[Scalar::reversed(j1, log_n1)] =
                    shift ? as_value(value * everywhere(s.factors[j1])) : as_value(value);
            }
            transform(s.tile, log_n1, s.roots);
            twiddle(s.tile, middle + 4 * j2, n1, n2, first + 4 * j2, step + 4 * j2);
        }
    }
    // Value k1 of each column times first·step^k1, in four chains of powers, to memory as numbers below 2p.
    static void twiddle(const Value* tile, u64* out, size_t n1, size_t n2, const u64* first, const u64* step) {
        constexpr size_t chains = 4;
        const Lanes<M, 1> up = Lanes<M, 1>::template two_to_the<264>();
        const Lanes<M, 2> ratio = load<M>(step) * up, ratio2 = ratio * ratio, ratio4 = ratio2 * ratio2;
        Lanes<M, 2> power[chains];
        power[0] = load<M>(first) * up;
        for (size_t c = 1; c < chains; ++c) power[c] = power[c - 1] * ratio;
        for (size_t k1 = 0; k1 < n1; k1 += chains) {
            for (size_t c = 0; c < chains; ++c) {
                const Lanes<M, 2> value = tile[k1 + c] * power[c];
                Vec limbs[4];
                join(value.v, limbs);
                interleave(limbs, out + 4 * (k1 + c) * n2);
                power[c] = power[c] * ratio4;
            }
        }
    }
    static void rows(const u64* middle, u64* out, size_t log_n1, size_t log_n2, size_t begin, size_t end, const u64* roots,
                     const u64* scale, void* scratch) {
        const size_t n1 = (size_t)1 << log_n1, n2 = (size_t)1 << log_n2;
        const Scratch s = cut(scratch, n2);
        convert(roots, s.roots, n2 / 2);
        if (scale) convert(scale, s.factors, n2);
        for (size_t k1 = begin; k1 < end; k1 += 8) {
            // Two elements of each row are a cache line's worth.
            for (size_t j2 = 0; j2 < n2; j2 += 2) {
                Vec limbs[8];
                for (size_t r = 0; r < 8; ++r) limbs[r] = _mm512_loadu_si512(middle + 4 * ((k1 + r) * n2 + j2));
                transpose(limbs);
                for (size_t e = 0; e < 2; ++e) {
                    Lanes<M, 2> value;
                    split<1>(limbs + 4 * e, value.v);
                    s.tile[Scalar::reversed(j2 + e, log_n2)] = as_value(value);
                }
            }
            transform(s.tile, log_n2, s.roots);
            for (size_t k2 = 0; k2 < n2; ++k2) {
                u64* target = out + 4 * (k2 * n1 + k1);
                if (scale) {
                    store(target, s.tile[k2] * everywhere(s.factors[k2]));
                } else {
                    store(target, fit(s.tile[k2]));
                }
            }
        }
    }

    static constexpr NttOps ops() {
        NttOps table = Scalar::ops();
        table.scratch_per_row = sizeof(Value) + 2 * sizeof(Root);
        table.columns = columns;
        table.rows = rows;
        return table;
    }
};

}  // namespace VX_ISA
}  // namespace vx
