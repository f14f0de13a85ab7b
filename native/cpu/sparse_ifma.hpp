// Sparse matrices times vectors: eight rows in lanes, or eight entries of one row where it is long. Products are added up
// column by column, 2^(52i), and reduced once a row.
#pragma once
#include "field_scalar.hpp"
#include "lanes_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

// Sums of products with low and high halves apart, so that none waits long for the one before.
template <class M>
struct Columns {
    static constexpr size_t most = 96;  // products: columns stay below 2^62, both halves added
    Vec low[9], high[9];

    Columns() {
        for (int i = 0; i < 9; ++i) low[i] = high[i] = _mm512_setzero_si512();
    }
    template <int C, int D>
    VX_INLINE void add_product(const Raw<M, C>& a, const Raw<M, D>& b) {
#pragma GCC unroll 5
        for (int i = 0; i < 5; ++i) {
            for (int j = 0; j < 5; ++j) low[i + j] = _mm512_madd52lo_epu64(low[i + j], b.v[i], a.v[j]);
            for (int j = 0; j < 5; ++j) high[i + j] = _mm512_madd52hi_epu64(high[i + j], b.v[i], a.v[j]);
        }
    }
    // Their sum over 2^260, each product below Bp^2.
    template <int B>
    VX_INLINE Lanes<M, 2> reduced() const {
        Vec t[10];
        t[0] = low[0];
        for (int i = 1; i < 9; ++i) t[i] = _mm512_add_epi64(low[i], high[i - 1]);
        t[9] = high[8];
#pragma GCC unroll 5
        for (int i = 0; i < 5; ++i) reduce_column<M>(t + i);
        Sum<M, 1 + ((int)most * B + 83) / 84> out;
        for (int i = 0; i < 5; ++i) out.v[i] = t[5 + i];
        return fit(tight(out));
    }
};

template <class F>
struct LaneRows {
    using M = typename F::Modulus;
    using Scalar = ScalarVectors<F>;
    static constexpr int64_t longest = 64;  // rows with more entries go alone

    static void csr(const int64_t* indptr, const int64_t* indices, const u64* values, const u64* x, u64* out, size_t rows) {
        const auto eight = [&](Rows& r) {
            Columns<M> columns;
            for (int64_t step = 0; step < r.longest(); ++step, r.advance(step)) {
                const u64 *left[8], *right[8];
                for (int j = 0; j < 8; ++j) {
                    left[j] = values + 4 * r.at[j];
                    right[j] = x + 4 * indices[r.at[j]];
                }
                columns.add_product(gather<16>(left, 0xff), gather<1>(right, r.live(step)));
            }
            r.write(out, columns.template reduced<16>());
        };
        const auto alone = [&](size_t row) { Scalar::to(out)[row] = long_row(indices, values, x, indptr[row], indptr[row + 1]); };
        if (rows < 8 && indptr[rows] - indptr[0] < 8 * longest) return Scalar::csr(indptr, indices, values, x, out, rows);
        by_length(indptr, rows, eight, alone);
    }
    // Coefficients below 2^51 in magnitude: v = (v mod 2^52) - 2^52 where it is negative.
    static void csr_int64(const int64_t* indptr, const int64_t* indices, const int64_t* values, const u64* x, u64* out, size_t rows) {
        const auto eight = [&](Rows& r) {
            Vec t[7], beyond = _mm512_setzero_si512();
            for (auto& column : t) column = _mm512_setzero_si512();
            for (int64_t step = 0; step < r.longest(); ++step, r.advance(step)) {
                const u64* right[8];
                alignas(64) int64_t factors[8];
                for (int j = 0; j < 8; ++j) {
                    right[j] = x + 4 * indices[r.at[j]];
                    factors[j] = values[r.at[j]];
                }
                const Vec factor = _mm512_load_si512(factors);
                const Raw<M, 1> entry = gather<1>(right, r.live(step));
                beyond = _mm512_or_si512(beyond, _mm512_xor_si512(factor, _mm512_srai_epi64(factor, 63)));
                add_signed(t, entry, factor);
            }
            if (_mm512_test_epi64_mask(beyond, broadcast(~(((u64)1 << 51) - 1)))) {
                for (int j = 0; j < r.count; ++j) {
                    const u32 row = r.row[j];
                    Scalar::csr_int64(indptr + row, indices, values, x, out + 4 * (size_t)row, 1);
                }
                return;
            }
            r.write(out, reduced_signed(t));
        };
        const auto alone = [&](size_t row) { long_row_int64(indptr + row, indices, values, x, out + 4 * row); };
        if (rows < 8 && indptr[rows] - indptr[0] < 8 * longest) return Scalar::csr_int64(indptr, indices, values, x, out, rows);
        by_length(indptr, rows, eight, alone);
    }

private:
    // Up to eight rows by falling length, an entry of each at a time; rows that have ended stay at their last one.
    struct Rows {
        u32 row[8] = {};
        int64_t at[8] = {}, length[8] = {};
        int count = 0;

