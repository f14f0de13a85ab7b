// Tables, dispatch, transforms and pointwise kernels of the ring.
#include "ring.hpp"

#include <algorithm>
#include <stdexcept>

namespace vx {

namespace {

using u128 = unsigned __int128;

constexpr u64 kNarrowLimit = u64{1} << 50;
constexpr u64 kWideLimit = u64{1} << 61;
constexpr size_t kKeepBytes = size_t{1} << 30;  // turned operands of a bootstrap come and go with each matrix
constexpr size_t kMaxPermutations = 2048;
constexpr size_t kProductColumns = 1024;

size_t bit_reverse(size_t i, int bits) {
    size_t r = 0;
    for (int b = 0; b < bits; ++b) {
        r |= (i >> b & 1) << (bits - 1 - b);
    }
    return r;
}

int log2_exact(size_t n) {
    int bits = 0;
    while ((size_t{1} << bits) < n) {
        ++bits;
    }
    return bits;
}

Modulus make_modulus(u64 q) {
    Modulus m{};
    m.q = q;
    // floor(2^128 / q) = floor((2^128 - 1) / q), since q does not divide 2^128
    u128 mu = ~u128{0} / q;
    m.mu_hi = static_cast<u64>(mu >> 64);
    m.mu_lo = static_cast<u64>(mu);
    m.inverse64 = q;  // right to 3 bits; Newton's step doubles them
    for (int bits = 3; bits < 64; bits *= 2) {
        m.inverse64 *= 2 - q * m.inverse64;
    }
    u128 power = 1 % q;
    for (int i = 0; i < 3; ++i) {
        m.radix[i] = static_cast<u64>(power);
        m.radix52[i] = shoup_quotient(m.radix[i], q, 52);
        m.radix64[i] = shoup_quotient(m.radix[i], q, 64);
        power = (power << 52) % q;
    }
    return m;
}

struct Selected {
    std::string name;
    const Rows* narrow;
    const Rows* wide;
};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma"); }

bool has_ifma() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2");
}
#endif

// The paths that this machine can run, best first.
std::vector<Selected> paths() {
    std::vector<Selected> found;
#if defined(__x86_64__)
    if (has_ifma()) {
        found.push_back({"ifma", rows_ifma_narrow(), rows_ifma_wide()});
    }
    if (has_avx2()) {
        found.push_back({"avx2", rows_avx2(), rows_avx2()});
    }
#endif
    found.push_back({"portable", &rows_portable(), &rows_portable()});
    return found;
}

Selected select(const std::string& isa) {
    for (const Selected& path : paths()) {
        if (isa.empty() || isa == path.name) {
            return path;
        }
    }
    throw std::invalid_argument("this machine has no ring kernels for '" + isa + "'");
}

}  // namespace

u64 shoup_quotient(u64 w, u64 q, int bits) { return static_cast<u64>((u128{w} << bits) / q); }

u64 power_mod(u64 base, u64 exponent, const Modulus& m) {
    u64 result = 1;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) {
            result = mul_mod(result, base, m);
        }
        base = mul_mod(base, base, m);
    }
    return result;
}

Limb::Limb(u64 q, u64 root, size_t n, const Rows& rows, const Rows& any_rows)
    : modulus(make_modulus(q)), rows(rows), any_rows(any_rows), table{} {
    const size_t lanes = rows.lanes, head = n / lanes, block = lanes * lanes;
    const size_t step = rows.montgomery_tail ? lanes : 2 * lanes;  // words a twiddle vector takes
    const size_t tail = lanes == 1 ? 0 : n / block * step * (lanes - 1);
    const int bits = log2_exact(n);
    store_.resize(2 * (2 * head + tail));
    std::vector<u64> powers(n);
    u64* at = store_.data();
    for (Twiddles* t : {&table.forward, &table.inverse}) {
        const u64 psi = t == &table.forward ? root : inverse(root);
        u64 power = 1;
        for (size_t i = 0; i < n; ++i) {
            powers[bit_reverse(i, bits)] = power;
            power = mul_mod(power, psi, modulus);
        }
        t->head = at;
        t->head_shoup = at + head;
        t->tail = at + 2 * head;
        for (size_t k = 0; k < head; ++k) {
            at[k] = powers[k];
            at[head + k] = shoup(powers[k]);
        }
        at += 2 * head;
        if (tail == 0) {
            continue;
        }
        // block b, stage of G groups, group g, lane i: the sub-block b lanes + i of n / lanes
        for (size_t b = 0; b < n / block; ++b) {
            for (size_t groups = 1; groups < lanes; groups *= 2) {
                for (size_t g = 0; g < groups; ++g, at += step) {
                    for (size_t i = 0; i < lanes; ++i) {
                        const u64 w = powers[(n / lanes + b * lanes + i) * groups + g];
                        if (rows.montgomery_tail) {
                            at[i] = mul_mod(w, modulus.radix[1], modulus);
                        } else {
                            at[i] = w;
                            at[lanes + i] = shoup(w);
                        }
                    }
                }
            }
        }
    }
    table.scale = inverse(n);
    table.scale_shoup = shoup(table.scale);
    table.last = mul_mod(table.scale, table.inverse.head[1], modulus);
    table.last_shoup = shoup(table.last);
}

