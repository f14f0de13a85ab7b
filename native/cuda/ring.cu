// Kernels of RNS rings (vortex_crypto/arith/ring/kernels.py defines what each computes).
//
// Everywhere: the limb is blockIdx.y; blocks along x, of which there may be most, take the places of one leading index
// after another. `basis[limb]` is the position of the limb's prime in the tables of the ring. N = 2^log_n.
#include <device.hpp>
#include <pass.hpp>
#include "vortex/ntt.hpp"

namespace vx {

// What a ring keeps on the device for each prime besides its twiddles.
struct Prime {
    Modulus modulus;
    u64 degree_inverse, degree_inverse_shoup;  // 1/N and floor((1/N) 2^64 / q)
};

// Where place j of p(X^g) in NTT form comes from.
__device__ __forceinline__ u32 galois_place(u32 j, u32 galois_element, u32 log_n) {
    const u32 exponent = galois_element * (2 * reverse_bits(j, log_n) + 1) & ((2u << log_n) - 1);
    return reverse_bits((exponent - 1) / 2, log_n);
}

// Of a pointwise kernel, how many blocks a row has, and the place of this thread in its row.
__device__ __forceinline__ u32 log_blocks(u32 log_n) { return log_n > 8 ? log_n - 8 : 0; }
__device__ __forceinline__ u32 own_place(u32 log_n) {
    return (blockIdx.x & ((1u << log_blocks(log_n)) - 1)) * 256 + threadIdx.x;
}

constexpr u32 tile_size = 2048;

// R stages in registers, on 2^R rows at a time: stages s .. s + R - 1 of the pass.
template <int R, bool forward>
__device__ __forceinline__ void stages(u64* tile, const Pass& pass, u32 s, u32 block, const u64* twiddles,
                                       const u64* twiddles_shoup, u64 q) {
    constexpr int count = 1 << R;
    const u32 log_low = pass.log_rows - s - R, groups = 1u << (pass.log_rows - R + pass.log_columns);
    for (u32 g = threadIdx.x; g < groups; g += blockDim.x) {
        const u32 column = g & ((1u << pass.log_columns) - 1), rest = g >> pass.log_columns;
        const u32 low = rest & ((1u << log_low) - 1), high = rest >> log_low;
        u64* entries = tile + ((((high << R << log_low) + low) << pass.log_columns) + column);
        const u32 step = 1u << (log_low + pass.log_columns);
        u64 v[count];
#pragma unroll
        for (int e = 0; e < count; ++e) v[e] = entries[e * step];
#pragma unroll
        for (int stage = 0; stage < R; ++stage) {
            const int j = forward ? stage : R - 1 - stage, half = count >> (j + 1);
            const u32 blocks = 1u << (pass.first + s + j), mine = (block << (s + j)) + (high << j);
#pragma unroll
            for (int e = 0; e < count; ++e) {
                if (e & half) continue;
                const u32 i = mine + (u32)(e >> (R - j));
                const u32 at = forward ? blocks + i : 2 * blocks - 1 - i;
                // The inverse of W[m + i] is -W[2m - 1 - i], and the sign goes into the difference.
                if (forward) butterfly_lazy(v[e], v[e + half], twiddles[at], twiddles_shoup[at], q);
                else {
                    u64 sum = v[e + half], difference = v[e];
                    inverse_butterfly_lazy(sum, difference, twiddles[at], twiddles_shoup[at], q);
                    v[e] = sum;
                    v[e + half] = difference;
                }
            }
        }
#pragma unroll
        for (int e = 0; e < count; ++e) entries[e * step] = v[e];
    }
    __syncthreads();
}

template <bool forward>
__device__ __forceinline__ void stages_of(u32 radix, u64* tile, const Pass& pass, u32 s, u32 block, const u64* twiddles,
                                          const u64* twiddles_shoup, u64 q) {
    if (radix == 3) stages<3, forward>(tile, pass, s, block, twiddles, twiddles_shoup, q);
    else if (radix == 2) stages<2, forward>(tile, pass, s, block, twiddles, twiddles_shoup, q);
    else stages<1, forward>(tile, pass, s, block, twiddles, twiddles_shoup, q);
}

}  // namespace vx

using namespace vx;

