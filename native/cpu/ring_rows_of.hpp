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
    static void products(u64* out, const u64* const* x, const u64* const* y, size_t count, const u64* addend, size_t n,
                         const Modulus& modulus) {
        const Mod m(modulus);
        const V one = L::set1(1);
        each_sum(out, n, addend == nullptr ? count : count + 1, m, [&](Sum& sum, size_t i, size_t j) {
            if (j < count) {
                sum.multiply_add(L::load(x[j] + i), L::load(y[j] + i));
            } else {
                sum.multiply_add(L::load(addend + i), one);
            }
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

    // kVectors vectors of both inner products side by side over places [from, to) of `a.n`, the first of a row being
    // `a.first`. kShort: at most Sum::kShortTerms digits and addend.
    template <bool kPermuted, bool kShort, size_t kVectors>
    static void inner_tile(const InnerProduct& a, size_t from, size_t to, const Mod& m) {
        const Permutation* p = a.permutation;
        const V one = L::set1(1);
        for (size_t k = from; k < to; k += kVectors * L::kLanes) {
            const size_t i = a.first + k;
            size_t place[kVectors], soon[kVectors];
            const u64* pattern[kVectors];
#pragma GCC unroll 4
            for (size_t v = 0; kPermuted && v < kVectors; ++v) {
                const size_t block = (i + v * L::kLanes) / 8;
                place[v] = 8 * p->block[block];
                soon[v] = 8 * p->block[block + kPermutationPadding];
                pattern[v] = p->pattern[p->kind[block]];
            }
            const auto turned = [&](const u64* row, size_t v) {
                if constexpr (kPermuted) {
                    __builtin_prefetch(row + soon[v]);
                    return L::permute(row + place[v], pattern[v], (i + v * L::kLanes) % 8);
                } else {
                    return L::load(row + i + v * L::kLanes);
                }
            };
            Sum sum0[kVectors], sum1[kVectors];
            for (size_t j = 0; j < a.count; ++j) {
                const u64 *key0 = a.keys[2 * j] + i, *key1 = a.keys[2 * j + 1] + i;
#pragma GCC unroll 4
                for (size_t v = 0; v < kVectors; ++v) {
                    const V d = turned(a.digits[j], v);
                    if constexpr (!kShort) {
                        make_room(sum0[v], j, m);
                        make_room(sum1[v], j, m);
                    }
                    sum0[v].multiply_add(d, L::load(key0 + v * L::kLanes));
                    sum1[v].multiply_add(d, L::load(key1 + v * L::kLanes));
                }
                if (a.ahead != nullptr) {
                    const size_t next = a.ahead_first + k;
#pragma GCC unroll 4
                    for (size_t v = 0; v < kVectors; ++v) {
                        __builtin_prefetch(a.ahead[2 * j] + next + v * L::kLanes, 0, 2);
                        __builtin_prefetch(a.ahead[2 * j + 1] + next + v * L::kLanes, 0, 2);
                    }
                }
            }
#pragma GCC unroll 4
            for (size_t v = 0; v < kVectors; ++v) {
                if (a.addend != nullptr) {
                    if constexpr (!kShort) make_room(sum0[v], a.count, m);
                    sum0[v].multiply_add(turned(a.addend, v), one);
                }
                L::store(a.out0 + k + v * L::kLanes, kShort ? sum0[v].reduced_short(m) : sum0[v].reduced(m));
                L::store(a.out1 + k + v * L::kLanes, kShort ? sum1[v].reduced_short(m) : sum1[v].reduced(m));
            }
        }
    }

    template <bool kPermuted, bool kShort>
    static void inner_of(const InnerProduct& a, const Mod& m) {
        constexpr size_t kVectors = Sum::kTile >= 8 ? 4 : 1;
        const size_t whole = a.n - a.n % (kVectors * L::kLanes);
        inner_tile<kPermuted, kShort, kVectors>(a, 0, whole, m);
        inner_tile<kPermuted, kShort, 1>(a, whole, a.n, m);
    }

    static void inner(const InnerProduct& a, const Modulus& modulus) {
        const Mod m(modulus);
        const bool few = a.count < Sum::kShortTerms;
        const auto kernel = a.permutation == nullptr ? (few ? inner_of<false, true> : inner_of<false, false>)
                                                     : (few ? inner_of<true, true> : inner_of<true, false>);
        kernel(a, m);
    }

    // How the weights of a call are read: a vector of each, one word for a vector of places, or each as it says.
    enum class Reading { kVectors, kWords, kAny };

    template <Reading kReading>
    VX_INLINE static V place(const Weight& w, size_t i) {
        if constexpr (kReading == Reading::kVectors) return L::load(w.words + i);
        if constexpr (kReading == Reading::kWords) return L::set1(w.words[i >> w.repeat]);
        return L::load_repeated(w.words + (i >> w.repeat), w.repeat);
    }

    // Sums out[s][p] over weights [s][j], from their place `first` on, and terms [j][p]; `ahead` are the weights of the sums
    // that come next, whose places begin at `ahead_from`.
    struct Sums {
        u64* const* out;
        const Weight* weights;
        size_t first;
        const u64* const* terms;
        size_t count, parts;
        const Weight* ahead;
        size_t ahead_from;
    };

    // Rows that stand for many places are too short for the processor to foresee: one line of them is asked for with every
    // term, those of the kSums sums by turns.
    template <Reading kReading, size_t kSums>
    VX_INLINE static void read_ahead(const Sums& a, size_t i, size_t j) {
        if constexpr (kReading == Reading::kWords && L::kLanes > 1) {
            const Weight& w = a.ahead[i / L::kLanes % kSums * a.count + j];
            __builtin_prefetch(w.words + ((a.ahead_from + i) >> w.repeat));
        }
    }

    // kSums x kParts sums over places [first, last), kVectors vectors of each at a time: all in registers, where a weight
    // meets every part and a term every sum.
    template <Reading kReading, size_t kSums, size_t kParts, size_t kVectors>
    static void weighted_tile(const Sums& a, size_t first, size_t last, const Mod& m) {
        constexpr size_t kTile = kSums * kParts * kVectors;
        for (size_t i = first; i < last; i += kVectors * L::kLanes) {
            Sum sums[kTile];
            for (size_t j = 0; j < a.count; ++j) {
#pragma GCC unroll 8
                for (size_t k = 0; k < kTile; ++k) make_room(sums[k], j, m);
                V x[kParts * kVectors];
#pragma GCC unroll 8
                for (size_t k = 0; k < kParts * kVectors; ++k) {
                    x[k] = L::load(a.terms[j * a.parts + k / kVectors] + i + k % kVectors * L::kLanes);
                }
#pragma GCC unroll 8
                for (size_t k = 0; k < kSums * kVectors; ++k) {
                    const size_t s = k / kVectors, v = k % kVectors;
                    const V w = place<kReading>(a.weights[s * a.count + j], a.first + i + v * L::kLanes);
#pragma GCC unroll 2
                    for (size_t p = 0; p < kParts; ++p) {
                        sums[(s * kParts + p) * kVectors + v].multiply_add(x[p * kVectors + v], w);
                    }
                }
                read_ahead<kReading, kSums>(a, i, j);
            }
#pragma GCC unroll 8
            for (size_t k = 0; k < kTile; ++k) {
                const size_t s = k / (kParts * kVectors), p = k / kVectors % kParts, v = k % kVectors;
                L::store(a.out[s * a.parts + p] + i + v * L::kLanes,
                         a.count <= Sum::kShortTerms ? sums[k].reduced_short(m) : sums[k].reduced(m));
            }
        }
    }

    template <Reading kReading, size_t kSums, size_t kParts>
    static void weighted_rows(const Sums& a, size_t n, const Mod& m) {
        constexpr size_t kVectors = Sum::kTile / (kSums * kParts);
        const size_t whole = n - n % (kVectors * L::kLanes);
        weighted_tile<kReading, kSums, kParts, kVectors>(a, 0, whole, m);
        weighted_tile<kReading, kSums, kParts, 1>(a, whole, n, m);
    }

    template <Reading kReading>
    static void weighted_by(u64* const* out, const Weight* weights, size_t first, const u64* const* terms, size_t sums,
                            size_t count, size_t parts, size_t n, const Mod& m) {
        constexpr size_t kShared = Sum::kTile / 2;
        for (size_t s = 0, taken; s < sums; s += taken) {
            const bool shared = sums - s >= kShared;
            taken = shared ? kShared : 1;
            // After the last sums come the first ones at the next places: the caller goes on there.
            const bool more = sums - s >= 2 * taken;
            const Weight* ahead = more ? weights + (s + taken) * count : weights;
            for (size_t p = 0; p < parts;) {
                const bool pair = parts - p >= 2;
                const auto rows = shared ? (pair ? weighted_rows<kReading, kShared, 2> : weighted_rows<kReading, kShared, 1>)
                                         : (pair ? weighted_rows<kReading, 1, 2> : weighted_rows<kReading, 1, 1>);
                const size_t from = more ? first : first + n;
                rows({out + s * parts + p, weights + s * count, first, terms + p, count, parts, ahead, from}, n, m);
                p += pair ? 2 : 1;
            }
        }
    }

    static void weighted(u64* const* out, const Weight* weights, size_t first, const u64* const* terms, size_t sums,
                         size_t count, size_t parts, size_t n, const Modulus& modulus) {
        bool vectors = true, words = true;
        for (size_t k = 0; k < sums * count; ++k) {
            vectors = vectors && weights[k].repeat == 0;
            words = words && size_t{1} << weights[k].repeat >= size_t{L::kLanes};
        }
        const auto kernel = words     ? weighted_by<Reading::kWords>
                            : vectors ? weighted_by<Reading::kVectors>
                                      : weighted_by<Reading::kAny>;
        kernel(out, weights, first, terms, sums, count, parts, n, Mod(modulus));
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
                    products,      add_scalar,   multiply_scalar, sub_multiply, permute,
                    add_permuted,  inner,        weighted,        extend,       overflow,
                    RowsOf<Words>::reduce_words, E::fft_first, E::ifft_last, E::part, E::join,
                    E::fft_stage,  E::ifft_stage, E::fft_stage_extended, E::ifft_stage_extended,
                    E::round_small, ChaCha<L>::accept, ChaCha<L>::blocks};
    }
};

}  // namespace VX_ISA
}  // namespace vx
