// Row kernels over any kind of lanes, and the table of them: see ring_rows.hpp for what each computes.
#pragma once

#include "ring_chacha.hpp"
#include "ring_embedding.hpp"
#include "ring_ntt.hpp"

namespace vx {
inline namespace VX_ISA {

template <class L>
struct RowsOf {
    using V = typename L::V;
    using Mod = typename L::Mod;
    using Sum = typename L::Sum;

    // out[i] = f(i) for every vector i
    template <class F>
    VX_INLINE static void each(u64* out, size_t n, F f) {
        for (size_t i = 0; i < n; i += L::kLanes) L::store(out + i, f(i));
    }

    static void add(u64* out, const u64* a, const u64* b, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        each(out, n, [&](size_t i) { return L::reduce(L::add(L::load(a + i), L::load(b + i)), m.q); });
    }
    static void sub(u64* out, const u64* a, const u64* b, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        each(out, n, [&](size_t i) { return L::reduce(L::sub(L::add(L::load(a + i), m.q), L::load(b + i)), m.q); });
    }
    static void negate(u64* out, const u64* a, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        each(out, n, [&](size_t i) { return L::reduce(L::sub(m.q, L::load(a + i)), m.q); });
    }
    static void multiply(u64* out, const u64* a, const u64* b, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        each(out, n, [&](size_t i) {
            Sum sum;
            sum.multiply_add(L::load(a + i), L::load(b + i));
            return sum.reduced_short(m);
        });
    }
    static void multiply_add(u64* out, const u64* a, const u64* b, const u64* c, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        const V one = L::set1(1);
        each(out, n, [&](size_t i) {
            Sum sum;
            sum.multiply_add(L::load(a + i), L::load(b + i));
            sum.multiply_add(L::load(c + i), one);
            return sum.reduced_short(m);
        });
    }
    static void cross(u64* out, const u64* a0, const u64* b1, const u64* a1, const u64* b0, size_t n,
                      const Modulus& modulus) {
        const Mod m(modulus);
        each(out, n, [&](size_t i) {
            Sum sum;
            sum.multiply_add(L::load(a0 + i), L::load(b1 + i));
            sum.multiply_add(L::load(a1 + i), L::load(b0 + i));
            return sum.reduced_short(m);
        });
    }
    static void add_scalar(u64* out, const u64* a, u64 s, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        const V scalar = L::set1(s);
        each(out, n, [&](size_t i) { return L::reduce(L::add(L::load(a + i), scalar), m.q); });
    }
    static void multiply_scalar(u64* out, const u64* a, u64 w, u64 w_shoup, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        const V scalar = L::set1(w), shoup = L::set1(w_shoup);
        each(out, n, [&](size_t i) { return L::reduce(L::mul_lazy(L::load(a + i), scalar, shoup, m), m.q); });
    }
    static void sub_multiply(u64* out, const u64* a, const u64* b, u64 w, u64 w_shoup, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        const V scalar = L::set1(w), shoup = L::set1(w_shoup);
        each(out, n, [&](size_t i) {
            V difference = L::sub(L::add(L::load(a + i), m.q), L::load(b + i));
            return L::reduce(L::mul_lazy(difference, scalar, shoup, m), m.q);
        });
    }
    static void permute(u64* out, const u64* in, const Permutation& p, size_t n) {
        each(out, n, [&](size_t i) { return L::permute(in + 8 * p.block[i / 8], p.pattern[p.kind[i / 8]], i % 8); });
    }

    static void add_permuted(u64* out, const u64* a, const Permutation* p, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        if (p == nullptr) {
            add(out, out, a, n, modulus);
            return;
        }
        each(out, n, [&](size_t i) {
            V turned = L::permute(a + 8 * p->block[i / 8], p->pattern[p->kind[i / 8]], i % 8);
            return L::reduce(L::add(L::load(out + i), turned), m.q);
        });
    }

    // A sum about to take term j: one that is full is reduced and carried on as a single term.
    VX_INLINE static void make_room(Sum& sum, size_t j, const Mod& m) {
        if (j != 0 && j % (Sum::kTerms - 1) == 0) {
            const V so_far = sum.reduced(m);
            sum = Sum();
            sum.multiply_add(so_far, L::set1(1));
        }
    }

    // out = sums of step(sum, i, j), the usual few terms without any of that.
    template <class Step>
    VX_INLINE static void each_sum(u64* out, size_t n, size_t count, const Mod& m, Step step) {
        if (count <= Sum::kShortTerms) {
            each(out, n, [&](size_t i) {
                Sum sum;
                for (size_t j = 0; j < count; ++j) step(sum, i, j);
                return sum.reduced_short(m);
            });
        } else {
            each(out, n, [&](size_t i) {
                Sum sum;
                for (size_t j = 0; j < count; ++j) {
                    make_room(sum, j, m);
                    step(sum, i, j);
                }
                return sum.reduced(m);
            });
        }
    }

    // kShort: at most Sum::kShortTerms digits.
    template <bool kPermuted, bool kShort>
    static void inner_of(u64* out0, u64* out1, const u64* const* digits, const u64* const* keys0,
                                   const u64* const* keys1, size_t count, const Permutation* p, size_t n, const Mod& m) {
        for (size_t i = 0; i < n; i += L::kLanes) {
            Sum sum0, sum1;
            for (size_t j = 0; j < count; ++j) {
                V d;
                if constexpr (kPermuted) {
                    __builtin_prefetch(digits[j] + 8 * p->block[i / 8 + kPermutationPadding]);
                    d = L::permute(digits[j] + 8 * p->block[i / 8], p->pattern[p->kind[i / 8]], i % 8);
                } else {
                    d = L::load(digits[j] + i);
                }
                if constexpr (!kShort) {
                    make_room(sum0, j, m);
                    make_room(sum1, j, m);
                }
                sum0.multiply_add(d, L::load(keys0[j] + i));
                sum1.multiply_add(d, L::load(keys1[j] + i));
            }
            L::store(out0 + i, kShort ? sum0.reduced_short(m) : sum0.reduced(m));
            L::store(out1 + i, kShort ? sum1.reduced_short(m) : sum1.reduced(m));
        }
    }

    static void inner(u64* out0, u64* out1, const u64* const* digits, const u64* const* keys0, const u64* const* keys1,
                      size_t count, const Permutation* p, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        const bool few = count <= Sum::kShortTerms;
        const auto kernel = p == nullptr ? (few ? inner_of<false, true> : inner_of<false, false>)
                                         : (few ? inner_of<true, true> : inner_of<true, false>);
        kernel(out0, out1, digits, keys0, keys1, count, p, n, m);
    }

    static void weighted(u64* out, const u64* const* weights, const u64* const* terms, size_t count, size_t n,
                         const Modulus& modulus) {
        const Mod m(modulus);
        each_sum(out, n, count, m, [&](Sum& sum, size_t i, size_t j) {
            sum.multiply_add(L::load(weights[j] + i), L::load(terms[j] + i));
        });
    }

    static void extend(u64* out, const u64* const* y, const u64* weights, size_t count, size_t n, const Modulus& modulus) {
        const Mod m(modulus);
        constexpr size_t kAbreast = 4;  // vectors that share one reading of a weight
        if (count > Sum::kShortTerms || n % (kAbreast * L::kLanes) != 0) {
            each_sum(out, n, count, m, [&](Sum& sum, size_t i, size_t j) {
                sum.multiply_add(L::load(y[j] + i), L::set1(weights[j]));
            });
            return;
        }
        for (size_t i = 0; i < n; i += kAbreast * L::kLanes) {
            Sum sums[kAbreast];
            for (size_t j = 0; j < count; ++j) {
                const V w = L::set1(weights[j]);
#pragma GCC unroll 4
                for (size_t k = 0; k < kAbreast; ++k) sums[k].multiply_add(L::load(y[j] + i + k * L::kLanes), w);
            }
#pragma GCC unroll 4
            for (size_t k = 0; k < kAbreast; ++k) L::store(out + i + k * L::kLanes, sums[k].reduced_short(m));
        }
    }

    static void overflow(u64* v, const u64* const* y, const double* inverses, size_t count, size_t n) {
        constexpr double kRound = 4503599627370496.0;  // 2^52: adding and taking it away rounds to an integer
        constexpr size_t kAbreast = 64;  // sums kept at a time, for the compiler to make vectors of
        for (size_t first = 0; first < n; first += kAbreast) {
            const size_t some = n - first < kAbreast ? n - first : kAbreast;
            double sum[kAbreast] = {};
            for (size_t j = 0; j < count; ++j) {
                const double inverse = inverses[j];
                for (size_t i = 0; i < some; ++i) {
                    sum[i] += static_cast<double>(static_cast<long long>(y[j][first + i])) * inverse;
                }
            }
            for (size_t i = 0; i < some; ++i) {
                v[first + i] = static_cast<u64>(static_cast<long long>((sum[i] + kRound) - kRound));
            }
        }
    }

    static void reduce_words(u64* out, const u64* lo, const u64* hi, const u64* negative, size_t n,
                             const Modulus& modulus) {
        const Mod m(modulus);
        each(out, n, [&](size_t i) {
            V r = Sum::of_words(L::load(lo + i), hi == nullptr ? L::set1(0) : L::load(hi + i)).reduced(m);
            return L::select(L::load(negative + i), L::reduce(L::sub(m.q, r), m.q), r);
        });
    }

    // `words` names the lanes whose reduce_words to take.
    template <class Words = L>
    static constexpr Rows table() {
        using E = Embedding<L>;
        return Rows{L::kShoupBits, L::kLanes,    kTail<L> * 2,    L::kMontgomeryTail, ntt_row<L>, intt_row<L>,
                    add,           sub,          negate,          multiply,     multiply_add,
                    cross,         add_scalar,   multiply_scalar, sub_multiply, permute,
                    add_permuted,  inner,        weighted,        extend,       overflow,
                    RowsOf<Words>::reduce_words, E::fft_stage,    E::ifft_stage, E::fft_stage_extended,
                    E::ifft_stage_extended, ChaCha<L>::blocks};
    }
};

}  // namespace VX_ISA
}  // namespace vx
