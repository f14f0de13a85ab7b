// Vectors over Fr and Fq in Montgomery form, transforms and sparse products over Fr (vortex_crypto/arith/field/kernels.py
// defines what each computes). Vectors have n elements; a step of 0 stands for one element that serves all places.
#include <elements.hpp>
#include <pass.hpp>

namespace vx {

constexpr u32 sum_threads = 256, fr_tile = 1024;

// first * base^e.
template <class F>
__device__ __forceinline__ F power(F first, F base, u64 e) {
    for (; e; e >>= 1) {
        if (e & 1) first = first * base;
        base = base.square();
    }
    return first;
}

// Montgomery's trick over every T-th element, T the threads of the grid; out, which is not a, holds the products of those
// before. The inverse of zero is zero.
template <class F>
__device__ __forceinline__ void invert(F* out, const F* a, u64 n) {
    const u64 threads = (u64)gridDim.x * blockDim.x, mine = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (mine >= n) return;
    F product = F::one();
    u64 i = mine;
    for (;; i += threads) {
        out[i] = product;
        const F value = a[i];
        if (!value.is_zero()) product = product * value;
        if (n - i <= threads) break;
    }
    F inverse = product.inverse();
    for (;; i -= threads) {
        const F value = a[i];
        if (value.is_zero()) {
            out[i] = F::zero();
        } else {
            out[i] = inverse * out[i];
            inverse = inverse * value;
        }
        if (i == mine) break;
    }
}

// first base^i for every T-th i, T the threads of the grid.
template <class F>
__device__ __forceinline__ void powers(F* out, const F& base, const F& first, u64 n) {
    const u64 threads = (u64)gridDim.x * blockDim.x;
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    F value = power(first, base, i);
    const F step = n > threads ? power(F::one(), base, threads) : F::one();
    for (;; i += threads) {
        out[i] = value;
        if (n - i <= threads) break;
        value = value * step;
    }
}

// What a block keeps of a transform, limb by limb: neighbouring threads use neighbouring words. Rows are four words longer
// than the tile, so that the four limbs of an element, which four threads load and store, lie in different banks.
struct Tile {
    u64 limbs[4][fr_tile + 4];

