// What sums over points have in common in both groups: scalars, digits, and the buckets' places (native/cuda/msm.hpp).
#include <msm.hpp>

namespace vx {

constexpr u32 length_threads = 256;

}  // namespace vx

using namespace vx;

// Scalars in Montgomery form as the smaller of s and r - s, with a flag for the latter; longest[block] is the greatest
// bit length among those of the block.
VX_KERNEL(256) msm_scalars(u64* magnitudes, u8* negative, u32* longest, const Fr* scalars, u64 n) {
    __shared__ u32 lengths[length_threads];
    const u64 r[4] = {bn254::FrModulus::p(0), bn254::FrModulus::p(1), bn254::FrModulus::p(2), bn254::FrModulus::p(3)};
    u32 length = 0;
    VX_EACH(i) {
        const Fr plain = scalars[i].plain();
        u64 opposite[4], difference[4];
        sub_limbs(opposite, r, plain.v);
        const bool below = sub_limbs(difference, opposite, plain.v);
        negative[i] = (u8)below;
        for (u32 j = 0; j < 4; ++j) {
            const u64 limb = below ? opposite[j] : plain.v[j];
            magnitudes[4 * i + j] = limb;
            for (u32 bits = 0; bits < 64 && limb >> bits; ++bits) length = length > 64 * j + bits + 1 ? length : 64 * j + bits + 1;
        }
    }
    lengths[threadIdx.x] = length;
    __syncthreads();
    for (u32 half = length_threads / 2; half; half /= 2) {
        if (threadIdx.x < half && lengths[threadIdx.x + half] > lengths[threadIdx.x]) lengths[threadIdx.x] = lengths[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) longest[blockIdx.x] = lengths[0];
}

// slots, negative [windows, n]: one more than the bucket, or 0 for digits of zero.
VX_KERNEL(256) msm_digits(u32* slots, u8* negative, const u64* magnitudes, const u8* signs, u64 n, u32 c, u32 windows) {
    VX_EACH(i) {
        Digits digits{magnitudes + 4 * i, c, 0};
        for (u32 w = 0; w < windows; ++w) {
            bool below;
            const u32 digit = digits.next(w, below);
            slots[w * n + i] = digit ? (w << (c - 1)) + digit : 0;
            negative[w * n + i] = (u8)(below != (bool)signs[i]);
        }
    }
}

// starts[b], b <= count: how many of the sorted entries belong to buckets below b. `order`, of `total` entries, sorts those
// slots that are not zero.
VX_KERNEL(256) msm_starts(u64* starts, const u32* slots, const u64* order, u64 total, u64 count) {
    const u64 n = count + 1;
    VX_EACH(b) {
        u64 low = 0, high = total;
        while (low < high) {
            const u64 middle = (low + high) / 2;
            if (slots[order[middle]] <= b) low = middle + 1;
            else high = middle;
        }
        starts[b] = low;
    }
}

// counts[s + 1] = how many runs of at most `length` places cover segment s, and counts[0] = 0.
VX_KERNEL(256) msm_runs(u64* counts, const u64* starts, u64 count, u32 length) {
    const u64 n = count + 1;
    VX_EACH(s) counts[s] = s ? (starts[s] - starts[s - 1] + length - 1) / length : 0;
}