// The row of this block's limb at a leading index.
#define VX_ROW_OF(index) (((u64)(index) * gridDim.y + blockIdx.y) << log_n)
// Pointwise, a block takes 256 places of a row: its leading index, and what this thread does at its place, if it has one.
#define VX_LEADING (blockIdx.x >> log_blocks(log_n))
#define VX_PLACE(n) if (const u32 n = own_place(log_n); n >> log_n == 0)

// One pass of the forward transform, x [batch, limbs, N] -> out. x below 4q; out below 4q, and below q after the last pass.
VX_KERNEL(256) ring_ntt(u64* out, const u64* x, const u32* basis, const Prime* primes, const u64* twiddles,
                        const u64* twiddles_shoup, u32 log_n, u32 first, u32 log_rows, u32 log_columns) {
    __shared__ u64 tile[tile_size];
    const Pass pass{log_n, first, log_rows, log_columns};
    const u32 log_tiles = log_n - log_rows - log_columns, which = blockIdx.x & ((1u << log_tiles) - 1);
    const u32 prime = basis[blockIdx.y], entries = 1u << (log_rows + log_columns), block = pass.block(which);
    const u64 q = primes[prime].modulus.q, row = VX_ROW_OF(blockIdx.x >> log_tiles);
    const u64 table = (u64)prime << log_n;
    for (u32 e = threadIdx.x; e < entries; e += blockDim.x) tile[e] = x[row + pass.place(which, e)];
    __syncthreads();
    for (u32 s = 0; s < log_rows;) {
        const u32 radix = log_rows - s < 3 ? log_rows - s : 3;
        stages_of<true>(radix, tile, pass, s, block, twiddles + table, twiddles_shoup + table, q);
        s += radix;
    }
    const bool last = first + log_rows == log_n;
    for (u32 e = threadIdx.x; e < entries; e += blockDim.x) {
        const u64 value = tile[e];
        out[row + pass.place(which, e)] = last ? reduce_once(reduce_once(value, 2 * q), q) : value;
    }
}

// One pass of the inverse transform: stages from first + log_rows - 1 down to first. x below 2q; out below 2q, and below q
// and divided by N after the last pass, which has first = 0.
VX_KERNEL(256) ring_intt(u64* out, const u64* x, const u32* basis, const Prime* primes, const u64* twiddles,
                         const u64* twiddles_shoup, u32 log_n, u32 first, u32 log_rows, u32 log_columns) {
    __shared__ u64 tile[tile_size];
    const Pass pass{log_n, first, log_rows, log_columns};
    const u32 log_tiles = log_n - log_rows - log_columns, which = blockIdx.x & ((1u << log_tiles) - 1);
    const u32 prime = basis[blockIdx.y], entries = 1u << (log_rows + log_columns), block = pass.block(which);
    const Prime& p = primes[prime];
    const u64 q = p.modulus.q, row = VX_ROW_OF(blockIdx.x >> log_tiles);
    const u64 table = (u64)prime << log_n;
    for (u32 e = threadIdx.x; e < entries; e += blockDim.x) tile[e] = x[row + pass.place(which, e)];
    __syncthreads();
    for (u32 s = log_rows; s > 0;) {
        const u32 radix = s < 3 ? s : 3;
        s -= radix;
        stages_of<false>(radix, tile, pass, s, block, twiddles + table, twiddles_shoup + table, q);
    }
    for (u32 e = threadIdx.x; e < entries; e += blockDim.x) {
        u64 value = tile[e];
        if (first == 0) value = reduce_once(mul_shoup_lazy(value, p.degree_inverse, p.degree_inverse_shoup, q), q);
        out[row + pass.place(which, e)] = value;
    }
}

// Pointwise kernels: b_step is 1 when b has the leading axes of a, 0 when one b serves all of them.
VX_KERNEL(256) ring_add(u64* out, const u64* a, const u64* b, const u32* basis, const Prime* primes, u32 log_n, u32 b_step) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING), b_row = VX_ROW_OF(VX_LEADING * b_step);
    VX_PLACE(n) out[row + n] = add_mod(a[row + n], b[b_row + n], q);
}

VX_KERNEL(256) ring_sub(u64* out, const u64* a, const u64* b, const u32* basis, const Prime* primes, u32 log_n, u32 b_step) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING), b_row = VX_ROW_OF(VX_LEADING * b_step);
    VX_PLACE(n) out[row + n] = sub_mod(a[row + n], b[b_row + n], q);
}

VX_KERNEL(256) ring_negate(u64* out, const u64* a, const u32* basis, const Prime* primes, u32 log_n) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING);
    VX_PLACE(n) out[row + n] = sub_mod(0, a[row + n], q);
}