    __device__ __forceinline__ Fr get(u32 e) const { return {{limbs[0][e], limbs[1][e], limbs[2][e], limbs[3][e]}}; }
    __device__ __forceinline__ void set(u32 e, const Fr& value) {
        for (u32 j = 0; j < 4; ++j) limbs[j][e] = value.v[j];
    }
    __device__ __forceinline__ void load(const Fr* x, const Pass& pass) {
        const u32 words = 4u << (pass.log_rows + pass.log_columns);
        for (u32 w = threadIdx.x; w < words; w += blockDim.x) limbs[w & 3][w >> 2] = x[pass.place(blockIdx.x, w >> 2)].v[w & 3];
        __syncthreads();
    }
    __device__ __forceinline__ void store(Fr* out, const Pass& pass) const {
        const u32 words = 4u << (pass.log_rows + pass.log_columns);
        for (u32 w = threadIdx.x; w < words; w += blockDim.x) out[pass.place(blockIdx.x, w >> 2)].v[w & 3] = limbs[w & 3][w >> 2];
    }
};

// R stages in registers, on 2^R rows at a time: stages s .. s + R - 1 of the pass.
template <int R, bool forward>
__device__ __forceinline__ void stages(Tile& tile, const Pass& pass, u32 s, u32 block, const Fr* twiddles) {
    constexpr int count = 1 << R;
    const u32 log_low = pass.log_rows - s - R, groups = 1u << (pass.log_rows - R + pass.log_columns);
    for (u32 g = threadIdx.x; g < groups; g += blockDim.x) {
        const u32 column = g & ((1u << pass.log_columns) - 1), rest = g >> pass.log_columns;
        const u32 low = rest & ((1u << log_low) - 1), high = rest >> log_low;
        const u32 at = (((high << R << log_low) + low) << pass.log_columns) + column;
        const u32 step = 1u << (log_low + pass.log_columns);
        Fr v[count];
#pragma unroll
        for (int e = 0; e < count; ++e) v[e] = tile.get(at + e * step);
#pragma unroll
        for (int stage = 0; stage < R; ++stage) {
            const int j = forward ? stage : R - 1 - stage, half = count >> (j + 1);
            const u32 mine = (block << (s + j)) + (high << j);
#pragma unroll
            for (int e = 0; e < count; ++e) {
                if (e & half) continue;
                const Fr twiddle = twiddles[mine + (u32)(e >> (R - j))];
                const Fr x = v[e], y = forward ? v[e + half] * twiddle : v[e + half];
                v[e] = x + y;
                v[e + half] = forward ? x - y : (x - y) * twiddle;
            }
        }
#pragma unroll
        for (int e = 0; e < count; ++e) tile.set(at + e * step, v[e]);
    }
    __syncthreads();
}

// Each block leaves the sum of what its threads saw in out[blockIdx.x].
template <class F>
__device__ __forceinline__ void sum(F* out, const F* a, u64 n, F* parts) {
    F total = F::zero();
    VX_EACH(i) total = total + a[i];
    parts[threadIdx.x] = total;
    __syncthreads();
    for (u32 half = sum_threads / 2; half; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] = parts[threadIdx.x] + parts[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = parts[0];
}

}  // namespace vx

using namespace vx;

#define VX_NAME(kernel) fr_##kernel
#define VX_ELEMENT Fr
#include <vectors.inc>
#undef VX_ELEMENT
#undef VX_NAME

#define VX_NAME(kernel) fq_##kernel
#define VX_ELEMENT Fq
#include <vectors.inc>
#undef VX_ELEMENT
#undef VX_NAME

VX_KERNEL(256) fr_bit_reverse(Fr* out, const Fr* x, u32 log_n) {
    const u64 n = 1ull << log_n;
    VX_EACH(i) out[i] = x[reverse_bits((u32)i, log_n)];
}

// One pass of the cyclic transform, natural order in, bit-reversed out. Block i of every stage works modulo X^(2t) - c^2
// with c = omega^brv(i) = twiddles[i], i < n/2, the reversal being that of log_n - 1 bits.
VX_KERNEL(256) fr_ntt(Fr* out, const Fr* x, const Fr* twiddles, u32 log_n, u32 first, u32 log_rows, u32 log_columns) {
    __shared__ Tile tile;
    const Pass pass{log_n, first, log_rows, log_columns};
    const u32 block = pass.block(blockIdx.x);
    tile.load(x, pass);
    for (u32 s = 0; s + 2 <= log_rows; s += 2) stages<2, true>(tile, pass, s, block, twiddles);
    if (log_rows & 1) stages<1, true>(tile, pass, log_rows - 1, block, twiddles);
    tile.store(out, pass);
}

// One pass back, not divided by n: the stages of `fr_ntt` undone in reverse, with twiddles of the inverse root.
VX_KERNEL(256) fr_intt(Fr* out, const Fr* x, const Fr* twiddles, u32 log_n, u32 first, u32 log_rows, u32 log_columns) {
    __shared__ Tile tile;
    const Pass pass{log_n, first, log_rows, log_columns};
    const u32 block = pass.block(blockIdx.x);
    tile.load(x, pass);
    if (log_rows & 1) stages<1, false>(tile, pass, log_rows - 1, block, twiddles);
    for (u32 s = log_rows & ~1u; s; s -= 2) stages<2, false>(tile, pass, s - 2, block, twiddles);
    tile.store(out, pass);
}

// A thread a row of a matrix in compressed rows.
VX_KERNEL(256) fr_csr(Fr* out, const u64* indptr, const u64* indices, const Fr* values, const Fr* x, u64 n) {
    VX_EACH(row) {
        Fr total = Fr::zero();
        for (u64 k = indptr[row]; k < indptr[row + 1]; ++k) total = total + values[k] * x[indices[k]];
        out[row] = total;
    }
}
