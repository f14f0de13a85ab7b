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
            u64 below = 0;  // what the digits so far give modulo q_i
            for (size_t k = i; k-- > 0;) {
                below = add_mod(mul_mod(below, moduli_[k]->q % m.q, m), digit[k] % m.q, m.q);
            }
            digit[i] = mul_mod(sub_mod(residues[i], below, m.q), inverse_[i], m);
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
    std::vector<const Modulus*> moduli_;
    std::vector<u64> inverse_;  // (q_0 .. q_(i-1))^-1 mod q_i
    Natural whole_, half_;
    size_t words_;
};

double two_product(double a, double b, double& error) {
    const double p = a * b;
    error = std::fma(a, b, -p);
    return p;
}

}  // namespace

void Ring::special_fft(const std::vector<double*>& out, const std::vector<const double*>& in, const double* roots, size_t n,
                       bool inverse, bool extended) {
    const size_t parts = extended ? 4 : 2;
    const Buffer<double> tables(arena_, parts * n);
    const auto split_into = [n, extended](double* at) {
        return SplitRow{at, at + n, extended ? at + 2 * n : nullptr, extended ? at + 3 * n : nullptr};
    };
    const auto put = [n, extended](const SplitRow& to, size_t i, const double* from, size_t k) {
        to.re[i] = from[2 * k];
        to.im[i] = from[2 * k + 1];
        if (extended) {
            to.re_low[i] = from[2 * (n + k)];
            to.im_low[i] = from[2 * (n + k) + 1];
        }
    };
    const SplitRow table = split_into(tables.data());
    for (size_t i = 0; i < n; ++i) {
        put(table, i, roots, i);
    }
    const Rows& rows = limb(0).rows;
    const auto stage = extended ? (inverse ? rows.ifft_stage_extended : rows.fft_stage_extended)
                                : (inverse ? rows.ifft_stage : rows.fft_stage);
    const auto run = [&](const SplitRow& z, size_t half) {
        const SplitRow twiddles{table.re + half, table.im + half, extended ? table.re_low + half : nullptr,
                                extended ? table.im_low + half : nullptr};
        stage(z, twiddles, n, half);
    };
    pool_.run(in.size(), [&](size_t i, unsigned) {
        const Buffer<double> scratch(arena_, parts * n);
        const SplitRow z = split_into(scratch.data());
        const double* from = in[i];
        double* to = out[i];
        const auto get = [&](size_t j, size_t k, double scale) {
            to[2 * j] = z.re[k] * scale;
            to[2 * j + 1] = z.im[k] * scale;
            if (extended) {
                to[2 * (n + j)] = z.re_low[k] * scale;
                to[2 * (n + j) + 1] = z.im_low[k] * scale;
            }
        };
        if (inverse) {
            for (size_t j = 0; j < n; ++j) {
                put(z, j, from, j);
            }
            for (size_t half = n / 2; half >= 1; half /= 2) {
                run(z, half);
            }
            const double scale = 1.0 / static_cast<double>(n);  // a power of two: exact
            each_reversed(n, [&](size_t j, size_t k) { get(j, k, scale); });
        } else {
            each_reversed(n, [&](size_t j, size_t k) { put(z, j, from, k); });
            for (size_t half = 1; half < n; half *= 2) {
                run(z, half);
            }
            for (size_t j = 0; j < n; ++j) {
                get(j, j, 1.0);
            }
        }
    });
}

bool Ring::round_to_residues(const RowsOut& out, const std::vector<const double*>& high, const std::vector<const double*>& low,
                             double scale_high, double scale_low, const Basis& basis) {
    constexpr double kLimit = 1329227995784915872903807060280344576.0;  // 2^120
    const size_t batch = high.size();
    const Buffer<u64> scratch = words(3 * batch);
    std::atomic<bool> good{true};
    pool_.run(batch, [&](size_t b, unsigned) {
        u64 *lo = scratch.row(3 * b, n_), *hi = scratch.row(3 * b + 1, n_), *negative = scratch.row(3 * b + 2, n_);
        bool all = true;
        for (size_t j = 0; j < n_; ++j) {
            const double x = high[b][j], x_low = low.empty() ? 0.0 : low[b][j];
            double e = 0, p = two_product(x, scale_high, e);
            e += x * scale_low + x_low * scale_high;
            const double s = p + e;
            e = e - (s - p);
            const double whole = std::nearbyint(s), rest = std::nearbyint((s - whole) + e);
            if (!(std::fabs(whole) < kLimit)) {
                all = false;
                lo[j] = hi[j] = negative[j] = 0;
                continue;
            }
            const __int128 value = static_cast<__int128>(whole) + static_cast<__int128>(rest);
            const u128 magnitude = value < 0 ? -static_cast<u128>(value) : static_cast<u128>(value);
            lo[j] = static_cast<u64>(magnitude);
            hi[j] = static_cast<u64>(magnitude >> 64);
            negative[j] = value < 0 ? ~u64{0} : 0;
        }
        if (!all) {
            good = false;
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