Ring::Ring(size_t degree, const std::vector<u64>& moduli, const std::vector<u64>& roots, unsigned threads, const std::string& isa)
    : n_(degree), pool_(threads), arena_(std::make_shared<Arena>(kKeepBytes)), limbs_(moduli.size()) {
    if (n_ < 8 || (n_ & (n_ - 1)) != 0 || moduli.empty() || moduli.size() != roots.size()) {
        throw std::invalid_argument("a ring needs a degree that is a power of two from 8 on, primes and their roots");
    }
    const Selected path = select(isa);
    isa_ = path.name;
    const bool small = n_ < path.wide->smallest;
    for (u64 q : moduli) {
        if (q < 3 || q >= kWideLimit) {
            throw std::invalid_argument("moduli of a ring are between 3 and 2^61");
        }
    }
    pool_.run(moduli.size(), [&](size_t i, unsigned) {
        const Rows& wide = small ? rows_portable() : *path.wide;
        const Rows& narrow = small ? rows_portable() : *path.narrow;
        limbs_[i] = std::make_unique<Limb>(moduli[i], roots[i], n_, moduli[i] < kNarrowLimit ? narrow : wide, wide);
    });
}

std::shared_ptr<const Ring::Galois> Ring::galois(u64 element) {
    element %= 2 * n_;
    std::lock_guard<std::mutex> lock(galois_mutex_);
    if (auto found = galois_.find(element); found != galois_.end()) {
        return found->second;
    }
    // Place 8 b + i stands for the exponent e = 2 brv(b) + 1 + brv3(i) 2N/8. With g e = e' + t 2N/8, e' < 2N/8, it comes
    // from block b' = brv(e' / 2), lane brv3(t + g brv3(i) mod 8).
    auto made = std::make_shared<Galois>();
    const size_t blocks = n_ / 8, eighth = 2 * n_ / 8;
    const int bits = log2_exact(blocks);
    made->block.resize(blocks + kPermutationPadding);
    made->kind.resize(blocks);
    for (size_t b = 0; b < blocks; ++b) {
        const size_t exponent = element * (2 * bit_reverse(b, bits) + 1) % (2 * n_);
        made->block[b] = static_cast<u32>(bit_reverse(exponent % eighth / 2, bits));
        made->kind[b] = static_cast<unsigned char>(exponent / eighth);
    }
    for (size_t t = 0; t < 8; ++t) {
        for (size_t i = 0; i < 8; ++i) {
            made->pattern[t][i] = bit_reverse((t + element * bit_reverse(i, 3)) % 8, 3);
        }
    }
    if (galois_.size() >= kMaxPermutations) {
        galois_.clear();
    }
    galois_.emplace(element, made);
    return made;
}

void Ring::ntt(const RowsOut& out, const RowsIn& x, const Basis& basis, bool inverse) {
    each_row(out, basis, [&](size_t i, const Limb& l) {
        (inverse ? l.rows.intt : l.rows.ntt)(out[i], x[i], n_, l.table, l.modulus);
    });
}

void Ring::add(const RowsOut& out, const RowsIn& a, const RowsIn& b, const Basis& basis) {
    each_row(out, basis, [&](size_t i, const Limb& l) {
        if (i < b.size()) {
            l.rows.add(out[i], a[i], b[i], n_, l.modulus);
        } else {
            std::copy_n(a[i], n_, out[i]);
        }
    });
}

void Ring::sub(const RowsOut& out, const RowsIn& a, const RowsIn& b, const Basis& basis) {
    each_row(out, basis, [&](size_t i, const Limb& l) { l.rows.sub(out[i], a[i], b[i % b.size()], n_, l.modulus); });
}

void Ring::negate(const RowsOut& out, const RowsIn& a, const Basis& basis) {
    each_row(out, basis, [&](size_t i, const Limb& l) { l.rows.negate(out[i], a[i], n_, l.modulus); });
}

