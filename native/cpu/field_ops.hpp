// The table of inner loops that each instruction set fills: plain functions on limbs, without threads or allocation, so
// that nothing of the standard library is ever compiled with instructions the machine may lack.
#pragma once
#include <cstddef>
#include <cstdint>

#include "vortex/config.hpp"

namespace vx {

// Elements are four limbs in Montgomery form, R = 2^256, unless said otherwise; `out` may be an operand, unless said.
struct VectorOps {
    void (*add)(const u64* a, const u64* b, u64* out, size_t n);
    void (*sub)(const u64* a, const u64* b, u64* out, size_t n);
    void (*mul)(const u64* a, const u64* b, u64* out, size_t n);
    void (*mul_add)(const u64* a, const u64* b, const u64* c, u64* out, size_t n);
    void (*scale)(const u64* a, const u64* s, u64* out, size_t n);
    void (*inner_product)(const u64* a, const u64* b, u64* out, size_t n);  // out: one element
    void (*powers)(const u64* base, const u64* first, u64* out, size_t n);
    void (*power)(const u64* base, u64 exponent, u64* out);  // one element
    void (*inverse)(const u64* a, u64* out, size_t n);       // zero for zero; out is not a
    void (*to_montgomery)(const u64* plain, u64* out, size_t n);
    void (*from_montgomery)(const u64* a, u64* out, size_t n);
    void (*from_int64)(const int64_t* values, u64* out, size_t n);
    // out_i = Σ values_k x[indices_k], k in [indptr_i, indptr_{i+1}).
    void (*csr)(const int64_t* indptr, const int64_t* indices, const u64* values, const u64* x, u64* out, size_t rows);
    // The same with coefficients that are integers.
    void (*csr_int64)(const int64_t* indptr, const int64_t* indices, const int64_t* values, const u64* x, u64* out, size_t rows);
    void (*canonical)(const u64* limbs, uint8_t* below, size_t n);  // one where an element is below p
};

constexpr unsigned longest_chain = 128;

// Chains of additions: sum_c = Σ ±points[items[k] >> 1], k in [start_c, start_c + length_c), the low bit of an item being
// the sign. Lengths are at most `longest_chain` and do not rise from one chain to the next. Points are prepared (see GroupOps) and finite.
struct Chains {
    const u64* points;
    const u32* items;
    const u32* start;
    const u32* length;
    size_t count;  // at most GroupOps::tile
    u64* out;      // prepared points, `words` apart
};

struct GroupOps {
    size_t words;    // of a point: 8 in G1, 16 in G2
    size_t tile;     // chains taken at a time
    size_t scratch;  // bytes that `accumulate` and `add` want, aligned to 64
    // Points are prepared for `accumulate` and `add` in a form of the instruction set's own, `words` each, and finished back.
    void (*prepare)(const u64* points, u64* out, size_t n);
    void (*finish)(const u64* prepared, u64* out, size_t n);
    void (*accumulate)(const Chains& chains, void* scratch);
    // out_i = a_i + b_i for n <= tile prepared points, infinity included; out may be a or b.
    void (*add)(const u64* a, const u64* b, u64* out, size_t n, void* scratch);
    // Given finished affine run_s, tot_s of each of `segments` runs of 2^log_length buckets in each of `windows` windows of c
    // bits: Σ_w 2^(cw) Σ_s (tot_s + s·2^log_length·run_s), affine.
    void (*combine)(const u64* run, const u64* tot, size_t segments, size_t log_length, size_t windows, size_t c, u64* out);
    // out[w·half + d - 1] = d·2^(cw)·base, d in [1, half], half = 2^(c-1), affine; windows w0 up to w1.
    void (*table)(const u64* base, size_t c, size_t w0, size_t w1, u64* out);
    void (*multiply)(const u64* points, const u64* plain_scalars, u64* out, size_t n);
    void (*valid)(const u64* points, uint8_t* out, size_t n);
    void (*lift_x)(const u64* x, const uint8_t* larger, u64* out, uint8_t* found, size_t n);
    void (*negate)(const u64* points, u64* out, size_t n);
};

// The transform of n = n1·n2 values, index j = n2·j1 + j2 in, k = k1 + n1·k2 out, eight columns or rows at a time.
// `roots` are the powers 0 .. n1/2 - 1 (n2/2 - 1) of the primitive root of that order.
struct NttOps {
    size_t scratch_per_row;  // bytes for each of a column's n1, or a row's n2, values
    // n values, any power of two, in place, by plain loops: for what is too small to be cut in tiles.
    void (*small)(u64* values, size_t log_n, const u64* roots);
    // Columns j2 in [begin, end): values times shift[j1] (unless null), transformed over j1, times first[j2]·step[j2]^k1, to
    // `middle` [n1][n2], whose values are the instruction set's own business.
    void (*columns)(const u64* in, u64* middle, size_t log_n1, size_t log_n2, size_t begin, size_t end, const u64* roots,
                    const u64* shift, const u64* first, const u64* step, void* scratch);
    // Rows k1 in [begin, end): values transformed over j2, times scale[k2] (unless null), to out [n2][n1].
    void (*rows)(const u64* middle, u64* out, size_t log_n1, size_t log_n2, size_t begin, size_t end, const u64* roots,
                 const u64* scale, void* scratch);
};

constexpr size_t pairs_together = 32;  // pairs that share their squarings

struct PairingOps {
    // The lines of n points of G2, `line_words` a point: see `Line` in vortex/pairing.hpp; zeros for infinity.
    void (*lines)(const u64* q, u64* lines, size_t n);
    // Miller's loop over at most `pairs_together` pairs; infinity counts as one.
    void (*miller)(const u64* p, const u64* const* lines, size_t pairs, u64* f12);
    // The same for points of G2 that are not prepared, or null where they had better be.
    void (*miller_of_points)(const u64* p, const u64* q, size_t pairs, u64* f12);
    void (*multiply)(u64* f12, const u64* other);
    void (*final)(const u64* f12, u64* out);
};

struct FieldOps {
    const char* isa;
    VectorOps fr, fq;
    GroupOps g1, g2;
    NttOps ntt;
    PairingOps pairing;
};

const FieldOps& field_ops_portable();
const FieldOps& field_ops_avx2();
const FieldOps& field_ops_ifma();

}  // namespace vx
