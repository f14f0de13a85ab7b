// The encoder's kernels: special FFT, rounding to residues, lifting residues to doubles. See embedding.py.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "ring.hpp"

namespace vx {

namespace {

using u128 = unsigned __int128;

// f(i, brv(i)) for i < n: one more turns the trailing ones of i, and so as many leading bits of its reversal.
template <class F>
void each_reversed(size_t n, F f) {
    for (size_t i = 0, r = 0; i < n; ++i) {
        f(i, r);
        r ^= n - (n >> (__builtin_ctzll(~u64{i}) + 1));
    }
}

// Natural numbers of a fixed length in little-endian words; enough for the products that doubles can hold.
constexpr size_t kMaxWords = 17;
struct Natural {
    u64 word[kMaxWords] = {};
};

void multiply_add(Natural& a, u64 factor, u64 addend, size_t words) {
    u128 carry = addend;
    for (size_t i = 0; i < words; ++i) {
        carry += u128{a.word[i]} * factor;
        a.word[i] = static_cast<u64>(carry);
        carry >>= 64;
    }
}

int compare(const Natural& a, const Natural& b, size_t words) {
    for (size_t i = words; i-- > 0;) {
        if (a.word[i] != b.word[i]) {
            return a.word[i] < b.word[i] ? -1 : 1;
        }
    }
    return 0;
}

// a - b, a >= b
Natural difference(const Natural& a, const Natural& b, size_t words) {
    Natural r;
    u64 borrow = 0;
    for (size_t i = 0; i < words; ++i) {
        u128 d = u128{a.word[i]} - b.word[i] - borrow;
        r.word[i] = static_cast<u64>(d);
        borrow = static_cast<u64>(d >> 64) & 1;
    }
    return r;
}

// The nearest double, ties to even.
double to_double(const Natural& a, size_t words) {
    size_t top = words;
    while (top > 0 && a.word[top - 1] == 0) {
        --top;
    }
    if (top == 0) {
        return 0;
    }
    const int shift = __builtin_clzll(a.word[top - 1]);
    u64 leading = a.word[top - 1] << shift;
    bool rest = false;
    if (top > 1) {
        leading |= shift == 0 ? 0 : a.word[top - 2] >> (64 - shift);
        rest = (a.word[top - 2] << shift) != 0;
        for (size_t i = 0; i + 2 < top; ++i) {
            rest |= a.word[i] != 0;
        }
    }
    // The lowest of the 64 leading bits is far below the 53 that stay, so it can stand for everything beneath.
    return std::ldexp(static_cast<double>(leading | rest), static_cast<int>(64 * (top - 1)) - shift);
}

// The integral double a >= 0 as a natural number.
Natural from_double(double a) {
    Natural r;
    int exponent = 0;
    const u64 mantissa = static_cast<u64>(std::ldexp(std::frexp(a, &exponent), 53));
    exponent -= 53;
    if (exponent <= 0) {
        r.word[0] = mantissa >> -exponent;
        return r;
    }
    const size_t at = exponent / 64, shift = exponent % 64;
    r.word[at] = mantissa << shift;
    if (shift != 0 && at + 1 < kMaxWords) {
        r.word[at + 1] = mantissa >> (64 - shift);
    }
    return r;
}

// Mixed radix: x = v_0 + q_0 (v_1 + q_1 (v_2 + ..)), v_i < q_i (Garner).
class Garner {
public:
    explicit Garner(const std::vector<const Modulus*>& moduli) : moduli_(moduli) {
        Natural one;
        one.word[0] = 1;
        whole_ = one;
        double bits = 0;
        for (const Modulus* m : moduli) {
            bits += std::log2(static_cast<double>(m->q));
        }
        words_ = static_cast<size_t>(bits / 64) + 1;
        if (words_ >= kMaxWords) {
            throw std::invalid_argument("the product of the primes exceeds the range of doubles");
        }
        for (size_t i = 0; i < moduli.size(); ++i) {
            u64 product = 1;
            for (size_t k = 0; k < i; ++k) {
                product = mul_mod(product, moduli[k]->q % moduli[i]->q, *moduli[i]);
            }
            inverse_.push_back(power_mod(product, moduli[i]->q - 2, *moduli[i]));
            for (size_t k = 0; k < moduli.size(); ++k) {
                reduced_.push_back(moduli[k]->q % moduli[i]->q);
            }
            multiply_add(whole_, moduli[i]->q, 0, words_);
        }
        u64 carry = 0;  // half = floor(whole / 2)
        for (size_t i = words_; i-- > 0;) {
            half_.word[i] = whole_.word[i] >> 1 | carry << 63;
            carry = whole_.word[i] & 1;
        }
    }

