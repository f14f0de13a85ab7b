// Every inner loop on one element at a time: what runs where there are no vectors for it. `Core` supplies the limbs.
#pragma once
#include "core.hpp"
#include "field_ops.hpp"
#include "vortex/pairing.hpp"
#include "wide_sum.hpp"

namespace vx {
inline namespace VX_ISA {

template <class F>
struct ScalarVectors {
    static const F* in(const u64* a) { return reinterpret_cast<const F*>(a); }
    static F* to(u64* a) { return reinterpret_cast<F*>(a); }

    static void add(const u64* a, const u64* b, u64* out, size_t n) {
        for (size_t i = 0; i < n; ++i) to(out)[i] = in(a)[i] + in(b)[i];
    }
    static void sub(const u64* a, const u64* b, u64* out, size_t n) {
        for (size_t i = 0; i < n; ++i) to(out)[i] = in(a)[i] - in(b)[i];
    }
    static void mul(const u64* a, const u64* b, u64* out, size_t n) {
        if (n) F::products(to(out), in(a), in(b), n, true);
    }
    static void mul_add(const u64* a, const u64* b, const u64* c, u64* out, size_t n) {
        for (size_t i = 0; i < n; ++i) to(out)[i] = in(a)[i] * in(b)[i] + in(c)[i];
    }
    static void scale(const u64* a, const u64* s, u64* out, size_t n) {
        if (n) F::products(to(out), in(a), in(s), n, false);
    }
    static void inner_product(const u64* a, const u64* b, u64* out, size_t n) {
        F sum = F::zero();
        for (size_t i = 0; i < n; ++i) sum = sum + in(a)[i] * in(b)[i];
        *to(out) = sum;
    }
    static void powers(const u64* base, const u64* first, u64* out, size_t n) {
        const F factor = *in(base);
        F value = *in(first);
        for (size_t i = 0; i < n; ++i, value = value * factor) to(out)[i] = value;
    }
    static void power(const u64* base, u64 exponent, u64* out) { *to(out) = in(base)->pow(&exponent, 1); }
    // Montgomery's trick (1987), the products kept in `out`.
    static void inverse(const u64* a, u64* out, size_t n) {
        F product = F::one();
        for (size_t i = 0; i < n; ++i) {
            to(out)[i] = product;
            if (!in(a)[i].is_zero()) product = product * in(a)[i];
        }
        product = product.inverse();
        for (size_t i = n; i-- > 0;) {
            const F value = in(a)[i];
            to(out)[i] = value.is_zero() ? F::zero() : to(out)[i] * product;
            if (!value.is_zero()) product = product * value;
        }
    }
    static void to_montgomery(const u64* plain, u64* out, size_t n) {
        for (size_t i = 0; i < n; ++i) to(out)[i] = F::from_plain(plain + 4 * i);
    }
    static void from_montgomery(const u64* a, u64* out, size_t n) {
        const F one{{1, 0, 0, 0}};
        if (n) F::products(to(out), in(a), &one, n, false);
    }
    static void from_int64(const int64_t* values, u64* out, size_t n) {
        for (size_t i = 0; i < n; ++i) {
            const u64 magnitude = values[i] < 0 ? 0 - (u64)values[i] : (u64)values[i];
            const F value = F{{magnitude, 0, 0, 0}} * F::template constant<F::Modulus::r2>();
            to(out)[i] = values[i] < 0 ? -value : value;
        }
    }
    // Most coefficients of a constraint system are one, and a sum is a tenth of a product.
    static void csr(const int64_t* indptr, const int64_t* indices, const u64* values, const u64* x, u64* out, size_t rows) {
        const F one = F::one();
        for (size_t i = 0; i < rows; ++i) {
            F sum = F::zero();
            for (int64_t k = indptr[i]; k < indptr[i + 1]; ++k) {
                const F value = in(values)[k], entry = in(x)[indices[k]];
                sum = sum + (value == one ? entry : value * entry);
            }
            to(out)[i] = sum;
        }
    }
    static void csr_int64(const int64_t* indptr, const int64_t* indices, const int64_t* values, const u64* x, u64* out, size_t rows) {
        for (size_t i = 0; i < rows; ++i) {
            const int64_t from = indptr[i], until = indptr[i + 1];
            u64 bits = 0;
            bool units = true;
            for (int64_t k = from; k < until; ++k) {
                bits |= (u64)(values[k] ^ values[k] >> 63);
                units &= (u64)values[k] + 1 <= 2;
            }
            if (units) {
                F sum = F::zero();
                for (int64_t k = from; k < until; ++k) {
                    if (values[k] > 0) sum = sum + in(x)[indices[k]];
                    if (values[k] < 0) sum = sum - in(x)[indices[k]];
                }
                to(out)[i] = sum;
                continue;
            }
            ScaledSum<F> sum;
            if (bits >> 31 == 0 && (until - from) >> 31 == 0) {
                for (int64_t k = from; k < until; ++k) sum.add_small(values[k], in(x)[indices[k]]);
                sum.widen();
            } else {
                for (int64_t k = from; k < until; ++k) sum.add(values[k], in(x)[indices[k]]);
            }
            to(out)[i] = sum.value();
        }
    }
    static void canonical(const u64* limbs, uint8_t* below, size_t n) {
        for (size_t i = 0; i < n; ++i) below[i] = F::canonical(limbs + 4 * i);
    }

    static constexpr VectorOps ops() {
        return {add, sub, mul, mul_add, scale, inner_product, powers, power, inverse,
                to_montgomery, from_montgomery, from_int64, csr, csr_int64, canonical};
    }
};

// A square root in Fq, p = 3 mod 4, or false.
template <class F>
inline bool square_root(const F& a, F& root) {
    u64 e[4];  // (p+1)/4, from (p-1)/2 = 2e - 1
    for (int i = 0; i < 4; ++i) e[i] = bn254::minus_half_of_p(i);
    ++e[0];
    for (int i = 0; i < 4; ++i) e[i] = e[i] >> 1 | (i < 3 ? e[i + 1] << 63 : 0);
    root = a.pow(e, 4);
    return root.square() == a;
}
// In Fq2 by the norm: (x + yu)^2 = a has x^2 = (a0 ± sqrt(N(a)))/2 and y = a1/2x.
template <class F>
inline bool square_root(const Fp2<F>& a, Fp2<F>& root) {
    const F half = F::template constant<bn254::half>();
    F n, x;
    if (!square_root(a.norm(), n)) return false;
    if (a.c1.is_zero()) {
        if (square_root(a.c0, x)) {
            root = {x, F::zero()};
        } else {
            square_root(-a.c0, x);
            root = {F::zero(), x};
        }
        return true;
    }
    if (!square_root((a.c0 + n) * half, x) && !square_root((a.c0 - n) * half, x)) return false;
    root = {x, a.c1 * half * x.inverse()};
    return root.square() == a;
}
// Whether the plain integer is above (p-1)/2.
template <class F>
inline bool is_larger(const F& y) {
    const F plain = y.plain();
    u64 borrow = 0;
    for (int i = 0; i < 4; ++i) sub_borrow(bn254::minus_half_of_p(i), plain.v[i], borrow);
    return borrow != 0;
}
template <class F>
inline bool is_larger(const Fp2<F>& y) {
    return is_larger(y.c1.is_zero() ? y.c0 : y.c1);
}

template <class F>
inline F curve_b(const F*) {
    return F::template constant<bn254::b1>();
}
template <class F>
inline Fp2<F> curve_b(const Fp2<F>*) {
    return Fp2<F>::template constant<bn254::b2>();
}
// E has prime order: every point of it is in G1.
template <class F>
inline bool in_group(const Affine<F>&) {
    return true;
}
template <class F>
inline bool in_group(const Affine<Fp2<F>>& a) {
    return in_g2(a);
}

// An element of Fq or Fq2 is inverted by way of its norm to Fq.
template <class M, class Core>
inline const Fp<M, Core>& norm_of(const Fp<M, Core>& a) {
    return a;
}
template <class F>
inline F norm_of(const Fp2<F>& a) {
    return a.norm();
}
template <class M, class Core>
inline const Fp<M, Core>& inverse_by_norm(const Fp<M, Core>&, const Fp<M, Core>& of_norm) {
    return of_norm;
}
template <class F>
inline Fp2<F> inverse_by_norm(const Fp2<F>& a, const F& of_norm) {
    return a.conjugate() * of_norm;
}
// -a for a mask of ones, a for zero, without a branch, which would be mispredicted half of the time.
template <class M, class Core>
inline Fp<M, Core> negated_by(u64 mask, const Fp<M, Core>& a) {
    Fp<M, Core> out = -a;
    for (int i = 0; i < 4; ++i) out.v[i] = a.v[i] ^ ((a.v[i] ^ out.v[i]) & mask);
    return out;
}
template <class F>
inline Fp2<F> negated_by(u64 mask, const Fp2<F>& a) {
    return {negated_by(mask, a.c0), negated_by(mask, a.c1)};
}

template <class F, class Base>
struct ScalarGroup {
    using A = Affine<F>;
    using J = Jacobian<F>;
    static constexpr size_t words = sizeof(A) / 8, tile = 8192 / words;

    static const A* in(const u64* a) { return reinterpret_cast<const A*>(a); }
    static A* to(u64* a) { return reinterpret_cast<A*>(a); }

    // One addition of a batch to the point numbered `chain`: the slope is num/den, sum_x the sum of both abscissas.
    struct Step {
        F num, den, sum_x;
        Base norm, prefix;  // of den; the product of the norms before
        u32 chain;
    };
    // Products of norms run side by side, since one alone waits for its own results.
    static constexpr size_t abreast = 4;
    struct Scratch {
        Step steps[tile];
        Base products[abreast];
    };

    static void copy(const u64* points, u64* out, size_t n) {
        for (size_t i = 0; i < words * n; ++i) out[i] = points[i];
    }
    static void begin(Scratch& s) {
        for (Base& product : s.products) product = Base::one();
    }
    // Puts down step i.
    static void put(Scratch& s, size_t i, u32 chain, const F& num, const F& den, const F& sum_x) {
        Step& step = s.steps[i];
        Base& product = s.products[i % abreast];
        step.num = num;
        step.den = den;
        step.sum_x = sum_x;
        step.norm = norm_of(den);
        step.prefix = product;
        step.chain = chain;
        product = product * step.norm;
    }
    // Puts down a + b as step n, or does it where there is nothing to divide by.
    static void plan(Scratch& s, size_t& n, u32 chain, A& a, const A& b) {
        if (b.is_infinity()) return;
        if (a.is_infinity()) {
            a = b;
            return;
        }
        if (a.x == b.x) {
            if (a.y != b.y) {
                a = A::infinity();
                return;
            }
            const F xx = a.x.square();
            put(s, n++, chain, xx + xx + xx, a.y + a.y, a.x + a.x);
            return;
        }
        put(s, n++, chain, b.y - a.y, b.x - a.x, a.x + b.x);
    }
    // All planned additions with one inversion; false, and nothing done, if there is a zero to divide by.
    static bool run(Scratch& s, size_t n, A* sums) {
        Base before[abreast], product = Base::one();
        for (size_t k = 0; k < abreast; ++k) {
            before[k] = product;
            product = product * s.products[k];
        }
        if (product.is_zero()) return false;
        product = product.inverse();
        for (size_t k = abreast; k-- > 0;) {
            const Base next = product * s.products[k];
            s.products[k] = product * before[k];
            product = next;
        }
        for (size_t i = n; i-- > 0;) {
            const Step& step = s.steps[i];
            Base& inverse = s.products[i % abreast];
            const F slope = step.num * inverse_by_norm(step.den, inverse * step.prefix);
            inverse = inverse * step.norm;
            A& a = sums[step.chain];
            const F x3 = slope.square() - step.sum_x;
            a = {x3, slope * (a.x - x3) - a.y};
        }
        return true;
    }
    static A item(const Chains& c, u32 at) {
        const u32 item = c.items[at];
        const A& point = in(c.points)[item >> 1];
        return {point.x, negated_by(0 - (u64)(item & 1), point.y)};
    }
    // Inlined by force: GCC takes calls of a function that does nothing but prefetch for useless.
    static VX_INLINE void prefetch(const Chains& c, size_t i, u32 at) {
        if (i >= c.count || c.length[i] <= at) return;
        const char* point = reinterpret_cast<const char*>(in(c.points) + (c.items[c.start[i] + at] >> 1));
        for (size_t line = 0; line < sizeof(A); line += 64) __builtin_prefetch(point + line);
    }
    // Adds the item number `at` of every chain that has one. Exceptional cases show as a zero in the product of all
    // denominators; from then on this tile looks at every point.
    static void accumulate(const Chains& c, void* scratch) {
        Scratch& s = *static_cast<Scratch*>(scratch);
        A* sums = to(c.out);
        bool careful = false;
        for (size_t i = 0; i < c.count; ++i) {
            prefetch(c, i + 8, 0);
            sums[i] = c.length[i] ? item(c, c.start[i]) : A::infinity();
        }
        for (u32 at = 1; c.count && at < c.length[0]; ++at) {
            if (!careful) careful = !add_finite(c, s, at);
            if (!careful) continue;
            size_t n = 0;
            begin(s);
            for (u32 i = 0; i < c.count && c.length[i] > at; ++i) plan(s, n, i, sums[i], item(c, c.start[i] + at));
            run(s, n, sums);
        }
    }
    // False, and nothing done, if an addition is exceptional. No sum is infinity.
    static bool add_finite(const Chains& c, Scratch& s, u32 at) {
        A* sums = to(c.out);
        u32 n = 0;
        begin(s);
        for (; n < c.count && c.length[n] > at; ++n) {
            prefetch(c, n + 8, at);
            const A a = sums[n], b = item(c, c.start[n] + at);
            put(s, n, n, b.y - a.y, b.x - a.x, a.x + b.x);
        }
        return run(s, n, sums);
    }
    static void add(const u64* a, const u64* b, u64* out, size_t n, void* scratch) {
        Scratch& s = *static_cast<Scratch*>(scratch);
        for (size_t from = 0; from < n; from += tile) {
            const size_t count = n - from < tile ? n - from : tile;
            size_t planned = 0;
            A* sums = to(out) + from;
            begin(s);
            for (u32 i = 0; i < count; ++i) {
                const A other = in(b)[from + i];
                sums[i] = in(a)[from + i];
                plan(s, planned, i, sums[i], other);
            }
            run(s, planned, sums);
        }
    }
    static void combine(const u64* run, const u64* tot, size_t segments, size_t log_length, size_t windows, size_t c, u64* out) {
        J sum = J::infinity();
        for (size_t w = windows; w-- > 0;) {
            for (size_t i = 0; i < c; ++i) sum = sum.twice();
            J running = J::infinity(), weighted = J::infinity();
            for (size_t s = segments; s-- > 1;) {
                running = running.plus(in(run)[w * segments + s]);
                weighted = weighted.plus(running);
            }
            for (size_t i = 0; i < log_length; ++i) weighted = weighted.twice();
            for (size_t s = 0; s < segments; ++s) weighted = weighted.plus(in(tot)[w * segments + s]);
            sum = sum.plus(weighted);
        }
        *to(out) = sum.affine();
    }
    // n points to affine with one inversion; `products` holds n elements.
    static void normalise(const J* points, F* products, A* out, size_t n) {
        F product = F::one();
        for (size_t i = 0; i < n; ++i) {
            products[i] = product;
            if (!points[i].is_infinity()) product = product * points[i].z;
        }
        product = product.inverse();
        for (size_t i = n; i-- > 0;) {
            out[i] = points[i].affine(product * products[i]);
            if (!points[i].is_infinity()) product = product * points[i].z;
        }
    }
    static void table(const u64* base, size_t c, size_t w0, size_t w1, u64* out) {
        constexpr size_t block = 64;
        J points[block];
        F products[block];
        J start = J::from(*in(base));
        const size_t half = (size_t)1 << (c - 1);
        for (size_t i = 0; i < c * w0; ++i) start = start.twice();
        for (size_t w = w0; w < w1; ++w) {
            const A step = start.affine();
            J value = J::infinity();
            for (size_t from = 0; from < half; from += block) {
                const size_t count = half - from < block ? half - from : block;
                for (size_t i = 0; i < count; ++i) points[i] = value = value.plus(step);
                normalise(points, products, to(out) + (w - w0) * half + from, count);
            }
            for (size_t i = 0; i < c; ++i) start = start.twice();
        }
    }
    static void multiply(const u64* points, const u64* plain_scalars, u64* out, size_t n) {
        constexpr size_t block = 64;
        J results[block];
        F products[block];
        for (size_t from = 0; from < n; from += block) {
            const size_t count = n - from < block ? n - from : block;
            for (size_t i = 0; i < count; ++i) {
                results[i] = vx::multiply(J::from(in(points)[from + i]), plain_scalars + 4 * (from + i), 4);
            }
            normalise(results, products, to(out) + from, count);
        }
    }
    static void valid(const u64* points, uint8_t* out, size_t n) {
        for (size_t i = 0; i < n; ++i) {
            bool reduced = true;
            for (size_t j = 0; j < words; j += 4) reduced &= Base::canonical(points + words * i + j);
            const A& point = in(points)[i];
            out[i] = reduced && point.on_curve(curve_b((F*)nullptr)) && in_group(point);
        }
    }
    static void lift_x(const u64* x, const uint8_t* larger, u64* out, uint8_t* found, size_t n) {
        for (size_t i = 0; i < n; ++i) {
            const F abscissa = reinterpret_cast<const F*>(x)[i];
            F y;
            found[i] = square_root(abscissa.square() * abscissa + curve_b((F*)nullptr), y);
            if (found[i] && is_larger(y) != (larger[i] != 0)) y = -y;
            to(out)[i] = found[i] ? A{abscissa, y} : A::infinity();
        }
    }
    static void negate(const u64* points, u64* out, size_t n) {
        for (size_t i = 0; i < n; ++i) to(out)[i] = -in(points)[i];
    }

    static constexpr GroupOps ops() {
        return {words, tile, sizeof(Scratch), copy, copy, accumulate, add, combine, table, multiply, valid, lift_x, negate};
    }
};

template <class F>
struct ScalarNtt {
    static size_t reversed(size_t i, size_t bits) {
        size_t out = 0;
        for (size_t b = 0; b < bits; ++b) out |= (i >> b & 1) << (bits - 1 - b);
        return out;
    }
    // Decimation in time over `width` interleaved transforms, the input in bit-reversed order. Values are lazy, in [0, 4p)
    // (Harvey, "Faster arithmetic for number-theoretic transforms", 2014).
    static void butterflies(F* a, size_t log_n, size_t width, const F* roots) {
        const size_t n = (size_t)1 << log_n;
        for (size_t half = 1; half < n; half *= 2) {
            for (size_t block = 0; block < n; block += 2 * half) {
                for (size_t i = 0; i < half; ++i) {
                    const F& w = roots[i * (n / 2 / half)];
                    F* x = a + (block + i) * width;
                    F* y = x + half * width;
                    for (size_t k = 0; k < width; ++k) {
                        const F s = x[k].template folded<2>(), t = i ? F::lazy_product(y[k], w) : y[k].template folded<2>();
                        x[k] = F::lazy_sum(s, t);
                        y[k] = F::lazy_difference(s, t);
                    }
                }
            }
        }
    }
    static F reduced(const F& a) { return a.template folded<2>().template folded<1>(); }
    static void small(u64* values, size_t log_n, const u64* roots) {
        F* a = reinterpret_cast<F*>(values);
        for (size_t i = 0; i < (size_t)1 << log_n; ++i) {
            const size_t j = reversed(i, log_n);
            if (i < j) {
                const F t = a[i];
                a[i] = a[j];
                a[j] = t;
            }
        }
        butterflies(a, log_n, 1, reinterpret_cast<const F*>(roots));
        for (size_t i = 0; i < (size_t)1 << log_n; ++i) a[i] = reduced(a[i]);
    }
    static constexpr size_t width = 8;
    static void columns(const u64* in, u64* middle, size_t log_n1, size_t log_n2, size_t begin, size_t end, const u64* roots,
                        const u64* shift, const u64* first, const u64* step, void* scratch) {
        const size_t n1 = (size_t)1 << log_n1, n2 = (size_t)1 << log_n2;
        F* a = static_cast<F*>(scratch);
        const F *source = reinterpret_cast<const F*>(in), *shifts = reinterpret_cast<const F*>(shift);
        for (size_t j2 = begin; j2 < end; j2 += width) {
            for (size_t j1 = 0; j1 < n1; ++j1) {
                F* row = a + reversed(j1, log_n1) * width;
                for (size_t k = 0; k < width; ++k) {
                    const F value = source[j1 * n2 + j2 + k];
                    row[k] = shift ? F::lazy_product(value, shifts[j1]) : value;
                }
            }
            butterflies(a, log_n1, width, reinterpret_cast<const F*>(roots));
            F twiddle[width];
            for (size_t k = 0; k < width; ++k) twiddle[k] = reinterpret_cast<const F*>(first)[j2 + k];
            for (size_t k1 = 0; k1 < n1; ++k1) {
                for (size_t k = 0; k < width; ++k) {
                    reinterpret_cast<F*>(middle)[k1 * n2 + j2 + k] = F::lazy_product(a[k1 * width + k], twiddle[k]);
                    twiddle[k] = twiddle[k] * reinterpret_cast<const F*>(step)[j2 + k];
                }
            }
        }
    }
    static void rows(const u64* middle, u64* out, size_t log_n1, size_t log_n2, size_t begin, size_t end, const u64* roots,
                     const u64* scale, void* scratch) {
        const size_t n1 = (size_t)1 << log_n1, n2 = (size_t)1 << log_n2;
        F* a = static_cast<F*>(scratch);
        const F *source = reinterpret_cast<const F*>(middle), *scales = reinterpret_cast<const F*>(scale);
        for (size_t k1 = begin; k1 < end; k1 += width) {
            for (size_t j2 = 0; j2 < n2; ++j2) {
                F* row = a + reversed(j2, log_n2) * width;
                for (size_t k = 0; k < width; ++k) row[k] = source[(k1 + k) * n2 + j2];
            }
            butterflies(a, log_n2, width, reinterpret_cast<const F*>(roots));
            for (size_t k2 = 0; k2 < n2; ++k2) {
                F* target = reinterpret_cast<F*>(out) + k2 * n1 + k1;
                for (size_t k = 0; k < width; ++k) target[k] = scale ? a[k2 * width + k] * scales[k2] : reduced(a[k2 * width + k]);
            }
        }
    }
    static constexpr NttOps ops() { return {width * sizeof(F), small, columns, rows}; }
};

template <class F>
struct ScalarPairing {
    static void lines(const u64* q, u64* out, size_t n) {
        const auto* points = reinterpret_cast<const Affine<Fp2<F>>*>(q);
        for (size_t i = 0; i < n; ++i) lines_of(points[i], reinterpret_cast<Line<F>*>(out) + i * bn254::miller_lines);
    }
    static void miller(const u64* p, const u64* const* lines, size_t pairs, u64* out) {
        LinePoint<F> points[pairs_together];
        const Line<F>* rows[pairs_together];
        line_points(reinterpret_cast<const Affine<F>*>(p), points, (int)pairs);
        for (size_t i = 0; i < pairs; ++i) rows[i] = reinterpret_cast<const Line<F>*>(lines[i]);
        *reinterpret_cast<Fp12<F>*>(out) = miller_loop(points, rows, (int)pairs);
    }
    static void miller_of_points(const u64* p, const u64* q, size_t pairs, u64* out) {
        Affine<F> left[pairs_together];
        Affine<Fp2<F>> right[pairs_together];
        RunningPoint<F> running[pairs_together];
        int finite = 0;
        for (size_t i = 0; i < pairs; ++i) {
            const auto& a = reinterpret_cast<const Affine<F>*>(p)[i];
            const auto& b = reinterpret_cast<const Affine<Fp2<F>>*>(q)[i];
            if (a.is_infinity() || b.is_infinity()) continue;
            left[finite] = a;
            right[finite] = b;
            running[finite++] = {b.x, b.y, Fp2<F>::one()};
        }
        *reinterpret_cast<Fp12<F>*>(out) = miller_loop(left, right, running, finite);
    }
    static void multiply(u64* f12, const u64* other) {
        auto& f = *reinterpret_cast<Fp12<F>*>(f12);
        f = f * *reinterpret_cast<const Fp12<F>*>(other);
    }
    static void final(const u64* f12, u64* out) {
        const auto& f = *reinterpret_cast<const Fp12<F>*>(f12);
        *reinterpret_cast<Fp12<F>*>(out) = final_exponentiation(f.conjugate() * f.inverse());
    }
    static constexpr PairingOps ops() { return {lines, miller, miller_of_points, multiply, final}; }
};

template <class Core>
constexpr FieldOps scalar_ops(const char* isa) {
    using Fr = Fp<bn254::FrModulus, Core>;
    using Fq = Fp<bn254::FqModulus, Core>;
    return {isa,
            ScalarVectors<Fr>::ops(),
            ScalarVectors<Fq>::ops(),
            ScalarGroup<Fq, Fq>::ops(),
            ScalarGroup<Fp2<Fq>, Fq>::ops(),
            ScalarNtt<Fr>::ops(),
            ScalarPairing<Fq>::ops()};
}

}  // namespace VX_ISA
}  // namespace vx
