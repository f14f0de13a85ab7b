// Multi-scalar multiplication by Pippenger's buckets, and multiplication of one point by many scalars, over G1 (F = Fq)
// and G2 (F = Fq2). Signed digits of c bits, a sort in place of atomics, and sums in runs of bounded length.
//
// A scalar is, up to its sign, sum_w d_w 2^(c w) with d_w in [-half, half], half = 2^(c-1). Bucket w half + |d_w| - 1
// collects the points with that digit in that window; digits of zero go nowhere.
#pragma once
#include <elements.hpp>

#include "vortex/curve.hpp"

namespace vx {

// Fq2 with products that are called: in line, an addition of points has so many that it wants more registers than a thread
// has, more instructions than their cache holds, and a minute of the compiler.
struct Fq2 {
    Fp2<Fq> value;

    static __device__ __noinline__ Fp2<Fq> product(Fp2<Fq> a, Fp2<Fq> b) { return a * b; }
    static __device__ __noinline__ Fp2<Fq> squared(Fp2<Fq> a) { return a.square(); }

    static __device__ __forceinline__ Fq2 zero() { return {Fp2<Fq>::zero()}; }
    static __device__ __forceinline__ Fq2 one() { return {Fp2<Fq>::one()}; }
    friend __device__ __forceinline__ Fq2 operator+(const Fq2& a, const Fq2& b) { return {a.value + b.value}; }
    friend __device__ __forceinline__ Fq2 operator-(const Fq2& a, const Fq2& b) { return {a.value - b.value}; }
    friend __device__ __forceinline__ Fq2 operator*(const Fq2& a, const Fq2& b) { return {product(a.value, b.value)}; }
    __device__ __forceinline__ Fq2 operator-() const { return {-value}; }
    __device__ __forceinline__ Fq2 square() const { return {squared(value)}; }
    __device__ __forceinline__ Fq2 inverse() const { return {value.inverse()}; }
    __device__ __forceinline__ bool is_zero() const { return value.is_zero(); }
};

// Additions of sums are functions too, on memory, but in the loops over runs and tables, where most of the time goes.
template <class F>
__device__ __noinline__ void add(Jacobian<F>& total, const Jacobian<F>& other) {
    total = total.plus(other);
}
template <class F>
__device__ __noinline__ void twice(Jacobian<F>& total) {
    total = total.twice();
}

// The digits of four limbs from the lowest window on.
struct Digits {
    const u64* limbs;
    u32 c, carry;

    // Window w, after all windows below it: the digit's magnitude, and whether it is negative.
    __device__ __forceinline__ u32 next(u32 w, bool& negative) {
        const u32 bit = w * c, limb = bit / 64, shift = bit % 64;
        u64 word = limb < 4 ? limbs[limb] >> shift : 0;
        if (shift + c > 64 && limb < 3) word |= limbs[limb + 1] << (64 - shift);
        const u32 digit = (u32)(word & ((1u << c) - 1)) + carry;
        negative = digit > 1u << (c - 1);
        carry = negative;
        return negative ? (1u << c) - digit : digit;
    }
};

// The segment that place i belongs to: the last s with starts[s] <= i, starts rising from 0 to more than i at `count`.
__device__ __forceinline__ u64 segment_of(const u64* starts, u64 count, u64 i) {
    u64 low = 0, high = count;
    while (high - low > 1) {
        const u64 middle = (low + high) / 2;
        if (starts[middle] <= i) low = middle;
        else high = middle;
    }
    return low;
}

// Segments cut into runs of at most `length` places: run i, i < runs[count], of the runs that `runs` counts.
struct Run {
    u64 begin, end;

    __device__ __forceinline__ Run(const u64* starts, const u64* runs, u64 count, u32 length, u64 i) {
        const u64 segment = segment_of(runs, count, i);
        begin = starts[segment] + (i - runs[segment]) * length;
        end = starts[segment + 1] - begin < length ? starts[segment + 1] : begin + length;
    }
};

// What the next four have in common: a thread a run.
#define VX_RUN(run)                                                             \
    const u64 i_run = (u64)blockIdx.x * blockDim.x + threadIdx.x;               \
    if (i_run >= runs[count]) return;                                           \
    const Run run(starts, runs, count, length, i_run)

// Bucket accumulation: the sum of a run of points, order[k] = w n + i being point i in window w.
template <class F>
__device__ __forceinline__ void gather(Jacobian<F>* sums, const Affine<F>* points, const u64* order, const u8* negative,
                                       const u64* starts, const u64* runs, u64 n, u64 count, u32 length) {
    VX_RUN(run);
    Jacobian<F> total = Jacobian<F>::infinity();
#pragma unroll 1
    for (u64 k = run.begin; k < run.end; ++k) {
        const u64 entry = order[k];
        Affine<F> point = points[entry % n];
        if (negative[entry]) point.y = -point.y;
        total = total.plus(point);
    }
    sums[i_run] = total;
}

// The sum of a run of sums.
template <class F>
__device__ __forceinline__ void fold(Jacobian<F>* out, const Jacobian<F>* sums, const u64* starts, const u64* runs, u64 count,
                                     u32 length) {
    VX_RUN(run);
    Jacobian<F> total = sums[run.begin];
#pragma unroll 1
    for (u64 k = run.begin + 1; k < run.end; ++k) total = total.plus(sums[k]);
    out[i_run] = total;
}

// Bucket reduction: a thread for every 2^log_chunk buckets B_b of a window, from b = first on, adds (b + 1) B_b. Running
// sums give the B_b and sum_b (b - first + 1) B_b; first times the former is added by doubling. Bucket s is sums[places[s]]
// if places[s] < places[s + 1].
template <class F>
__device__ __forceinline__ void reduce(Jacobian<F>* out, const Jacobian<F>* sums, const u64* places, u64 chunks, u32 c,
                                       u32 log_chunk) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= chunks) return;
    const u64 begin = i << log_chunk;
    const u32 first = (u32)begin & ((1u << (c - 1)) - 1);
    Jacobian<F> plain = Jacobian<F>::infinity(), weighted = plain, scaled = plain;