    // x in (-Q/2, Q/2] of the residues r_0, r_1, .. as a double-double
    void lift(const u64* residues, double& high, double& low) const {
        u64 digit[64 * kMaxWords];
        const size_t count = moduli_.size();
        for (size_t i = 0; i < count; ++i) {
            const Modulus& m = *moduli_[i];
            u64 below = i == 0 ? 0 : reduce_128(0, digit[i - 1], m);  // what the digits so far give modulo q_i
            for (size_t k = i - (i != 0); k-- > 0;) {
                below = add_mod(mul_mod(below, reduced_[i * count + k], m), reduce_128(0, digit[k], m), m.q);
            }
            digit[i] = i == 0 ? residues[0] : mul_mod(sub_mod(residues[i], below, m.q), inverse_[i], m);
        }
        if (words_ <= 2) {
            lift_short(digit, high, low);
            return;
        }
        Natural x;
        for (size_t i = count; i-- > 0;) {
            multiply_add(x, moduli_[i]->q, digit[i], words_);
        }
        const bool negative = compare(x, half_, words_) > 0;
        if (negative) {
            x = difference(whole_, x, words_);
        }
        high = to_double(x, words_);
        const Natural rounded = from_double(high);
        const bool above = compare(rounded, x, words_) > 0;
        low = above ? -to_double(difference(rounded, x, words_), words_) : to_double(difference(x, rounded, words_), words_);
        if (negative) {
            high = -high;
            low = -low;
        }
    }

private:
    // `lift` for a product below 2^128: conversions of the compiler's integers round to nearest as well.
    void lift_short(const u64* digit, double& high, double& low) const {
        const auto whole = [](const Natural& a) { return a.word[0] | u128{a.word[1]} << 64; };
        u128 x = 0;
        for (size_t i = moduli_.size(); i-- > 0;) {
            x = x * moduli_[i]->q + digit[i];
        }
        const bool negative = x > whole(half_);
        x = negative ? whole(whole_) - x : x;
        high = static_cast<double>(x);
        const __int128 rest = static_cast<__int128>(x - static_cast<u128>(high));
        low = static_cast<double>(rest);
        if (negative) {
            high = -high;
            low = -low;
        }
    }

