// Vector kernels of one field, eight elements at a time; what is left over goes one by one.
#pragma once
#include "field_scalar.hpp"
#include "lanes_ifma.hpp"

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
        for (size_t i = 0; i < 4 * m; i += 32) {
            store(out + i, tight(load<M, 16>(a + i) * load<M>(b + i) + load<M>(c + i)));
        }
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
        const Lanes<M, 1> one = Lanes<M, 1>::template two_to_the<260>();
        Lanes<M, 34> sum = Lanes<M, 34>::zero();
        for (size_t i = 0; i < 4 * m;) {
            // Sixteen products below 2p each on what a product by one has brought below 2p.
            Sum<M, 34> part;
            const Two before = sum * one;
            for (int k = 0; k < 5; ++k) part.v[k] = before.v[k];
            for (int j = 0; j < 16 && i < 4 * m; ++j, i += 32) {
                const Two product = load<M, 16>(a + i) * load<M>(b + i);
                for (int k = 0; k < 5; ++k) part.v[k] = _mm512_add_epi64(part.v[k], product.v[k]);
            }
            sum = tight(part);
        }
        u64 parts[32];
        store(parts, sum * one);
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
            for (size_t c = 0; c < chains; ++c) {
                value[c] = value[c] * factor;
                store(out + 4 * i + 32 * c, value[c]);
            }
        }
        for (; i < n; ++i) Scalar::mul(out + 4 * (i - width), step, out + 4 * i, 1);
    }
    // Eight products side by side, kept in `out`; lanes of zeros count as one.
    static void inverse(const u64* a, u64* out, size_t n) {
        const size_t m = whole(n);
        const Lanes<M, 1> one = Lanes<M, 1>::template two_to_the<260>(), down = Lanes<M, 1>::template two_to_the<256>();
        Two product = one;
        for (size_t i = 0; i < 4 * m; i += 32) {
            store(out + i, product);
            product = product * nonzero(load<M, 1>(a + i));
        }
        invert(product);
        for (size_t i = 4 * m; i > 0;) {
            i -= 32;
            const Lanes<M, 1> number = load<M, 1>(a + i);
            const Mask8 zeros = is_zero(number);
            const Two value = product * load<M>(out + i) * down;
            product = product * nonzero(number);
            store(out + i, Two::select(zeros, Two::zero(), value));
        }
        Scalar::inverse(a + 4 * m, out + 4 * m, n - m);
    }
    // The element with R = 2^260 whose number with R = 2^256 this is, zeros replaced by one.
    static Lanes<M, 2> nonzero(const Lanes<M, 1>& number) {
        const Lanes<M, 1> one = Lanes<M, 1>::template two_to_the<260>();
        const Two up = number * Lanes<M, 1>::template two_to_the<264>();
        return Two::select(is_zero(number), one, up);
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
    static void from_int64(const int64_t* values, u64* out, size_t n) {
        const size_t m = whole(n);
        const Lanes<M, 1> factor = Lanes<M, 1>::template two_to_the<516>();
        for (size_t i = 0; i < m; i += 8) {
            const Vec v = _mm512_loadu_si512(values + i), magnitude = _mm512_abs_epi64(v);
            Lanes<M, 1> small = Lanes<M, 1>::zero();
            small.v[0] = _mm512_and_si512(magnitude, broadcast(mask52));
            small.v[1] = _mm512_srli_epi64(magnitude, 52);
            const Two product = small * factor;
            store(out + 4 * i, Lanes<M, 4>::select(_mm512_movepi64_mask(v), tight(Two::zero() - product), product));
        }
        Scalar::from_int64(values + m, out + 4 * m, n - m);
    }

    // Products of up to `chunk` terms at a time, each row's then added up without reductions. Terms whose coefficient is one
    // are no products.
    static void csr(const int64_t* indptr, const int64_t* indices, const u64* values, const u64* x, u64* out, size_t rows) {
        constexpr int64_t chunk = 256;
        alignas(64) u64 left[4 * chunk], right[4 * chunk];
        const F one = F::one();
        u64 sum[6] = {};
        const int64_t last = indptr[rows];
        size_t row = 0;
        for (int64_t from = indptr[0]; from < last || row < rows;) {
            const int64_t until = from + chunk < last ? from + chunk : last;
            bool is_one[chunk];
            size_t n = 0;
            for (int64_t k = from; k < until; ++k) {
                const F value = Scalar::in(values)[k];
                Scalar::to(left)[n] = value;
                Scalar::to(right)[n] = Scalar::in(x)[indices[k]];
                is_one[k - from] = value == one;
                n += !is_one[k - from];
            }
            mul(left, right, left, n);
            const F* product = Scalar::in(left);
            for (int64_t k = from; row < rows;) {
                const int64_t end = indptr[row + 1] < until ? indptr[row + 1] : until;
                for (; k < end; ++k) accumulate(sum, is_one[k - from] ? Scalar::in(x)[indices[k]] : *product++);
                if (end != indptr[row + 1]) break;
                Scalar::to(out)[row++] = reduced_six<F>(sum);
                for (auto& limb : sum) limb = 0;
            }
            from = until;
        }
    }
    // Long rows of small integers: two elements of x to a vector, their halves of 32 bits times coefficients made positive, so
    // that neither a limb nor a sign is carried before the end. Other rows go one by one.
    static void csr_int64(const int64_t* indptr, const int64_t* indices, const int64_t* values, const u64* x, u64* out, size_t rows) {
        for (size_t i = 0; i < rows; ++i) {
            int64_t k = indptr[i];
            const int64_t until = indptr[i + 1];
            u64 beyond = 0;
            for (int64_t j = k; j < until; ++j) beyond |= ((u64)values[j] + offset) >> (offset_bits + 1);
            if (beyond || until - k < 16) {
                Scalar::csr_int64(indptr + i, indices, values, x, out + 4 * i, 1);
                continue;
            }
            ScaledSum<F> sum;
            while (until - k >= 8) {
                const int64_t n = until - k < 4096 ? (until - k) / 8 * 8 : 4096;
                add_small(sum, indices + k, values + k, x, n);
                k += n;
            }
            for (; k < until; ++k) sum.add_small(values[k], Scalar::in(x)[indices[k]]);
            sum.widen();
            Scalar::to(out)[i] = sum.value();
        }
    }
    static constexpr int offset_bits = 19;
    static constexpr u64 offset = (u64)1 << offset_bits;
    // n terms, a multiple of 8 and at most 4096: a lane adds up half as many products below 2^52.
    static void add_small(ScaledSum<F>& sum, const int64_t* indices, const int64_t* values, const u64* x, int64_t n) {
        const Vec zero = _mm512_setzero_si512();
        Vec low = zero, high = zero, sum_low = zero, sum_high = zero;
        for (int64_t j = 0; j < n; j += 8) {
            const Vec factors = _mm512_add_epi64(_mm512_loadu_si512(values + j), broadcast(offset));
            for (int pair = 0; pair < 4; ++pair) {
                const u64 *one = x + 4 * indices[j + 2 * pair], *two = x + 4 * indices[j + 2 * pair + 1];
                const Vec entries = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)one)),
                                                       _mm256_loadu_si256((const __m256i*)two), 1);
                const Vec places = _mm512_inserti64x4(broadcast((u64)(2 * pair)), _mm256_set1_epi64x(2 * pair + 1), 1);
                const Vec factor = _mm512_permutexvar_epi64(places, factors), upper = _mm512_srli_epi64(entries, 32);
                low = _mm512_add_epi64(low, _mm512_mul_epu32(entries, factor));
                high = _mm512_add_epi64(high, _mm512_mul_epu32(upper, factor));
                sum_low = _mm512_add_epi64(sum_low, _mm512_and_si512(entries, broadcast(0xffffffff)));
                sum_high = _mm512_add_epi64(sum_high, upper);
            }
        }
        u64 parts[4][8];
        const Vec vectors[4] = {low, high, sum_low, sum_high};
        for (int v = 0; v < 4; ++v) _mm512_storeu_si512(parts[v], vectors[v]);
        for (int lane = 0; lane < 8; ++lane) {
            const __int128 products = parts[0][lane] + ((__int128)parts[1][lane] << 32);
            const __int128 entries = parts[2][lane] + ((__int128)parts[3][lane] << 32);
            sum.column[lane % 4] += products - (entries << offset_bits);
        }
    }
    static void accumulate(u64* sum, const F& a) {
        unsigned long long limb;
        unsigned char carry = 0;
        for (int i = 0; i < 5; ++i) {
            carry = _addcarry_u64(carry, sum[i], i < 4 ? a.v[i] : 0, &limb);
            sum[i] = limb;
        }
        sum[5] += carry;
    }

    static constexpr VectorOps ops() {
        VectorOps table = Scalar::ops();
        table.mul = mul;
        table.mul_add = mul_add;
        table.scale = scale;
        table.inner_product = inner_product;
        table.powers = powers;
        table.inverse = inverse;
        table.to_montgomery = to_montgomery;
        table.from_montgomery = from_montgomery;
        table.from_int64 = from_int64;
        table.csr = csr;
        table.csr_int64 = csr_int64;
        return table;
    }
};

}  // namespace VX_ISA
}  // namespace vx