VX_KERNEL(256) ring_multiply(u64* out, const u64* a, const u64* b, const u32* basis, const Prime* primes, u32 log_n,
                             u32 b_step) {
    const Modulus& m = primes[basis[blockIdx.y]].modulus;
    const u64 row = VX_ROW_OF(VX_LEADING), b_row = VX_ROW_OF(VX_LEADING * b_step);
    VX_PLACE(n) out[row + n] = mul_mod(a[row + n], b[b_row + n], m);
}

VX_KERNEL(256) ring_multiply_add(u64* out, const u64* a, const u64* b, const u64* c, const u32* basis, const Prime* primes,
                                 u32 log_n, u32 b_step) {
    const Modulus& m = primes[basis[blockIdx.y]].modulus;
    const u64 row = VX_ROW_OF(VX_LEADING), b_row = VX_ROW_OF(VX_LEADING * b_step);
    VX_PLACE(n) out[row + n] = add_mod(mul_mod(a[row + n], b[b_row + n], m), c[row + n], m.q);
}

// scalars [limbs] below q.
VX_KERNEL(256) ring_add_scalar(u64* out, const u64* a, const u64* scalars, const u32* basis, const Prime* primes, u32 log_n) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING), scalar = scalars[blockIdx.y];
    VX_PLACE(n) out[row + n] = add_mod(a[row + n], scalar, q);
}

// scalars [2, limbs]: the scalars and their Shoup quotients.
VX_KERNEL(256) ring_multiply_scalar(u64* out, const u64* a, const u64* scalars, const u32* basis, const Prime* primes,
                                    u32 log_n) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING);
    const u64 scalar = scalars[blockIdx.y], shoup = scalars[gridDim.y + blockIdx.y];
    VX_PLACE(n) out[row + n] = reduce_once(mul_shoup_lazy(a[row + n], scalar, shoup, q), q);
}

// (a0 b0, a0 b1 + a1 b0, a1 b1): a, b [2, limbs, N], out [3, limbs, N].
VX_KERNEL(256) ring_tensor(u64* out, const u64* a, const u64* b, const u32* basis, const Prime* primes, u32 log_n) {
    const Modulus& m = primes[basis[blockIdx.y]].modulus;
    VX_PLACE(n) {
        const u64 first = VX_ROW_OF(0) + n, second = VX_ROW_OF(1) + n;
        const u64 a0 = a[first], a1 = a[second], b0 = b[first], b1 = b[second];
        out[first] = mul_mod(a0, b0, m);
        out[second] = add_mod(mul_mod(a0, b1, m), mul_mod(a1, b0, m), m.q);
        out[VX_ROW_OF(2) + n] = mul_mod(a1, b1, m);
    }
}

VX_KERNEL(256) ring_automorphism_ntt(u64* out, const u64* x, u32 galois_element, u32 log_n) {
    const u64 row = VX_ROW_OF(VX_LEADING);
    VX_PLACE(n) out[row + n] = x[row + galois_place(n, galois_element, log_n)];
}

// Coefficient form; `inverse` is 1 / galois_element mod 2N: coefficient n comes from n / galois_element.
VX_KERNEL(256) ring_automorphism(u64* out, const u64* x, const u32* basis, const Prime* primes, u32 inverse, u32 log_n) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING);
    const u32 degree = 1u << log_n;
    VX_PLACE(n) {
        const u32 from = n * inverse & (2 * degree - 1);
        out[row + n] = from < degree ? x[row + from] : sub_mod(0, x[row + from - degree], q);
    }
}

// Signed integers [batch, N] to residues [batch, limbs, N]. The magnitude is below 2^64, which Barrett takes as it is.
VX_KERNEL(256) ring_reduce_signed(u64* out, const u64* x, const u32* basis, const Prime* primes, u32 log_n) {
    const Modulus& m = primes[basis[blockIdx.y]].modulus;
    const u64 row = VX_ROW_OF(VX_LEADING), from = (u64)VX_LEADING << log_n;
    VX_PLACE(n) {
        const u64 value = x[from + n];
        const bool negative = value >> 63;
        const u64 residue = reduce_128(0, negative ? 0 - value : value, m);
        out[row + n] = negative ? sub_mod(0, residue, m.q) : residue;
    }
}

