// A ring Z_Q[X]/(X^N + 1) with its tables: the CPU engine behind vortex_crypto.arith.ring, kernel by kernel.
//
// What each kernel means is said in vortex_crypto/arith/ring/kernels.py. Operands are lists of rows, row i of a batch
// being limb i mod L of polynomial i / L; shapes are checked by the caller (bind_ring.cpp). Results lie apart from operands.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "arena.hpp"
#include "parallel.hpp"
#include "ring_rows.hpp"

namespace vx {

using Basis = std::vector<int>;
using RowsOut = std::vector<u64*>;
using RowsIn = std::vector<const u64*>;

// floor(w 2^bits / q)
u64 shoup_quotient(u64 w, u64 q, int bits);
u64 power_mod(u64 base, u64 exponent, const Modulus& m);

// One prime of the ring: how its rows are computed, and their tables.
class Limb {
public:
    Limb(u64 q, u64 root, size_t n, const Rows& rows, const Rows& any_rows);
    Limb(const Limb&) = delete;
    Limb& operator=(const Limb&) = delete;

    u64 shoup(u64 w) const { return shoup_quotient(w, modulus.q, rows.shoup_bits); }
    u64 inverse(u64 a) const { return power_mod(a, modulus.q - 2, modulus); }

    const Modulus modulus;
    const Rows& rows;      // for residues modulo this prime
    const Rows& any_rows;  // for sums over residues modulo any primes
    NttTable table;

private:
    std::vector<u64> store_;
};

// A term of weighted sums: rows [part][limb], or, with `lifted` rows [digit][limb], the pair that key_switch_inner makes
// of them, a block at a time where the sums want it.
struct Term {
    RowsIn parts;
    RowsIn lifted, key, addend;
    u64 element = 1;
};

class Ring {
public:
    // Throws std::invalid_argument on a path this machine does not have and on primes of 61 bits or more.
    Ring(size_t degree, const std::vector<u64>& moduli, const std::vector<u64>& roots, unsigned threads, const std::string& isa);

    size_t degree() const { return n_; }
    size_t primes() const { return limbs_.size(); }
    unsigned threads() const { return pool_.size(); }
    const std::string& isa() const { return isa_; }
    const std::shared_ptr<Arena>& arena() const { return arena_; }
    u64 modulus(int i) const { return limbs_[i]->modulus.q; }

    void ntt(const RowsOut& out, const RowsIn& x, const Basis& basis, bool inverse);
    // b: rows of so many of the first polynomials of a; the others are copied
    void add(const RowsOut& out, const RowsIn& a, const RowsIn& b, const Basis& basis);
    void sub(const RowsOut& out, const RowsIn& a, const RowsIn& b, const Basis& basis);
    void negate(const RowsOut& out, const RowsIn& a, const Basis& basis);
    void multiply(const RowsOut& out, const RowsIn& a, const RowsIn& b, const Basis& basis);
    void multiply_add(const RowsOut& out, const RowsIn& a, const RowsIn& b, const RowsIn& c, const Basis& basis);
    // a, b: rows [pair][2][limb]; addend: rows of none or two polynomials
    void tensor_sum(const RowsOut& out, const RowsIn& a, const RowsIn& b, const RowsIn& addend, const Basis& basis);
    // to the first `count` polynomials; the others are copied
    void add_scalar(const RowsOut& out, const RowsIn& a, const std::vector<u64>& scalars, const Basis& basis, size_t count);
    void multiply_scalar(const RowsOut& out, const RowsIn& a, const std::vector<u64>& scalars, const Basis& basis);
    void automorphism(const RowsOut& out, const RowsIn& x, u64 element, const Basis& basis, bool ntt);

    void extend(const RowsOut& out, const RowsIn& x, const Basis& source, const Basis& target, bool exact);
    // addend: rows of so many polynomials, at most as many as out has, over what is kept of the basis
    void mod_down(const RowsOut& out, const RowsIn& x, const Basis& basis, size_t count, const RowsIn& addend, u64 element);
    void reduce_signed(const RowsOut& out, const std::vector<const long long*>& x, const Basis& basis);
    bool is_reduced(const RowsIn& x, const Basis& basis);

