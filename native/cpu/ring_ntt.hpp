// Row transforms over any kind of lanes: radix-R passes between vectors, then the last stages inside vectors.
//
// L is a lane type (lanes_*.hpp) of L::kLanes words (one word: the tail is a radix-4 pass). A block of L::kLanes^2 coefficients is the tail: kLanes vectors, the
// first log2(kLanes) stages between them, a transposition, the last log2(kLanes) stages between them again (each lane
// now works on a sub-block of its own, so twiddles are vectors), and a transposition back.
#pragma once

#include "ring_rows.hpp"

namespace vx {
inline namespace VX_ISA {

// The stages of a radix-R butterfly on v[0 .. R), from the one of G groups on: its group g uses twiddle G - 1 + g.
template <class L, int R, int G = 1>
VX_INLINE void forward_stages(typename L::V (&v)[R], const typename L::V (&w)[R], const typename L::V (&ws)[R],
                              const typename L::Mod& m) {
    if constexpr (G < R) {
        constexpr int kHalf = R / (2 * G);
#pragma GCC unroll 8
        for (int i = 0; i < R / 2; ++i) {
            const int g = i / kHalf, low = 2 * kHalf * g + i % kHalf;
            L::butterfly(v[low], v[low + kHalf], w[G - 1 + g], ws[G - 1 + g], m);
        }
        forward_stages<L, R, 2 * G>(v, w, ws, m);
    }
}

// The stages backwards, from the one of G groups down to the one of kDownTo.
template <class L, int R, int kDownTo = 1, int G = R / 2>
VX_INLINE void inverse_stages(typename L::V (&v)[R], const typename L::V (&w)[R], const typename L::V (&ws)[R],
                              const typename L::Mod& m) {
    if constexpr (G >= kDownTo) {
        constexpr int kHalf = R / (2 * G);
#pragma GCC unroll 8
        for (int i = 0; i < R / 2; ++i) {
            const int g = i / kHalf, low = 2 * kHalf * g + i % kHalf;
            L::inverse_butterfly(v[low], v[low + kHalf], w[G - 1 + g], ws[G - 1 + g], m);
        }
        inverse_stages<L, R, kDownTo, G / 2>(v, w, ws, m);
    }
}

// Twiddles k, 2k, 2k + 1, 4k, .. of block k, broadcast.
template <class L, int R, int G = 1>
VX_INLINE void broadcast_twiddles(typename L::V (&w)[R], typename L::V (&ws)[R], const Twiddles& t, size_t k) {
    if constexpr (G < R) {
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
            w[G - 1 + g] = L::set1(t.head[G * k + g]);
            ws[G - 1 + g] = L::set1(t.head_shoup[G * k + g]);
        }
        broadcast_twiddles<L, R, 2 * G>(w, ws, t, k);
    }
}

// One pass over the block x of R * stride words: log2(R) stages.
template <class L, int R>
VX_INLINE void forward_pass(u64* x, size_t stride, size_t k, const Twiddles& t, const typename L::Mod& m) {
    typename L::V w[R] = {}, ws[R] = {};
    broadcast_twiddles<L, R>(w, ws, t, k);
    for (size_t j = 0; j < stride; j += L::kLanes) {
        typename L::V v[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) v[r] = L::load(x + j + r * stride);
        forward_stages<L, R>(v, w, ws, m);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) L::store(x + j + r * stride, v[r]);
    }
}

template <class L, int R>
VX_INLINE void inverse_pass(u64* x, size_t stride, size_t k, const Twiddles& t, const typename L::Mod& m) {
    typename L::V w[R] = {}, ws[R] = {};
    broadcast_twiddles<L, R>(w, ws, t, k);
    for (size_t j = 0; j < stride; j += L::kLanes) {
        typename L::V v[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) v[r] = L::load(x + j + r * stride);
        inverse_stages<L, R>(v, w, ws, m);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) L::store(x + j + r * stride, v[r]);
    }
}

// The pass that ends the transform: its last stage divides by N, results in [0, q).
template <class L, int R>
VX_INLINE void inverse_last_pass(u64* x, size_t stride, const NttTable& table, const typename L::Mod& m) {
    typename L::V w[R] = {}, ws[R] = {};
    broadcast_twiddles<L, R>(w, ws, table.inverse, 1);
    const typename L::V scale = L::set1(table.scale), scale_shoup = L::set1(table.scale_shoup);
    const typename L::V last = L::set1(table.last), last_shoup = L::set1(table.last_shoup);
    for (size_t j = 0; j < stride; j += L::kLanes) {
        typename L::V v[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) v[r] = L::load(x + j + r * stride);
        inverse_stages<L, R, 2>(v, w, ws, m);
#pragma GCC unroll 4
        for (int h = 0; h < R / 2; ++h) {
            typename L::V a = v[h], b = v[h + R / 2];
            v[h] = L::reduce(L::mul_lazy(L::add(a, b), scale, scale_shoup, m), m.q);
            v[h + R / 2] = L::reduce(L::mul_lazy(L::sub(L::add(a, m.q2), b), last, last_shoup, m), m.q);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) L::store(x + j + r * stride, v[r]);
    }
}