// Basis extension, second half: y [batch, sources, N] holds y_i = x_i (D/q_i)^-1 mod q_i, out [batch, targets, N].
// weights [sources + 1, targets] holds D/q_i mod p, then D mod p; inverses [sources] holds 1.0 / q_i. Sums in double
// precision run in the order of the basis and must not be fused (--fmad=false): every engine rounds alike.
VX_KERNEL(256) ring_extend(u64* out, const u64* y, const u64* weights, const double* inverses, const u32* target,
                           const Prime* primes, u32 sources, u32 exact, u32 log_n) {
    const Modulus& m = primes[target[blockIdx.y]].modulus;
    const u64 row = VX_ROW_OF(VX_LEADING), from = (u64)VX_LEADING * sources << log_n;
    VX_PLACE(n) {
        u64 high = 0, low = 0;
        double overflow = 0;
        for (u32 i = 0; i < sources; ++i) {
            const u64 value = y[from + ((u64)i << log_n) + n];
            u64 carry = 0;
            low = multiply_add(value, weights[i * gridDim.y + blockIdx.y], low, carry);
            high += carry;  // below 2^58 a term
            if ((i & 15) == 15) {
                low = reduce_128(high, low, m);
                high = 0;
            }
            overflow = overflow + (double)value * inverses[i];
        }
        u64 value = reduce_128(high, low, m);
        if (exact) {
            const u64 v = (u64)rint(overflow);
            value = sub_mod(value, mul_mod(v, weights[sources * gridDim.y + blockIdx.y], m), m.q);
        }
        out[row + n] = value;
    }
}

// (x - lifted) * scalar over the first limbs of x [batch, x_limbs, N]: the end of mod_down.
VX_KERNEL(256) ring_divide(u64* out, const u64* x, const u64* lifted, const u64* scalars, const u32* basis,
                           const Prime* primes, u32 x_limbs, u32 log_n) {
    const u64 q = primes[basis[blockIdx.y]].modulus.q, row = VX_ROW_OF(VX_LEADING);
    const u64 x_row = ((u64)VX_LEADING * x_limbs + blockIdx.y) << log_n;
    const u64 scalar = scalars[blockIdx.y], shoup = scalars[gridDim.y + blockIdx.y];
    VX_PLACE(n) {
        const u64 difference = sub_mod(x[x_row + n], lifted[row + n], q);
        out[row + n] = reduce_once(mul_shoup_lazy(difference, scalar, shoup, q), q);
    }
}

// sum_j phi(lifted[j]) * key[j], a pair: lifted [digits, limbs, N], key [digits, 2, key_limbs, N], places[limb] the limb of
// the key. VX_LEADING picks the part of the pair.
VX_KERNEL(256) ring_key_switch_inner(u64* out, const u64* lifted, const u64* key, const u32* places, const u32* basis,
                                     const Prime* primes, u32 digits, u32 key_limbs, u32 galois_element, u32 log_n) {
    const Modulus& m = primes[basis[blockIdx.y]].modulus;
    const u32 place = places[blockIdx.y];
    VX_PLACE(n) {
        const u32 from = galois_place(n, galois_element, log_n);
        u64 high = 0, low = 0;
        for (u32 j = 0; j < digits; ++j) {
            const u64 weight = key[((((u64)j * 2 + VX_LEADING) * key_limbs + place) << log_n) + n];
            u64 carry = 0;
            low = multiply_add(lifted[VX_ROW_OF(j) + from], weight, low, carry);
            high += carry;  // below 2^58 a term
            if ((j & 15) == 15) {
                low = reduce_128(high, low, m);
                high = 0;
            }
        }
        out[VX_ROW_OF(VX_LEADING) + n] = reduce_128(high, low, m);
    }
}

// sum + term * weight: term, sum, out [parts, limbs, N]; weight [limbs, 2^log_m], each value for N / 2^log_m places.
VX_KERNEL(256) ring_accumulate(u64* out, const u64* sum, const u64* term, const u64* weight, const u32* basis,
                               const Prime* primes, u32 log_m, u32 log_n) {
    const Modulus& m = primes[basis[blockIdx.y]].modulus;
    const u64 row = VX_ROW_OF(VX_LEADING), weight_row = (u64)blockIdx.y << log_m;
    VX_PLACE(n) {
        const u64 product = mul_mod(term[row + n], weight[weight_row + (n >> (log_n - log_m))], m);
        out[row + n] = add_mod(sum[row + n], product, m.q);
    }
}
