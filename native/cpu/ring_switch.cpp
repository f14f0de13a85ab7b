// Change of basis and key switching.
#include <algorithm>

#include "ring.hpp"

namespace vx {

namespace {

constexpr size_t kColumns = 256;   // columns of a block: a digit of them fits the first cache
constexpr size_t kSumBytes = size_t{768} << 10;
constexpr size_t kFewestColumns = 64;
constexpr size_t kPadding = 8;
constexpr size_t kRuns = 4;
constexpr u64 kNarrowLimit = u64{1} << 50;
constexpr int kSplitBits = 48;  // of the lower part of a wide residue that meets a narrow prime

Basis joined(const std::vector<Basis>& digits, const Basis& special) {
    Basis whole;
    for (const Basis& digit : digits) {
        whole.insert(whole.end(), digit.begin(), digit.end());
    }
    whole.insert(whole.end(), special.begin(), special.end());
    return whole;
}

RowsOut rows_of(const Buffer<u64>& buffer, size_t count, size_t n) {
    RowsOut rows(count);
    for (size_t i = 0; i < count; ++i) {
        rows[i] = buffer.row(i, n);
    }
    return rows;
}

}  // namespace

// What carries residues y_i from one basis to another, D the product of the source primes:
//   x = sum_i y_i D/q_i - v D modulo each target prime.
// Where residues are too wide for a narrow prime's products, they go in two parts, each with a weight of its own.
struct Ring::Extension {
    std::vector<double> inverses;  // 1 / q_i
    struct Target {
        const Limb* limb;
        const Rows* rows;
        bool split;
        std::vector<u64> weights;  // D/q_i mod p (split: and 2^48 times that), then -D mod p
    };
    std::vector<Target> targets;
    bool any_split = false;
};

Ring::Extension Ring::extension(const Basis& source, const Basis& target) const {
    Extension e;
    bool narrow = true;
    for (int i : source) {
        e.inverses.push_back(1.0 / static_cast<double>(modulus(i)));
        narrow = narrow && modulus(i) < kNarrowLimit;
    }
    for (int t : target) {
        const Limb& l = limb(t);
        const bool split = !narrow && &l.rows != &l.any_rows;
        Extension::Target made{&l, narrow || split ? &l.rows : &l.any_rows, split, {}};
        e.any_split = e.any_split || split;
        std::vector<u64> before{1};  // products of the primes up to each
        for (int k : source) {
            before.push_back(mul_mod(before.back(), modulus(k) % l.modulus.q, l.modulus));
        }
        const size_t parts = split ? 2 : 1;
        made.weights.resize(parts * source.size());
        u64 after = 1;
        for (size_t i = source.size(); i-- > 0;) {
            const u64 weight = mul_mod(before[i], after, l.modulus);
            made.weights[parts * i] = weight;
            if (split) {
                made.weights[parts * i + 1] = mul_mod(weight, (u64{1} << kSplitBits) % l.modulus.q, l.modulus);
            }
            after = mul_mod(after, modulus(source[i]) % l.modulus.q, l.modulus);
        }
        made.weights.push_back(after == 0 ? 0 : l.modulus.q - after);
        e.targets.push_back(std::move(made));
    }
    return e;
}

// (D/q_i)^-1 mod q_i
u64 Ring::digit_scale(const Limb& l, const Basis& source) const {
    u64 others = 1;
    for (int k : source) {
        if (&limb(k) != &l) {
            others = mul_mod(others, modulus(k) % l.modulus.q, l.modulus);
        }
    }
    return l.inverse(others);
}

// y = x (D/q_i)^-1 mod q_i for one limb of a digit, x in NTT form, y in coefficient form: the division by N takes the
// factor along.
void Ring::coefficients_of_digit(u64* y, const u64* x, const Limb& l, const Basis& digit) const {
    const u64 factor = digit_scale(l, digit);
    NttTable table = l.table;
    table.scale = mul_mod(table.scale, factor, l.modulus);
    table.scale_shoup = l.shoup(table.scale);
    table.last = mul_mod(table.last, factor, l.modulus);
    table.last_shoup = l.shoup(table.last);
    l.rows.intt(y, x, n_, table, l.modulus);
}

void Ring::extend_block(u64* const* out, const u64* const* y, const Extension& e, size_t first, size_t count,
                        bool exact) const {
    const size_t sources = e.inverses.size();
    std::vector<const u64*> columns(sources + 1), halves(2 * sources + 1);
    for (size_t i = 0; i < sources; ++i) {
        columns[i] = y[i] + first;
    }
    alignas(64) u64 v[kColumns];
    if (exact) {
        e.targets[0].rows->overflow(v, columns.data(), e.inverses.data(), sources, count);
        columns[sources] = halves[2 * sources] = v;
    }
    std::vector<u64> parts(e.any_split ? 2 * sources * count : 0);
    for (size_t i = 0; i < sources && e.any_split; ++i) {
        u64 *low = &parts[2 * i * count], *high = low + count;
        for (size_t j = 0; j < count; ++j) {
            low[j] = columns[i][j] & ((u64{1} << kSplitBits) - 1);
            high[j] = columns[i][j] >> kSplitBits;
        }
        halves[2 * i] = low;
        halves[2 * i + 1] = high;
    }
    for (size_t t = 0; t < e.targets.size(); ++t) {
        if (out[t] != nullptr) {
            const Extension::Target& target = e.targets[t];
            target.rows->extend(out[t] + first, (target.split ? halves : columns).data(), target.weights.data(),
                                (target.split ? 2 : 1) * sources + exact, count, target.limb->modulus);
        }
    }
}

void Ring::extend(const RowsOut& out, const RowsIn& x, const Basis& source, const Basis& target, bool exact) {
    const Buffer<u64> scratch = words(x.size());
    const RowsOut y = rows_of(scratch, x.size(), n_);
    each_row(y, source, [&](size_t i, const Limb& l) {
        const u64 factor = digit_scale(l, source);
        l.rows.multiply_scalar(y[i], x[i], factor, l.shoup(factor), n_, l.modulus);
    });
    const Extension e = extension(source, target);
    const size_t columns = std::min(n_, kColumns), blocks = n_ / columns, batch = x.size() / source.size();
    pool_.run(batch * blocks, [&](size_t task, unsigned) {
        const size_t b = task / blocks;
        extend_block(&out[b * target.size()], &y[b * source.size()], e, task % blocks * columns, columns, exact);
    });
}

void Ring::mod_down(const RowsOut& out, const RowsIn& x, const Basis& basis, size_t count, const RowsIn& addend,
                    u64 element) {
    divide_by_special(out, x, basis, count, addend, Turn(*this, element).get());
}

// mod_down, plus phi(addend) on as many polynomials as it has.
void Ring::divide_by_special(const RowsOut& out, const RowsIn& x, const Basis& basis, size_t count, const RowsIn& addend,
                             const Permutation* permutation) {
    const Pool::Watch awake(pool_, pool_.size());
    const size_t kept = basis.size() - count, batch = x.size() / basis.size();
    const Basis source(basis.begin() + kept, basis.end()), target(basis.begin(), basis.begin() + kept);
    const Buffer<u64> scratch = words(batch * count);
    const RowsOut y = rows_of(scratch, batch * count, n_);
    RowsIn tails;
    for (size_t b = 0; b < batch; ++b) {
        tails.insert(tails.end(), x.begin() + b * basis.size() + kept, x.begin() + (b + 1) * basis.size());
    }
    each_row(y, source, [&](size_t i, const Limb& l) { coefficients_of_digit(y[i], tails[i], l, source); });
    const Extension e = extension(source, target);
    const size_t columns = std::min(n_, kColumns), blocks = n_ / columns;
    pool_.run(batch * blocks, [&](size_t task, unsigned) {
        const size_t b = task / blocks;
        extend_block(&out[b * kept], &y[b * count], e, task % blocks * columns, columns, true);
    });
    each_row(out, target, [&](size_t i, const Limb& l) {
        u64 whole = 1;
        for (int k : source) {
            whole = mul_mod(whole, modulus(k) % l.modulus.q, l.modulus);
        }
        const u64 w = l.inverse(whole);
        l.rows.ntt(out[i], out[i], n_, l.table, l.modulus);
        l.rows.sub_multiply(out[i], x[i / kept * basis.size() + i % kept], out[i], w, l.shoup(w), n_, l.modulus);
        if (i < addend.size()) {
            l.rows.add_permuted(out[i], addend[i], permutation, n_, l.modulus);
        }
    });
}

void Ring::reduce_signed(const RowsOut& out, const std::vector<const long long*>& x, const Basis& basis) {
    const Buffer<u64> magnitude = words(x.size()), negative = words(x.size());
    pool_.run(x.size(), [&](size_t i, unsigned) {
        u64 *m = magnitude.row(i, n_), *s = negative.row(i, n_);
        for (size_t j = 0; j < n_; ++j) {
            s[j] = x[i][j] < 0 ? ~u64{0} : 0;
            m[j] = (static_cast<u64>(x[i][j]) ^ s[j]) - s[j];
        }
    });
    each_row(out, basis, [&](size_t i, const Limb& l) {
        const size_t b = i / basis.size();
        l.rows.reduce_words(out[i], magnitude.row(b, n_), nullptr, negative.row(b, n_), n_, l.modulus);
    });
}

// lifted: rows [digit][limb of whole], null where nothing is wanted, in coefficient form.
void Ring::lift_digits(const RowsOut& lifted, const RowsIn& x, const std::vector<Basis>& digits, const Basis& whole) {
    const Buffer<u64> scratch = words(x.size());
    const RowsOut y = rows_of(scratch, x.size(), n_);
    std::vector<Extension> extensions;
    std::vector<size_t> first;
    size_t at = 0;
    for (const Basis& digit : digits) {
        extensions.push_back(extension(digit, whole));
        first.push_back(at);
        at += digit.size();
    }
    pool_.run(x.size(), [&](size_t i, unsigned) {
        const size_t j = std::upper_bound(first.begin(), first.end(), i) - first.begin() - 1;
        coefficients_of_digit(y[i], x[i], limb(digits[j][i - first[j]]), digits[j]);
    });
    const size_t columns = std::min(n_, kColumns), blocks = n_ / columns;
    pool_.run(digits.size() * blocks, [&](size_t task, unsigned) {
        const size_t j = task / blocks;
        extend_block(&lifted[j * whole.size()], &y[first[j]], extensions[j], task % blocks * columns, columns, true);
    });
}

void Ring::decompose(const RowsOut& out, const RowsIn& x, const std::vector<Basis>& digits, const Basis& special) {
    const Basis whole = joined(digits, special);
    RowsOut wanted = out;
    size_t first = 0;
    for (size_t j = 0; j < digits.size(); first += digits[j].size(), ++j) {
        std::fill_n(wanted.begin() + j * whole.size() + first, digits[j].size(), nullptr);
    }
    const Pool::Watch awake(pool_, pool_.size());
    lift_digits(wanted, x, digits, whole);
    each_row(out, whole, [&](size_t i, const Limb& l) {
        if (wanted[i] == nullptr) {
            std::copy(x[i % whole.size()], x[i % whole.size()] + n_, out[i]);
        } else {
            l.rows.ntt(out[i], out[i], n_, l.table, l.modulus);
        }
    });
}

void Ring::key_switch_inner(const RowsOut& out, const RowsIn& lifted, const RowsIn& key, const RowsIn& addend,
                            const Basis& basis, u64 element) {
    const Turn turn(*this, element);
    const size_t limbs = basis.size(), count = lifted.size() / limbs;
    pool_.run(limbs, [&](size_t t, unsigned) {
        std::vector<const u64*> digits(count), keys(2 * count);
        for (size_t j = 0; j < count; ++j) {
            digits[j] = lifted[j * limbs + t];
            keys[2 * j] = key[2 * j * limbs + t];
            keys[2 * j + 1] = key[(2 * j + 1) * limbs + t];
        }
        const Limb& l = limb(basis[t]);
        const u64* added = addend.empty() ? nullptr : addend[t];
        l.rows.inner({out[t], out[limbs + t], digits.data(), keys.data(), count, added, turn.get(), 0, n_}, l.modulus);
        for (size_t i = limbs + t; i < addend.size(); i += limbs) {
            l.rows.add_permuted(out[i], addend[i], turn.get(), n_, l.modulus);
        }
    });
}

void Ring::key_switch(const RowsOut& out, const RowsIn& x, const RowsIn& key, const RowsIn& addend,
                      const std::vector<Basis>& digits, const Basis& special, u64 element, size_t drop) {
    const Pool::Watch awake(pool_, pool_.size());
    const Basis whole = joined(digits, special);
    const size_t limbs = whole.size();
    const Buffer<u64> scratch = words((digits.size() + 2) * limbs);
    const RowsOut rows = rows_of(scratch, (digits.size() + 2) * limbs, n_);
    RowsOut lifted(rows.begin(), rows.end() - 2 * limbs);
    const RowsOut inner(rows.end() - 2 * limbs, rows.end());
    size_t first = 0;
    for (size_t j = 0; j < digits.size(); first += digits[j].size(), ++j) {
        std::fill_n(lifted.begin() + j * limbs + first, digits[j].size(), nullptr);
    }
    lift_digits(lifted, x, digits, whole);
    const Turn turn(*this, element);
    // What primes of the chain divide too is added before the division, times the special primes: zero modulo those.
    const bool added = drop != 0 && !addend.empty();
    const Buffer<u64> products = words(added ? threads() : 0);
    // Limb by limb, so that the digits of one limb are still in the second cache when they meet the key.
    pool_.run(limbs, [&](size_t t, unsigned worker) {
        const Limb& l = limb(whole[t]);
        const size_t count = digits.size();
        std::vector<const u64*> terms(count), keys(2 * count);
        for (size_t j = 0; j < count; ++j) {
            u64* row = lifted[j * limbs + t];
            if (row != nullptr) {
                l.rows.ntt(row, row, n_, l.table, l.modulus);
            }
            terms[j] = row == nullptr ? x[t] : row;
            keys[2 * j] = key[2 * j * limbs + t];
            keys[2 * j + 1] = key[(2 * j + 1) * limbs + t];
        }
        l.rows.inner({inner[t], inner[limbs + t], terms.data(), keys.data(), count, nullptr, turn.get(), 0, n_}, l.modulus);
        for (size_t i = t; added && t < x.size() && i < addend.size() / x.size() * limbs; i += limbs) {
            u64 w = 1;
            for (int k : special) {
                w = mul_mod(w, modulus(k) % l.modulus.q, l.modulus);
            }
            u64* product = products.row(worker, n_);
            l.rows.multiply_scalar(product, addend[i / limbs * x.size() + t], w, l.shoup(w), n_, l.modulus);
            l.rows.add_permuted(inner[i], product, turn.get(), n_, l.modulus);
        }
    });
    divide_by_special(out, RowsIn(inner.begin(), inner.end()), whole, special.size() + drop, added ? RowsIn() : addend,
                      turn.get());
}

// The turned terms of one limb: rows found once, pairs made a block of columns at a time.
class Ring::TurnedRows {
public:
    // `turned` are the terms in question.
    TurnedRows(const std::vector<Term>& terms, const std::vector<Turn>& turns, const std::vector<size_t>& turned,
               size_t limbs, size_t t) {
        for (size_t b : turned) {
            const Term& term = terms[b];
            Rows r{{}, {}, {nullptr, nullptr}, turns[b].get()};
            for (size_t at = t; at < term.lifted.size(); at += limbs) {
                r.digits.push_back(term.lifted[at]);
            }
            for (size_t at = t; at < term.key.size(); at += limbs) {
                r.keys.push_back(term.key[at]);
            }
            for (size_t k = 0; k * limbs < term.addend.size(); ++k) {
                r.addend[k] = term.addend[k * limbs + t];
            }
            rows_.push_back(std::move(r));
        }
    }