void Ring::multiply(const RowsOut& out, const RowsIn& a, const RowsIn& b, const Basis& basis) {
    each_row(out, basis, [&](size_t i, const Limb& l) { l.rows.multiply(out[i], a[i], b[i % b.size()], n_, l.modulus); });
}

void Ring::multiply_add(const RowsOut& out, const RowsIn& a, const RowsIn& b, const RowsIn& c, const Basis& basis) {
    each_row(out, basis, [&](size_t i, const Limb& l) {
        l.rows.multiply_add(out[i], a[i], b[i % b.size()], c[i % c.size()], n_, l.modulus);
    });
}

void Ring::tensor_sum(const RowsOut& out, const RowsIn& a, const RowsIn& b, const RowsIn& addend, const Basis& basis) {
    const size_t limbs = basis.size(), pairs = a.size() / (2 * limbs);
    const size_t columns = n_ < kProductColumns ? n_ : kProductColumns, blocks = n_ / columns;
    pool_.run(limbs * blocks, [&](size_t task, unsigned) {
        const size_t t = task / blocks, first = task % blocks * columns;
        const Limb& l = limb(basis[t]);
        // the factors of one part after another: a0 b0, then a0 b1 and a1 b0, then a1 b1
        RowsIn x(4 * pairs), y(4 * pairs);
        for (size_t j = 0; j < pairs; ++j) {
            const u64 *a0 = a[2 * j * limbs + t] + first, *a1 = a[(2 * j + 1) * limbs + t] + first;
            const u64 *b0 = b[2 * j * limbs + t] + first, *b1 = b[(2 * j + 1) * limbs + t] + first;
            x[j] = x[pairs + 2 * j] = a0;
            x[pairs + 2 * j + 1] = x[3 * pairs + j] = a1;
            y[j] = y[pairs + 2 * j + 1] = b0;
            y[pairs + 2 * j] = y[3 * pairs + j] = b1;
        }
        const size_t from[3] = {0, pairs, 3 * pairs}, count[3] = {pairs, 2 * pairs, pairs};
        for (size_t part = 0; part < 3; ++part) {
            const size_t row = part * limbs + t;
            const u64* added = row < addend.size() ? addend[row] + first : nullptr;
            l.rows.products(out[row] + first, &x[from[part]], &y[from[part]], count[part], added, columns, l.modulus);
        }
    });
}

void Ring::add_scalar(const RowsOut& out, const RowsIn& a, const std::vector<u64>& scalars, const Basis& basis,
                      size_t count) {
    each_row(out, basis, [&](size_t i, const Limb& l) {
        if (i < count * basis.size()) {
            l.rows.add_scalar(out[i], a[i], scalars[i % basis.size()], n_, l.modulus);
        } else {
            std::copy_n(a[i], n_, out[i]);
        }
    });
}

void Ring::multiply_scalar(const RowsOut& out, const RowsIn& a, const std::vector<u64>& scalars, const Basis& basis) {
    each_row(out, basis, [&](size_t i, const Limb& l) {
        const u64 w = scalars[i % basis.size()];
        l.rows.multiply_scalar(out[i], a[i], w, l.shoup(w), n_, l.modulus);
    });
}

void Ring::automorphism(const RowsOut& out, const RowsIn& x, u64 element, const Basis& basis, bool ntt) {
    if (ntt) {
        const auto g = galois(element);
        const Permutation p = g->view();
        each_row(out, basis, [&](size_t i, const Limb& l) { l.rows.permute(out[i], x[i], p, n_); });
        return;
    }
    each_row(out, basis, [&](size_t i, const Limb& l) {
        const u64 q = l.modulus.q;
        const size_t mask = 2 * n_ - 1, step = element & mask;
        for (size_t j = 0, place = 0; j < n_; ++j, place = (place + step) & mask) {
            const u64 v = x[i][j];
            out[i][place & (n_ - 1)] = place < n_ || v == 0 ? v : q - v;
        }
    });
}

bool Ring::is_reduced(const RowsIn& x, const Basis& basis) {
    std::atomic<bool> good{true};
    pool_.run(x.size(), [&](size_t i, unsigned) {
        const u64 q = limb(basis[i % basis.size()]).modulus.q;
        bool all = true;
        for (size_t j = 0; j < n_; ++j) {
            all &= x[i][j] < q;
        }
        if (!all) {
            good = false;
        }
    });
    return good;
}

}  // namespace vx