// Words in a tail: the smallest block, done in one go.
template <class L>
inline constexpr size_t kTail = L::kLanes > 1 ? L::kLanes * L::kLanes : 4;

// The last stages of tail number `block`, k its twiddle index; results in [0, q).
template <class L>
VX_INLINE void forward_tail(u64* x, size_t k, size_t block, const Twiddles& t, const typename L::Mod& m) {
    constexpr int R = L::kLanes > 1 ? L::kLanes : 4;
    typename L::V v[R], w[R] = {}, ws[R] = {};
    broadcast_twiddles<L, R>(w, ws, t, k);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) v[r] = L::load(x + r * L::kLanes);
    forward_stages<L, R>(v, w, ws, m);
    if constexpr (L::kLanes > 1) {
        L::transpose(v);
        const u64* tail = t.tail + block * (2 * R * (R - 1));
#pragma GCC unroll 8
        for (int i = 0; i < R - 1; ++i) {
            w[i] = L::load(tail + 2 * R * i);
            ws[i] = L::load(tail + 2 * R * i + R);
        }
        forward_stages<L, R>(v, w, ws, m);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) v[r] = L::reduce(L::reduce(v[r], m.q2), m.q);
    if constexpr (L::kLanes > 1) L::transpose(v);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) L::store(x + r * L::kLanes, v[r]);
}

template <class L>
VX_INLINE void inverse_tail(u64* x, size_t k, size_t block, const Twiddles& t, const typename L::Mod& m) {
    constexpr int R = L::kLanes > 1 ? L::kLanes : 4;
    typename L::V v[R], w[R] = {}, ws[R] = {};
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) v[r] = L::load(x + r * L::kLanes);
    if constexpr (L::kLanes > 1) {
        const u64* tail = t.tail + block * (2 * R * (R - 1));
#pragma GCC unroll 8
        for (int i = 0; i < R - 1; ++i) {
            w[i] = L::load(tail + 2 * R * i);
            ws[i] = L::load(tail + 2 * R * i + R);
        }
        L::transpose(v);
        inverse_stages<L, R>(v, w, ws, m);
        L::transpose(v);
    }
    broadcast_twiddles<L, R>(w, ws, t, k);
    inverse_stages<L, R>(v, w, ws, m);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) L::store(x + r * L::kLanes, v[r]);
}

// The radix of the next pass over a block of n words: 8 as often as it divides, and 4 4 rather than 8 2.
template <class L>
VX_INLINE int next_radix(size_t n) {
    size_t left = n / kTail<L>;
    return left == 2 ? 2 : L::kRadix == 4 || left == 4 || left == 16 ? 4 : 8;
}

// A block of n words with twiddle index k; `tails` of them make the whole row. Depth first: a block that fits the first
// cache is finished there.
template <class L>
void forward_block(u64* x, size_t n, size_t k, size_t tails, const Twiddles& t, const typename L::Mod& m) {
    if (n == kTail<L>) {
        forward_tail<L>(x, k, k - tails, t, m);
        return;
    }
    const int radix = next_radix<L>(n);
    const size_t stride = n / radix;
    if (radix == 8) {
        forward_pass<L, 8>(x, stride, k, t, m);
    } else if (radix == 4) {
        forward_pass<L, 4>(x, stride, k, t, m);
    } else {
        forward_pass<L, 2>(x, stride, k, t, m);
    }
    for (int r = 0; r < radix; ++r) {
        forward_block<L>(x + r * stride, stride, radix * k + r, tails, t, m);
    }
}

template <class L>
void inverse_block(u64* x, size_t n, size_t k, size_t tails, const NttTable& table, const typename L::Mod& m) {
    if (n == kTail<L>) {
        inverse_tail<L>(x, k, k - tails, table.inverse, m);
        return;
    }
    const int radix = next_radix<L>(n);
    const size_t stride = n / radix;
    for (int r = 0; r < radix; ++r) {
        inverse_block<L>(x + r * stride, stride, radix * k + r, tails, table, m);
    }
    if (radix == 8) {
        k == 1 ? inverse_last_pass<L, 8>(x, stride, table, m) : inverse_pass<L, 8>(x, stride, k, table.inverse, m);
    } else if (radix == 4) {
        k == 1 ? inverse_last_pass<L, 4>(x, stride, table, m) : inverse_pass<L, 4>(x, stride, k, table.inverse, m);
    } else {
        k == 1 ? inverse_last_pass<L, 2>(x, stride, table, m) : inverse_pass<L, 2>(x, stride, k, table.inverse, m);
    }
}

template <class L>
void ntt_row(u64* x, size_t n, const NttTable& table, const Modulus& modulus) {
    const typename L::Mod m(modulus);
    forward_block<L>(x, n, 1, n / kTail<L>, table.forward, m);
}

template <class L>
void intt_row(u64* x, size_t n, const NttTable& table, const Modulus& modulus) {
    const typename L::Mod m(modulus);
    inverse_block<L>(x, n, 1, n / kTail<L>, table, m);
}

}  // namespace VX_ISA
}  // namespace vx