    std::vector<const Modulus*> moduli_;
    std::vector<u64> inverse_;  // (q_0 .. q_(i-1))^-1 mod q_i
    std::vector<u64> reduced_;  // [i][k]: q_k mod q_i
    Natural whole_, half_;
    size_t words_;
};

double two_product(double a, double b, double& error) {
    const double p = a * b;
    error = std::fma(a, b, -p);
    return p;
}

}  // namespace

namespace {

using Stage = void (*)(const SplitRow&, const SplitRow&, size_t, size_t);

SplitRow from_place(const SplitRow& z, size_t i) {
    return {z.re + i, z.im + i, z.re_low ? z.re_low + i : nullptr, z.im_low ? z.im_low + i : nullptr};
}

// The stages of half-length `least` to n / 2, depth first, so that a block is finished in the first cache.
void stages(Stage stage, const SplitRow& z, const SplitRow& table, size_t n, size_t least, bool inverse) {
    constexpr size_t kBlock = 1024;
    const auto run = [&](size_t half) { stage(z, from_place(table, half), n, half); };
    const auto halves = [&] {
        for (size_t i = 0; i < n; i += n / 2) {
            stages(stage, from_place(z, i), table, n / 2, least, inverse);
        }
    };
    if (n > kBlock && inverse) {
        run(n / 2);
        halves();
    } else if (n > kBlock) {
        halves();
        run(n / 2);
    } else if (inverse) {
        for (size_t half = n / 2; half >= least; half /= 2) {
            run(half);
        }
    } else {
        for (size_t half = least; half < n; half *= 2) {
            run(half);
        }
    }
}

}  // namespace

void Ring::special_fft(const std::vector<double*>& out, const std::vector<const double*>& in, const double* roots, size_t n,
                       bool inverse, bool extended) {
    const auto split_into = [n, extended](double* at) {
        return SplitRow{at, at + n, extended ? at + 2 * n : nullptr, extended ? at + 3 * n : nullptr};
    };
    const SplitRow table = split_into(const_cast<double*>(roots));  // read only
    const Rows& rows = limb(0).rows;
    const Stage stage = extended ? (inverse ? rows.ifft_stage_extended : rows.fft_stage_extended)
                                 : (inverse ? rows.ifft_stage : rows.fft_stage);
    const double scale = 1.0 / static_cast<double>(n);  // a power of two: exact
    const size_t parts = extended ? 4 : 2, tile = 64;
    pool_.run(in.size(), [&](size_t i, unsigned) {
        const Buffer<double> scratch(arena_, parts * n), ordered(arena_, n < tile ? parts * n : 0);
        const SplitRow z = split_into(scratch.data());
        if (n < tile) {
            // result[i] = x[brv(i)] for the n pairs, and again for their low parts
            const auto reverse = [&](double* to, const double* from, double by) {
                each_reversed(n, [&](size_t j, size_t k) {
                    for (size_t at = 0; at < parts * n; at += 2 * n) {
                        to[at + 2 * j] = from[at + 2 * k] * by;
                        to[at + 2 * j + 1] = from[at + 2 * k + 1] * by;
                    }
                });
            };
            if (!inverse) {
                reverse(ordered.data(), in[i], 1.0);
            }
            rows.part(z, inverse ? in[i] : ordered.data(), n);
            stages(stage, z, table, n, 1, inverse);
            rows.join(inverse ? ordered.data() : out[i], z, n);
            if (inverse) {
                reverse(out[i], ordered.data(), scale);
            }
        } else if (inverse) {
            rows.part(z, in[i], n);
            stages(stage, z, table, n, tile / 8, inverse);
            rows.ifft_last(out[i], z, table, n, scale);
        } else {
            rows.fft_first(z, in[i], table, n);
            stages(stage, z, table, n, tile / 8, inverse);
            rows.join(out[i], z, n);
        }
    });
}

bool Ring::round_to_residues(const RowsOut& out, const std::vector<const double*>& high, const std::vector<const double*>& low,
                             double scale_high, double scale_low, const Basis& basis) {
    constexpr double kLimit = 1329227995784915872903807060280344576.0;  // 2^120
    const size_t batch = high.size();
    const Buffer<u64> scratch = words(3 * batch);
    std::atomic<bool> good{true};
    constexpr size_t kBlock = 512;
    const size_t columns = std::min(n_, kBlock), blocks = n_ / columns;
    pool_.run(batch * blocks, [&](size_t task, unsigned) {
        const size_t b = task / blocks, from = task % blocks * columns;
        u64 *lo = scratch.row(3 * b, n_), *hi = scratch.row(3 * b + 1, n_), *negative = scratch.row(3 * b + 2, n_);
        const double* below = low.empty() ? nullptr : low[b];
        if (limb(0).rows.round_small(lo + from, negative + from, high[b] + from, below ? below + from : nullptr, scale_high,
                                     scale_low, columns)) {
            std::fill(hi + from, hi + from + columns, 0);
            return;
        }
        for (size_t j = from; j < from + columns; ++j) {
            const double x = high[b][j], x_low = below ? below[j] : 0.0;
            double e = 0, p = two_product(x, scale_high, e);
            e += x * scale_low + x_low * scale_high;
            const double s = p + e;
            e = e - (s - p);
            const double whole = std::nearbyint(s), rest = std::nearbyint((s - whole) + e);
            if (!(std::fabs(whole) < kLimit)) {
                good = false;
                return;
            }
            const __int128 value = static_cast<__int128>(whole) + static_cast<__int128>(rest);
            const u128 magnitude = value < 0 ? -static_cast<u128>(value) : static_cast<u128>(value);
            lo[j] = static_cast<u64>(magnitude);
            hi[j] = static_cast<u64>(magnitude >> 64);
            negative[j] = value < 0 ? ~u64{0} : 0;
        }
    });
    if (!good) {
        return false;
    }
    each_row(out, basis, [&](size_t i, const Limb& l) {
        const size_t b = i / basis.size();
        l.rows.reduce_words(out[i], scratch.row(3 * b, n_), scratch.row(3 * b + 1, n_), scratch.row(3 * b + 2, n_), n_,
                            l.modulus);
    });
    return true;
}

void Ring::lift_to_floats(const std::vector<double*>& high, const std::vector<double*>& low, const RowsIn& x,
                          const Basis& basis) {
    std::vector<const Modulus*> moduli;
    for (int i : basis) {
        moduli.push_back(&limb(i).modulus);
    }
    const Garner garner(moduli);
    constexpr size_t kBlock = 1024;
    const size_t columns = std::min(n_, kBlock), blocks = n_ / columns;
    pool_.run(high.size() * blocks, [&](size_t task, unsigned) {
        const size_t b = task / blocks;
        std::vector<u64> residues(basis.size());
        for (size_t j = task % blocks * columns; j < (task % blocks + 1) * columns; ++j) {
            for (size_t i = 0; i < basis.size(); ++i) {
                residues[i] = x[b * basis.size() + i][j];
            }
            garner.lift(residues.data(), high[b][j], low[b][j]);
        }
    });
}

}  // namespace vx
