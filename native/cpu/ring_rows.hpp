// The table of row kernels: what each instruction set provides, one residue row (limb) at a time.
//
// Plain data and pointers only. The translation units that fill the table are compiled with different flags, and nothing
// with code in it may be shared between them (see VX_ISA in config.hpp).
#pragma once

#include <cstddef>

#include "vortex/modulus.hpp"

namespace vx {

// Twiddles of one prime for one kind of lanes, as the rows want them.
//
// head/head_shoup: W[k] and its Shoup quotient, k < N, for butterflies between whole vectors; only the first N / lanes
// are kept. tail: for the stages inside a vector, per block of lanes^2 coefficients, lanes - 1 vectors of W, each followed
// by one of its quotients or, with montgomery_tail, alone and times 2^52 (see ring_ntt.hpp).
struct Twiddles {
    const u64* head;
    const u64* head_shoup;
    const u64* tail;
};

struct NttTable {
    Twiddles forward, inverse;
    u64 scale, scale_shoup;  // 1 / N
    u64 last, last_shoup;    // W[1]^-1 / N: the last inverse stage divides by N as well
};

inline constexpr size_t kPermutationPadding = 16;

// An automorphism of the NTT form. Blocks of eight places stay together: out[8 b + i] = in[8 block[b] + lane[i]] with
// lane = pattern[kind[b]].
struct Permutation {
    const u32* block;  // and kPermutationPadding more entries of any block, for reading ahead
    const unsigned char* kind;
    const u64 (*pattern)[8];
};

// out0 = sum_j phi(digits_j) keys_2j + phi(addend) and out1 = sum_j phi(digits_j) keys_2j+1, any count, over n places from
// `first` on; out0 and out1 are where those go. The permutation and the addend may be null.
struct InnerProduct {
    u64 *out0, *out1;
    const u64* const* digits;
    const u64* const* keys;
    size_t count;
    const u64* addend;
    const Permutation* permutation;
    size_t first, n;
    const u64* const* ahead = nullptr;  // the keys of the call to come, from their place `ahead_first` on, or null
    size_t ahead_first = 0;
};

// A row each of whose words stands for 2^repeat places: place i has words[i >> repeat].
struct Weight {
    const u64* words;
    unsigned repeat;
};

// Complex numbers, real and imaginary parts apart; the low parts of double-doubles, or null.
struct SplitRow {
    double *re, *im, *re_low, *im_low;
};

inline constexpr int kChaChaBlocks = 16;

// n is a multiple of eight in rows of residues. Rows hold residues in [0, q); results too. `out` may be one of the operands.
struct Rows {
    int shoup_bits;        // Shoup quotients are floor(w 2^shoup_bits / q): 52 or 64
    int lanes;             // twiddle tables are laid out for vectors of this many words
    size_t smallest;       // smallest N of the transforms
    bool montgomery_tail;
    void (*ntt)(u64* out, const u64* in, size_t n, const NttTable&, const Modulus&);
    void (*intt)(u64* out, const u64* in, size_t n, const NttTable&, const Modulus&);
    void (*add)(u64* out, const u64* a, const u64* b, size_t n, const Modulus&);
    void (*sub)(u64* out, const u64* a, const u64* b, size_t n, const Modulus&);
    void (*negate)(u64* out, const u64* a, size_t n, const Modulus&);
    void (*multiply)(u64* out, const u64* a, const u64* b, size_t n, const Modulus&);
    void (*multiply_add)(u64* out, const u64* a, const u64* b, const u64* c, size_t n, const Modulus&);
    // sum_j x_j y_j + addend, any count; addend may be null
    void (*products)(u64* out, const u64* const* x, const u64* const* y, size_t count, const u64* addend, size_t n,
                     const Modulus&);
    void (*add_scalar)(u64* out, const u64* a, u64 s, size_t n, const Modulus&);
    void (*multiply_scalar)(u64* out, const u64* a, u64 w, u64 w_shoup, size_t n, const Modulus&);
    // (a - b) w
    void (*sub_multiply)(u64* out, const u64* a, const u64* b, u64 w, u64 w_shoup, size_t n, const Modulus&);
    void (*permute)(u64* out, const u64* in, const Permutation&, size_t n);
    // out += phi(a); permutation may be null
    void (*add_permuted)(u64* out, const u64* a, const Permutation* permutation, size_t n, const Modulus&);
    void (*inner)(const InnerProduct&, const Modulus&);
    // out[s][p] = sum_b weights[s][b] terms[b][p], any count; weights from their place `first` on
    void (*weighted)(u64* const* out, const Weight* weights, size_t first, const u64* const* terms, size_t sums,
                     size_t count, size_t parts, size_t n, const Modulus&);
    // out = sum_i y_i weights_i, any count, rows y_i modulo other primes: below 2^52 for narrow rows, 2^61 for others
    void (*extend)(u64* out, const u64* const* y, const u64* weights, size_t count, size_t n, const Modulus&);
    // v = round(sum_i y_i inverses_i) in double precision, in this order
    void (*overflow)(u64* v, const u64* const* y, const double* inverses, size_t count, size_t n);
    // out = +-(hi 2^64 + lo) mod q, below 2^127; minus where `negative` is all ones rather than zero; hi may be null
    void (*reduce_words)(u64* out, const u64* lo, const u64* hi, const u64* negative, size_t n, const Modulus&);
    // The special FFT on n places in split form, extended where there are low parts; tables hold the twiddles of half-length h
    // from place h on. See embedding.py and ring_embedding.hpp. Numbers in memory: n pairs of real and imaginary parts, then,
    // extended, n more of their low parts.
    // The values in bit-reversed order, and the first three stages, n >= 64.
    void (*fft_first)(const SplitRow& z, const double* from, const SplitRow& table, size_t n);
    // The last three stages of the inverse, and its results in bit-reversed order times `scale`, n >= 64.
    void (*ifft_last)(double* to, const SplitRow& z, const SplitRow& table, size_t n, double scale);
    void (*part)(const SplitRow& z, const double* from, size_t n);
    void (*join)(double* to, const SplitRow& z, size_t n);
    // One stage, `table` from place `half` on.
    void (*fft_stage)(const SplitRow& z, const SplitRow& table, size_t n, size_t half);
    void (*ifft_stage)(const SplitRow& z, const SplitRow& table, size_t n, size_t half);
    void (*fft_stage_extended)(const SplitRow& z, const SplitRow& table, size_t n, size_t half);
    void (*ifft_stage_extended)(const SplitRow& z, const SplitRow& table, size_t n, size_t half);
    // |round(x s)| and its sign, all ones or zero, for the double-doubles x (x_low may be null) and s = scale_high + scale_low;
    // false, and nothing of use, if one of them is 2^62 or more
    bool (*round_small)(u64* magnitude, u64* negative, const double* x, const double* x_low, double scale_high,
                        double scale_low, size_t n);
    // The words of `count`, a multiple of eight, that are below the modulus under its mask, in order; returns how many they
    // are. Up to eight places behind them may be written to.
    size_t (*accept)(u64* out, const u32* words, size_t count, u64 modulus);
    // kChaChaBlocks blocks of 16 words of ChaCha20 for the state `input`, block counters first, first + 1, ..
    void (*chacha)(u32* out, const u32* input, u32 first);
};

// By instruction set; those other than portable exist in builds for x86-64 alone. `narrow` rows need q < 2^50.
const Rows& rows_portable();
const Rows* rows_avx2();
const Rows* rows_ifma_narrow();
const Rows* rows_ifma_wide();

}  // namespace vx
