// Vector kernels of one field, eight elements at a time; what is left over goes one by one.
#pragma once
#include "field_scalar.hpp"
#include "lanes_ifma.hpp"
#include "sparse_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

template <class F>
struct LaneVectors {
    using M = typename F::Modulus;
    using Scalar = ScalarVectors<F>;
    using Two = Lanes<M, 2>;

    static size_t whole(size_t n) { return n / 8 * 8; }
    static Lanes<M, 16> repeat(const u64* s) {
        alignas(64) u64 copies[32];
        for (int i = 0; i < 32; ++i) copies[i] = s[i % 4];
        return load<M, 16>(copies);
    }

    static void add(const u64* a, const u64* b, u64* out, size_t n) {
        const size_t m = whole(n);
        for (size_t i = 0; i < 4 * m; i += 32) store(out + i, load<M>(a + i) + load<M>(b + i));
        Scalar::add(a + 4 * m, b + 4 * m, out + 4 * m, n - m);
    }
    static void sub(const u64* a, const u64* b, u64* out, size_t n) {
        const size_t m = whole(n);
        for (size_t i = 0; i < 4 * m; i += 32) store(out + i, load<M>(a + i) - load<M>(b + i));
        Scalar::sub(a + 4 * m, b + 4 * m, out + 4 * m, n - m);
    }
    // Four comparisons from the highest limb down.
    static void canonical(const u64* limbs, u8* out, size_t n) {
        const size_t m = whole(n);
        for (size_t i = 0; i < m; i += 8) {
            Vec v[4];
            deinterleave(limbs + 4 * i, v);
            Mask8 below = 0;
            for (int j = 0; j < 4; ++j) {
                const Vec p = broadcast(M::p(j));
                below = (Mask8)(_mm512_cmplt_epu64_mask(v[j], p) | (_mm512_cmpeq_epi64_mask(v[j], p) & below));
            }
            _mm_storel_epi64((__m128i*)(out + i), _mm_maskz_set1_epi8(below, 1));
        }
        Scalar::canonical(limbs + 4 * m, out + m, n - m);
    }
    static void mul(const u64* a, const u64* b, u64* out, size_t n) {
        const size_t m = whole(n);
        size_t i = 0;
        for (; i + 64 <= 4 * m; i += 64) {
            const Raw<M, 16> left[2] = {load_raw<M, 16>(a + i), load_raw<M, 16>(a + i + 32)};
            const Raw<M, 1> right[2] = {load_raw<M>(b + i), load_raw<M>(b + i + 32)};
            Sum<M, 2> products[2];
            multiply_raw(left, right, products);
            store(out + i, products[0]);
            store(out + i + 32, products[1]);
        }
        for (; i < 4 * m; i += 32) store(out + i, load<M, 16>(a + i) * load<M>(b + i));
        Scalar::mul(a + 4 * m, b + 4 * m, out + 4 * m, n - m);
    }
    // m elements below Cp times one factor, in numbers; m is a multiple of eight.
    template <int C, int D>
    static void times(const u64* a, const Lanes<M, D>& factor, u64* out, size_t m) {
        const auto read = [&](size_t i) {
            const Raw<M, 1> raw = load_raw<M>(a + i);
            return Raw<M, C>{{raw.v[0], raw.v[1], raw.v[2], raw.v[3], raw.v[4]}};
        };
        const Raw<M, D> by = {{factor.v[0], factor.v[1], factor.v[2], factor.v[3], factor.v[4]}}, twice[2] = {by, by};
        size_t i = 0;
        for (; i + 64 <= 4 * m; i += 64) {
            const Raw<M, C> some[2] = {read(i), read(i + 32)};
            Sum<M, 2> products[2];
            multiply_raw(some, twice, products);
            store(out + i, products[0]);
            store(out + i + 32, products[1]);
        }
        if (i < 4 * m) {
            const Raw<M, C> some[2] = {read(i), read(i)};
            Sum<M, 2> products[2];
            multiply_raw(some, twice, products);
            store(out + i, products[0]);
        }
    }
    static void mul_add(const u64* a, const u64* b, const u64* c, u64* out, size_t n) {
        const size_t m = whole(n);
        size_t i = 0;
        for (; i + 64 <= 4 * m; i += 64) {
            const Raw<M, 16> left[2] = {load_raw<M, 16>(a + i), load_raw<M, 16>(a + i + 32)};
            const Raw<M, 1> right[2] = {load_raw<M>(b + i), load_raw<M>(b + i + 32)};
            Sum<M, 2> products[2];
            multiply_raw(left, right, products);
            store(out + i, products[0] + load<M>(c + i));
            store(out + i + 32, products[1] + load<M>(c + i + 32));
        }
        if (i < 4 * m) store(out + i, load<M, 16>(a + i) * load<M>(b + i) + load<M>(c + i));
        Scalar::mul_add(a + 4 * m, b + 4 * m, c + 4 * m, out + 4 * m, n - m);
    }
    static void scale(const u64* a, const u64* s, u64* out, size_t n) {
        const size_t m = whole(n);
        const Lanes<M, 16> factor = repeat(s);
        times<1>(a, factor, out, m);
        Scalar::scale(a + 4 * m, s, out + 4 * m, n - m);
    }
    static void inner_product(const u64* a, const u64* b, u64* out, size_t n) {
        const size_t m = whole(n);
        Two sum = Two::zero();
        for (size_t i = 0; i < 4 * m;) {
            Columns<M> columns;
            for (size_t j = 0; j < Columns<M>::most && i < 4 * m; ++j, i += 32) {
                columns.add_product(load_raw<M, 16>(a + i), load_raw<M>(b + i));
            }
            sum = fit(tight(sum + columns.template reduced<16>()));
        }
        u64 parts[32];
        store(parts, sum);
        Scalar::inner_product(a + 4 * m, b + 4 * m, out, n - m);
        for (int i = 0; i < 32; i += 4) Scalar::add(out, parts + i, out, 1);
    }
    static void powers(const u64* base, const u64* first, u64* out, size_t n) {
        constexpr size_t chains = 4, width = 8 * chains;
        Scalar::powers(base, first, out, n < width ? n : width);
        if (n < width) return;
        u64 step[4];
        Scalar::power(base, width, step);
        const Lanes<M, 16> factor = repeat(step);
        Two value[chains];
        for (size_t c = 0; c < chains; ++c) value[c] = load<M>(out + 32 * c);
        size_t i = width;
        for (; i + width <= n; i += width) {
            for (size_t c = 0; c < chains; c += 2) {
                Sum<M, 2> products[2];
                product_rows<M, 2, 1>({{factor.v}, {factor.v}}, {{value[c].v}, {value[c + 1].v}}, {products[0].v, products[1].v});
                for (size_t k = 0; k < 2; ++k) {
                    value[c + k] = tight(products[k]);
                    store(out + 4 * i + 32 * (c + k), products[k]);
                }
            }
        }
        for (; i < n; ++i) Scalar::mul(out + 4 * (i - width), step, out + 4 * i, 1);
    }
    // Sixteen products side by side, kept in `out` with R = 2^256 where the rest has R = 2^260; zeros count as one.
    static void inverse(const u64* a, u64* out, size_t n) {
        const size_t m = n / 16 * 16;
        Two product[2] = {Lanes<M, 1>::template two_to_the<256>(), Lanes<M, 1>::template two_to_the<256>()};
        for (size_t i = 0; i < 4 * m; i += 64) {
            const Lanes<M, 16> number[2] = {nonzero(a + i).number, nonzero(a + i + 32).number};
            Two next[2];
            products(number, product, next);
            for (size_t k = 0; k < 2; ++k) {
                store(out + i + 32 * k, product[k]);
                product[k] = next[k];
            }
        }
        const Lanes<M, 1> up = Lanes<M, 1>::template two_to_the<264>();
        for (auto& chain : product) {
            chain = chain * up;
            invert(chain);
        }
        for (size_t i = 4 * m; i > 0;) {
            i -= 64;
            const Nonzero element[2] = {nonzero(a + i), nonzero(a + i + 32)};
            const Lanes<M, 16> number[2] = {element[0].number, element[1].number};
            const Two before[2] = {load<M>(out + i), load<M>(out + i + 32)};
            Two value[2], next[2];
            products(before, product, value);
            products(number, product, next);
            for (size_t k = 0; k < 2; ++k) {
                product[k] = next[k];
                store(out + i + 32 * k, loosen(Two::select(element[k].zeros, Two::zero(), value[k])));
            }
        }
        Scalar::inverse(a + 4 * m, out + 4 * m, n - m);
    }
    struct Nonzero {
        Lanes<M, 16> number;
        Mask8 zeros;
    };
    // Eight elements with R = 2^260, zeros replaced by one.
    static VX_INLINE Nonzero nonzero(const u64* in) {
        Vec limbs[4];
        deinterleave(in, limbs);
        const Vec any = _mm512_or_si512(_mm512_or_si512(limbs[0], limbs[1]), _mm512_or_si512(limbs[2], limbs[3]));
        Nonzero out;
        out.zeros = _mm512_testn_epi64_mask(any, any);
        Lanes<M, 16> number;
        split<16>(limbs, number.v);
        out.number = Lanes<M, 16>::select(out.zeros, Lanes<M, 1>::template two_to_the<260>(), number);
        return out;
    }
    // 1/a lane by lane, R = 2^260 in and out, with one inversion. False, and a unchanged, if a lane is zero.
    static bool invert(Two& a) {
        alignas(64) u64 numbers[32];
        F prefix[8];
        store(numbers, a);
        F* x = reinterpret_cast<F*>(numbers);
        F product = F::one();
        for (int i = 0; i < 8; ++i) {
            prefix[i] = product;
            product = product * x[i];
        }
        if (product.is_zero()) return false;
        // With R = 2^256 the inverse of X is 2^512/X; wanted is 2^520/X.
        const F up = F{{256, 0, 0, 0}} * F::template constant<M::r2>();
        product = product.inverse() * up;
        for (int i = 7; i >= 0; --i) {
            const F value = product * prefix[i];
            product = product * x[i];
            x[i] = value;
        }
        a = load<M>(numbers);
        return true;
    }
    static void to_montgomery(const u64* plain, u64* out, size_t n) {
        const size_t m = whole(n);
        const Lanes<M, 1> factor = Lanes<M, 1>::template two_to_the<516>();
        times<6>(plain, factor, out, m);  // 2^256 < 6p
        Scalar::to_montgomery(plain + 4 * m, out + 4 * m, n - m);
    }
    static void from_montgomery(const u64* a, u64* out, size_t n) {
        const size_t m = whole(n);
        const Lanes<M, 1> factor = Lanes<M, 1>::template two_to_the<4>();
        times<6>(a, factor, out, m);  // reduced even if `a` is not
        Scalar::from_montgomery(a + 4 * m, out + 4 * m, n - m);
    }
    // Magnitudes have two limbs of 52 bits, so that two rows of a product do, and its R is 2^104.
    static void from_int64(const int64_t* values, u64* out, size_t n) {
        const size_t m = whole(n);
        const Lanes<M, 1> factor = Lanes<M, 1>::template two_to_the<360>();
        for (size_t i = 0; i < m; i += 8) {
            const Vec v = _mm512_loadu_si512(values + i), magnitude = _mm512_abs_epi64(v);
            const Vec limbs[2] = {magnitude, _mm512_srli_epi64(magnitude, 52)};
            Vec t[6];
            for (auto& limb : t) limb = _mm512_setzero_si512();
            for (const Vec& limb : limbs) {
                product_row(t, factor.v, limb);
                product_row_high(t, factor.v, limb);
                reduce_row<M>(t);
            }
            const Mask8 minus = _mm512_movepi64_mask(v);
            Sum<M, 2> sum;
            for (int k = 0; k < 5; ++k) sum.v[k] = _mm512_mask_sub_epi64(t[k], minus, broadcast(multiple_of_p<M>(2, k)), t[k]);
            store(out + 4 * i, sum);
        }
        Scalar::from_int64(values + m, out + 4 * m, n - m);
    }

    static constexpr VectorOps ops() {
        VectorOps table = Scalar::ops();
        table.add = add;
        table.sub = sub;
        table.mul = mul;
        table.mul_add = mul_add;
        table.scale = scale;
        table.inner_product = inner_product;
        table.powers = powers;
        table.inverse = inverse;
        table.to_montgomery = to_montgomery;
        table.from_montgomery = from_montgomery;
        table.from_int64 = from_int64;
        table.csr = LaneRows<F>::csr;
        table.csr_int64 = LaneRows<F>::csr_int64;
        table.canonical = canonical;
        return table;
    }
};

}  // namespace VX_ISA
}  // namespace vx