#pragma unroll 1
    for (u64 s = begin + (1u << log_chunk); s-- > begin;) {
        if (places[s] < places[s + 1]) add(plain, sums[places[s]]);
        add(weighted, plain);
    }
#pragma unroll 1
    for (u32 bit = c - 1; bit-- > 0;) {
        twice(scaled);
        if (first >> bit & 1) add(scaled, plain);
    }
    add(weighted, scaled);
    out[i] = weighted;
}

// Window combination by one thread: sum_w 2^(c w) sums[w].
template <class F>
__device__ __forceinline__ void combine(Affine<F>* out, const Jacobian<F>* sums, u32 windows, u32 c) {
    Jacobian<F> total = Jacobian<F>::infinity();
#pragma unroll 1
    for (u32 w = windows; w-- > 0;) {
#pragma unroll 1
        for (u32 i = 0; i < c; ++i) twice(total);
        add(total, sums[w]);
    }
    out[0] = total.affine();
}

// 2^(c w) base, by one thread.
template <class F>
__device__ __forceinline__ void powers(Jacobian<F>* out, const Affine<F>* base, u32 windows, u32 c) {
    Jacobian<F> power = Jacobian<F>::from(base[0]);
#pragma unroll 1
    for (u32 bit = 0; bit < windows * c; ++bit) {
        if (bit % c == 0) out[bit / c] = power;
        twice(power);
    }
}

// out[w half + d - 1] = d powers[w], 1 <= d <= half.
template <class F>
__device__ __forceinline__ void multiples(Jacobian<F>* out, const Jacobian<F>* powers, u64 n, u32 c) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const u32 digit = ((u32)i & ((1u << (c - 1)) - 1)) + 1;
    Jacobian<F> total = Jacobian<F>::infinity();
#pragma unroll 1
    for (u32 bit = c; bit-- > 0;) {
        twice(total);
        if (digit >> bit & 1) add(total, powers[i >> (c - 1)]);
    }
    out[i] = total;
}

// scalars[i] base from the table of `multiples`; magnitudes [n, 4].
template <class F>
__device__ __forceinline__ void look_up(Jacobian<F>* out, const Affine<F>* table, const u64* magnitudes, const u8* negative,
                                        u64 n, u32 c, u32 windows) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Digits digits{magnitudes + 4 * i, c, 0};
    Jacobian<F> total = Jacobian<F>::infinity();
#pragma unroll 1
    for (u32 w = 0; w < windows; ++w) {
        bool below;
        const u32 digit = digits.next(w, below);
        if (!digit) continue;
        Affine<F> point = table[((u64)w << (c - 1)) + digit - 1];
        if (below != (bool)negative[i]) point.y = -point.y;
        total = total.plus(point);
    }
    out[i] = total;
}

// What to invert in Fq to invert z, and the inverse of z from the inverse of that.
__device__ __forceinline__ Fq denominator(const Fq& z) { return z; }
__device__ __forceinline__ Fq denominator(const Fq2& z) { return z.value.norm(); }
__device__ __forceinline__ Fq inverse_by(const Fq&, const Fq& inverse) { return inverse; }
__device__ __forceinline__ Fq2 inverse_by(const Fq2& z, const Fq& inverse) { return {z.value.conjugate() * inverse}; }

template <class F>
__device__ __forceinline__ void denominators(Fq* out, const Jacobian<F>* points, u64 n) {
    VX_EACH(i) out[i] = denominator(points[i].z);
}

template <class F>
__device__ __forceinline__ void to_affine(Affine<F>* out, const Jacobian<F>* points, const Fq* inverses, u64 n) {
    VX_EACH(i) {
        const Jacobian<F> point = points[i];
        out[i] = point.affine(inverse_by(point.z, inverses[i]));
    }
}

}  // namespace vx