    size_t size() const { return rows_.size(); }

    // Columns [first, first + columns) of the i-th pair; what is read of keys next is asked for.
    void pair(u64* out0, u64* out1, size_t i, size_t first, size_t columns, size_t n, const Limb& l) const {
        const Rows& r = rows_[i];
        const bool last = i + 1 == rows_.size();
        const Rows& next = rows_[last ? 0 : i + 1];
        const size_t next_first = last ? first + columns : first;
        InnerProduct a{out0, out1, r.digits.data(), r.keys.data(), r.digits.size(), r.addend[0], r.turn, first, columns};
        if (next_first < n && next.keys.size() == r.keys.size()) {
            a.ahead = next.keys.data();
            a.ahead_first = next_first;
        }
        l.rows.inner(a, l.modulus);
        if (r.addend[1] != nullptr) {
            Permutation part{};
            if (r.turn != nullptr) {
                part = {r.turn->block + first / 8, r.turn->kind + first / 8, r.turn->pattern};
            }
            l.rows.add_permuted(out1, r.addend[1] + (r.turn == nullptr ? first : 0), r.turn == nullptr ? nullptr : &part,
                                columns, l.modulus);
        }
    }

private:
    struct Rows {
        std::vector<const u64*> digits, keys;
        const u64* addend[2];
        const Permutation* turn;
    };
    std::vector<Rows> rows_;
};

void Ring::weighted_sums(const RowsOut& out, const RowsIn& weights, const std::vector<unsigned>& repeats,
                         const std::vector<Term>& terms, size_t sums, size_t parts, const Basis& basis) {
    // Columns of all terms stay in the second cache, beside the weights that pass by.
    const size_t limbs = basis.size(), count = terms.size();
    size_t columns = n_;
    while (columns > kFewestColumns && count * parts * columns * sizeof(u64) > kSumBytes) {
        columns /= 2;
    }
    std::vector<std::vector<size_t>> used(sums);
    for (size_t k = 0; k < sums * count; ++k) {
        if (weights[k * limbs] != nullptr) {
            used[k / count].push_back(k % count);
        }
    }
    std::vector<Turn> turns;
    std::vector<size_t> turned, there;
    for (size_t b = 0; b < count; ++b) {
        turns.emplace_back(*this, terms[b].element);
        (terms[b].lifted.empty() ? there : turned).push_back(b);
    }
    // Terms that are turned, or that several sums read, have their columns side by side: rows of a power of two of words
    // would all want the same few places of the caches.
    const bool gathers = sums > 1;
    const size_t stride = columns + kPadding;
    // Each task is a run of blocks of one limb.
    const size_t blocks = n_ / columns, runs = std::min(blocks, kRuns);
    pool_.run(limbs * runs, [&](size_t task, unsigned) {
        const size_t t = task / runs, run = task % runs;
        const Limb& l = limb(basis[t]);
        const TurnedRows pairs(terms, turns, turned, limbs, t);
        const Buffer<u64> tile = words_of(gathers || !turned.empty() ? count * parts * stride : 0);
        std::vector<Weight> w;
        w.reserve(sums * count);
        for (size_t s = 0; s < sums; ++s) {
            for (size_t b : used[s]) {
                w.push_back({weights[(s * count + b) * limbs + t], repeats[s * count + b]});
            }
        }
        RowsIn columns_of(count * parts), x;
        RowsOut y;
        for (size_t first = blocks * run / runs * columns; first < blocks * (run + 1) / runs * columns; first += columns) {
            for (size_t k = 0; k < there.size() * parts; ++k) {
                const size_t row = there[k / parts] * parts + k % parts;
                const u64* from = terms[row / parts].parts[row % parts * limbs + t] + first;
                columns_of[row] = gathers ? std::copy_n(from, columns, tile.row(row, stride)) - columns : from;
            }
            for (size_t i = 0; i < turned.size(); ++i) {
                u64 *row0 = tile.row(turned[i] * parts, stride), *row1 = row0 + stride;
                pairs.pair(row0, row1, i, first, columns, n_, l);
                columns_of[turned[i] * parts] = row0;
                columns_of[turned[i] * parts + 1] = row1;
            }
            const Weight* weights_of = w.data();
            for (size_t s = 0, next; s < sums; s = next) {
                // sums over the same terms go together
                for (next = s + 1; next < sums && used[next] == used[s];) {
                    ++next;
                }
                x.clear();
                y.clear();
                for (size_t b : used[s]) {
                    x.insert(x.end(), &columns_of[b * parts], &columns_of[b * parts] + parts);
                }
                for (size_t i = s * parts; i < next * parts; ++i) {
                    y.push_back(out[i * limbs + t] + first);
                }
                l.rows.weighted(y.data(), weights_of, first, x.data(), next - s, used[s].size(), parts, columns, l.modulus);
                weights_of += (next - s) * used[s].size();
            }
        }
    });
}

}  // namespace vx