    void decompose(const RowsOut& out, const RowsIn& x, const std::vector<Basis>& digits, const Basis& special);
    // key: rows [digit][2][limb of basis]; addend: rows of none, one or two polynomials
    void key_switch_inner(const RowsOut& out, const RowsIn& lifted, const RowsIn& key, const RowsIn& addend,
                          const Basis& basis, u64 element);
    // drop: so many primes at the end of the digits are divided by as well
    void key_switch(const RowsOut& out, const RowsIn& x, const RowsIn& key, const RowsIn& addend,
                    const std::vector<Basis>& digits, const Basis& special, u64 element, size_t drop);
    // out: rows [sum][part][limb]; weights: [sum][term][limb], null for none.
    // Weight k stands for 2^repeats[k] times as many places: each of its values is read so often.
    void weighted_sums(const RowsOut& out, const RowsIn& weights, const std::vector<unsigned>& repeats,
                       const std::vector<Term>& terms, size_t sums, size_t parts, const Basis& basis);

    // Rows of 2 n doubles (n complex numbers), extended: followed by 2 n low parts; roots: n real parts, n imaginary parts,
    // extended: then their low parts.
    void special_fft(const std::vector<double*>& out, const std::vector<const double*>& in, const double* roots, size_t n,
                     bool inverse, bool extended);
    // False if a coefficient is out of range; low rows may be null.
    bool round_to_residues(const RowsOut& out, const std::vector<const double*>& high, const std::vector<const double*>& low,
                           double scale_high, double scale_low, const Basis& basis);
    void lift_to_floats(const std::vector<double*>& high, const std::vector<double*>& low, const RowsIn& x, const Basis& basis);

    // Word for word those of vortex_crypto/arith/ring/stream.py; seeds have 32 bytes, out N places.
    void expand_uniform(const RowsOut& out, const unsigned char* seed, u64 stream, const Basis& basis);
    void sample_ternary(long long* out, const unsigned char* seed, u64 stream, u32 word) const;
    void sample_sparse_ternary(long long* out, const unsigned char* seed, u64 stream, u32 word, size_t weight) const;
    void sample_gaussian(long long* out, const unsigned char* seed, u64 stream, u32 word,
                         const std::vector<u64>& thresholds) const;

private:
    struct Galois {
        std::vector<u32> block;
        std::vector<unsigned char> kind;
        u64 pattern[8][8];
        Permutation view() const { return {block.data(), kind.data(), pattern}; }
    };
    // The permutation of an element, kept alive; null for the identity.
    class Turn {
    public:
        Turn(Ring& ring, u64 element) : galois_(element == 1 ? nullptr : ring.galois(element)) {
            if (galois_ != nullptr) {
                view_ = galois_->view();
            }
        }
        const Permutation* get() const { return galois_ == nullptr ? nullptr : &view_; }

    private:
        std::shared_ptr<const Galois> galois_;
        Permutation view_{};
    };
    struct Extension;
    class TurnedRows;

    const Limb& limb(int i) const { return *limbs_[i]; }
    const Rows& any_rows() const { return limbs_[0]->any_rows; }
    void sample_uniform(u64* out, const unsigned char* seed, u64 stream, u32 limb_index) const;
    std::shared_ptr<const Galois> galois(u64 element);
    // f(row, its limb) for every row of out
    template <class F>
    void each_row(const RowsOut& out, const Basis& basis, F f) {
        pool_.run(out.size(), [&](size_t i, unsigned) { f(i, limb(basis[i % basis.size()])); });
    }
    Extension extension(const Basis& source, const Basis& target) const;
    u64 digit_scale(const Limb& l, const Basis& source) const;
    void coefficients_of_digit(u64* y, const u64* x, const Limb& l, const Basis& digit) const;
    // out[t] for the targets whose out row is not null, columns [first, first + count) of rows y
    void extend_block(u64* const* out, const u64* const* y, const Extension& e, size_t first, size_t count, bool exact) const;
    void divide_by_special(const RowsOut& out, const RowsIn& x, const Basis& basis, size_t count, const RowsIn& addend,
                           const Permutation* permutation);
    void lift_digits(const RowsOut& lifted, const RowsIn& x, const std::vector<Basis>& digits, const Basis& whole);
    Buffer<u64> words_of(size_t count) { return Buffer<u64>(arena_, count); }
    Buffer<u64> words(size_t rows) { return words_of(rows * n_); }

    const size_t n_;
    std::string isa_;
    Pool pool_;
    std::shared_ptr<Arena> arena_;
    std::vector<std::unique_ptr<Limb>> limbs_;
    std::mutex galois_mutex_;
    std::unordered_map<u64, std::shared_ptr<const Galois>> galois_;
};

}  // namespace vx
