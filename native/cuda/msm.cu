// Multi-scalar multiplication over G1 by Pippenger's buckets, with signed digits and a sort in place of atomics.
//
// A scalar is sum_w d_w 2^(c w), d_w in [-2^(c-1), 2^(c-1)]. Slot w buckets + |d_w| collects the points with that digit in
// that window, buckets = 2^(c-1) + 1; the first slot of a window is for digits of zero and stays unused.
#include <device.hpp>
#include "vortex/carry_chain.hpp"
#include "vortex/curve.hpp"

namespace vx {

using Fq = Fp<bn254::FqModulus, CarryChainCore>;
using Point = Affine<Fq>;
using Sum = Jacobian<Fq>;

constexpr u32 reduce_threads = 64;

}  // namespace vx

using namespace vx;

// slots, negative [windows, n] of plain scalars [n, 4].
VX_KERNEL(256) msm_digits(u32* slots, u8* negative, const u64* scalars, u64 n, u32 c, u32 windows) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const u32 half = 1u << (c - 1), buckets = half + 1;
    u32 carry = 0;
    for (u32 w = 0; w < windows; ++w) {
        const u32 bit = w * c, limb = bit / 64, shift = bit % 64;
        u64 word = limb < 4 ? scalars[4 * i + limb] >> shift : 0;
        if (shift + c > 64 && limb < 3) word |= scalars[4 * i + limb + 1] << (64 - shift);
        const u32 digit = (u32)(word & ((1u << c) - 1)) + carry;
        carry = digit > half;
        slots[w * n + i] = w * buckets + (carry ? (1u << c) - digit : digit);
        negative[w * n + i] = (u8)carry;
    }
}

// starts[s], s <= count: how many entries have a slot below s. `order` sorts `slots`, of `total` entries.
VX_KERNEL(256) msm_starts(u64* starts, const u32* slots, const u64* order, u64 total, u64 count) {
    const u64 s = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (s > count) return;
    u64 low = 0, high = total;
    while (low < high) {
        const u64 middle = (low + high) / 2;
        if (slots[order[middle]] < s) low = middle + 1;
        else high = middle;
    }
    starts[s] = low;
}

// Bucket accumulation: a thread a slot.
VX_KERNEL(128) msm_accumulate(Sum* sums, const Point* points, const u64* order, const u8* negative, const u64* starts,
                              u64 n, u64 count, u32 buckets) {
    const u64 s = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= count) return;
    Sum total = Sum::infinity();
#pragma unroll 1
    for (u64 k = starts[s]; s % buckets && k < starts[s + 1]; ++k) {
        const u64 entry = order[k];
        Point point = points[entry % n];
        if (negative[entry]) point.y = -point.y;
        total = total.plus(point);
    }
    sums[s] = total;
}

// Bucket reduction: bits[w c + k] is the sum of the buckets of window w whose number has bit k, so that
// sum_b b B_b = sum_k 2^k bits[w c + k]. A block for each; its threads add their buckets, then one another's sums. Both in
// one loop, since every addition in line costs the compiler seconds.
VX_KERNEL(64) msm_reduce(Sum* bits, const Sum* sums, u32 buckets, u32 c) {
    __shared__ Sum parts[reduce_threads];
    const u32 window = blockIdx.x / c, bit = blockIdx.x % c, runs = (buckets + reduce_threads - 1) / reduce_threads;
    u32 half = reduce_threads / 2;
    Sum total = Sum::infinity();
#pragma unroll 1
    for (u32 step = 0; half; ++step) {
        Sum other = Sum::infinity();
        if (step < runs) {
            const u32 b = step * reduce_threads + threadIdx.x;
            if (b < buckets && (b >> bit & 1)) other = sums[(u64)window * buckets + b];
        } else {
            parts[threadIdx.x] = total;
            __syncthreads();
            if (threadIdx.x < half) other = parts[threadIdx.x + half];
            __syncthreads();
            half /= 2;
        }
        total = total.plus(other);
    }
    if (threadIdx.x == 0) bits[blockIdx.x] = total;
}

// Window combination by one thread: sum_i 2^i bits[i]. Doubling is the addition of a point to itself, in line once.
VX_KERNEL(1) msm_combine(Point* out, const Sum* bits, u32 count) {
    Sum total = Sum::infinity();
#pragma unroll 1
    for (u32 step = 2 * count; step-- > 0;) {
        const Sum other = step & 1 ? total : bits[step / 2];
        total = total.plus(other);
    }
    out[0] = total.affine();
}