        int64_t longest() const { return length[0]; }
        Mask8 live(int64_t step) const {
            return _mm512_cmpgt_epi64_mask(_mm512_loadu_si512(length), broadcast((u64)step));
        }
        // To the entry number `step`.
        VX_INLINE void advance(int64_t step) {
            const Vec old = _mm512_loadu_si512(at);
            _mm512_storeu_si512(at, _mm512_mask_add_epi64(old, live(step), old, broadcast(1)));
        }
        void write(u64* out, const Lanes<M, 2>& sums) const {
            alignas(64) u64 elements[32];
            store(elements, loosen(sums));
            for (int j = 0; j < count; ++j) {
                _mm256_storeu_si256((__m256i*)(out + 4 * (size_t)row[j]), _mm256_load_si256((const __m256i*)(elements + 4 * j)));
            }
        }
    };
    // Calls `alone` with the long rows, and `eight` with the others, sorted within blocks so that lanes end together.
    template <class Eight, class Alone>
    static void by_length(const int64_t* indptr, size_t rows, const Eight& eight, const Alone& alone) {
        constexpr size_t block = 1024;
        for (size_t from = 0; from < rows; from += block) {
            const size_t until = rows - from < block ? rows : from + block;
            u32 place[longest + 2] = {}, order[block];
            const auto key = [&](size_t row) {
                const int64_t length = indptr[row + 1] - indptr[row];
                return length > longest ? 0 : longest + 1 - length;
            };
            for (size_t row = from; row < until; ++row) ++place[key(row)];
            for (u32 i = 0, total = 0; i < longest + 2; ++i) {
                const u32 count = place[i];
                place[i] = total;
                total += count;
            }
            for (size_t row = from; row < until; ++row) order[place[key(row)]++] = (u32)row;
            size_t i = 0;
            for (; i < place[0]; ++i) alone(order[i]);
            for (; i < until - from; i += 8) {
                Rows r;
                for (size_t j = i; j < i + 8 && j < until - from; ++j) {
                    const u32 row = order[j];
                    r.row[r.count] = row;
                    r.length[r.count] = indptr[row + 1] - indptr[row];
                    if (r.length[r.count]) r.at[r.count] = indptr[row];
                    ++r.count;
                }
                eight(r);
            }
        }
    }
    // Eight elements from anywhere, zeros in other lanes than `live`.
    template <int Factor>
    static VX_INLINE Raw<M, Factor> gather(const u64* const* rows, Mask8 live) {
        Vec pairs[4], limbs[4];
        for (int i = 0; i < 4; ++i) {
            pairs[i] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)rows[2 * i])),
                                          _mm256_loadu_si256((const __m256i*)rows[2 * i + 1]), 1);
        }
        deinterleave(pairs, limbs);
        for (auto& limb : limbs) limb = _mm512_maskz_mov_epi64(live, limb);
        Raw<M, Factor> out;
        split_raw<Factor>(limbs, out.v);
        return out;
    }
    static F long_row(const int64_t* indices, const u64* values, const u64* x, int64_t from, int64_t until) {
        Lanes<M, 2> sum = Lanes<M, 2>::zero();
        while (until - from >= 8) {
            Columns<M> columns;
            for (size_t j = 0; j < Columns<M>::most && until - from >= 8; ++j, from += 8) {
                const u64* right[8];
                for (int k = 0; k < 8; ++k) right[k] = x + 4 * indices[from + k];
                columns.add_product(load_raw<M, 16>(values + 4 * from), gather<1>(right, 0xff));
            }
            sum = fit(tight(sum + columns.template reduced<16>()));
        }
        u64 parts[32];
        store(parts, loosen(sum));
        F total = F::zero();
        for (; from < until; ++from) total = total + Scalar::in(values)[from] * Scalar::in(x)[indices[from]];
        for (int i = 0; i < 8; ++i) total = total + Scalar::in(parts)[i];
        return total;
    }
    // t += v·a for signed |v| < 2^51, seven columns.
    static VX_INLINE void add_signed(Vec* t, const Raw<M, 1>& a, Vec v) {
        const Mask8 minus = _mm512_movepi64_mask(v);
        for (int i = 0; i < 5; ++i) t[i] = _mm512_madd52lo_epu64(t[i], v, a.v[i]);
        for (int i = 0; i < 5; ++i) t[i + 1] = _mm512_madd52hi_epu64(t[i + 1], v, a.v[i]);
        for (int i = 0; i < 5; ++i) {
            t[i + 1] = _mm512_mask_sub_epi64(t[i + 1], minus, t[i + 1], _mm512_and_si512(a.v[i], broadcast(mask52)));
        }
    }
    // The sum of at most `longest` such, above -2^57 p. With 2^58 p added it is a number below 2^59 p: two rows of a reduction
    // by 2^104, and a product that makes up for it.
    static VX_INLINE Lanes<M, 2> reduced_signed(Vec* t) {
        for (int i = 0; i < 5; ++i) t[i + 1] = _mm512_add_epi64(t[i + 1], broadcast(multiple_of_p<M>(64, i)));
        for (int i = 0; i < 6; ++i) {
            t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srai_epi64(t[i], 52));
            t[i] = _mm512_and_si512(t[i], broadcast(mask52));
        }
        reduce_column<M>(t);
        reduce_column<M>(t + 1);
        Sum<M, 2> out;
        for (int i = 0; i < 5; ++i) out.v[i] = t[i + 2];
        return product(tight(out), Lanes<M, 1>::template two_to_the<364>());
    }

    // Long rows of small integers: two elements of x to a vector, their halves of 32 bits times coefficients made positive, so
    // that neither a limb nor a sign is carried before the end. Other rows go one by one.
    static void long_row_int64(const int64_t* indptr, const int64_t* indices, const int64_t* values, const u64* x, u64* out) {
        int64_t k = indptr[0];
        const int64_t until = indptr[1];
        u64 beyond = 0;
        for (int64_t j = k; j < until; ++j) beyond |= ((u64)values[j] + offset) >> (offset_bits + 1);
        if (beyond) return Scalar::csr_int64(indptr, indices, values, x, out, 1);
        ScaledSum<F> sum;
        while (until - k >= 8) {
            const int64_t n = until - k < 4096 ? (until - k) / 8 * 8 : 4096;
            add_small(sum, indices + k, values + k, x, n);
            k += n;
        }
        for (; k < until; ++k) sum.add_small(values[k], Scalar::in(x)[indices[k]]);
        sum.widen();
        *Scalar::to(out) = sum.value();
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
};

}  // namespace VX_ISA
}  // namespace vx
