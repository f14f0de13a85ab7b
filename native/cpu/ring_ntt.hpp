// Row transforms over any kind of lanes: radix-R passes between vectors, then the last stages inside vectors.
//
// L is a lane type (lanes_*.hpp) of L::kLanes words (one word: the tail is a radix-4 pass). A block of L::kLanes^2 coefficients is the tail: kLanes vectors, the
// first log2(kLanes) stages between them, a transposition, the last log2(kLanes) stages between them again (each lane
// now works on a sub-block of its own, so twiddles are vectors), and a transposition back.
#pragma once

#include "ring_rows.hpp"

namespace vx {
inline namespace VX_ISA {

// Columns worked on side by side: one alone leaves the multipliers waiting for its own results.
inline constexpr int kColumnsAbreast = 2;

template <class L, int R>
using Columns = typename L::V[kColumnsAbreast][R];

// Butterflies between vectors, with Shoup quotients.
template <class L>
struct Between {
    using V = typename L::V;
    VX_INLINE static void forward(V& x, V& y, V w, V ws, const typename L::Mod& m) { L::butterfly(x, y, w, ws, m); }
    VX_INLINE static void inverse(V& x, V& y, V w, V ws, const typename L::Mod& m) { L::inverse_butterfly(x, y, w, ws, m); }
};

// Butterflies of the stages inside a vector. Their twiddles outweigh the data, so lanes that can do without quotients do.
template <class L>
struct Inside {
    using V = typename L::V;
    VX_INLINE static void forward(V& x, V& y, V w, V ws, const typename L::Mod& m) {
        if constexpr (L::kMontgomeryTail) {
            L::tail_butterfly(x, y, w, m);
        } else {
            L::butterfly(x, y, w, ws, m);
        }
    }
    VX_INLINE static void inverse(V& x, V& y, V w, V ws, const typename L::Mod& m) {
        if constexpr (L::kMontgomeryTail) {
            L::inverse_tail_butterfly(x, y, w, m);
        } else {
            L::inverse_butterfly(x, y, w, ws, m);
        }
    }
};

// Stages of radix-R butterflies down the columns, from the one of G groups on: its group g uses twiddle G - 1 + g.
// B says how: Between<L> vectors, or Inside<L> them.
template <class B, class L, int R, int G = 1>
VX_INLINE void forward_stages(Columns<L, R>& v, const Columns<L, R>& w, const Columns<L, R>& ws, const typename L::Mod& m) {
    if constexpr (G < R) {
        constexpr int kHalf = R / (2 * G);
#pragma GCC unroll 8
        for (int i = 0; i < R / 2; ++i) {
            const int g = i / kHalf, low = 2 * kHalf * g + i % kHalf;
#pragma GCC unroll 2
            for (int c = 0; c < kColumnsAbreast; ++c) {
                B::forward(v[c][low], v[c][low + kHalf], w[c][G - 1 + g], ws[c][G - 1 + g], m);
            }
        }
        forward_stages<B, L, R, 2 * G>(v, w, ws, m);
    }
}

// The stages backwards, from the one of G groups down to the one of kDownTo.
template <class B, class L, int R, int kDownTo = 1, int G = R / 2>
VX_INLINE void inverse_stages(Columns<L, R>& v, const Columns<L, R>& w, const Columns<L, R>& ws, const typename L::Mod& m) {
    if constexpr (G >= kDownTo) {
        constexpr int kHalf = R / (2 * G);
#pragma GCC unroll 8
        for (int i = 0; i < R / 2; ++i) {
            const int g = i / kHalf, low = 2 * kHalf * g + i % kHalf;
#pragma GCC unroll 2
            for (int c = 0; c < kColumnsAbreast; ++c) {
                B::inverse(v[c][low], v[c][low + kHalf], w[c][G - 1 + g], ws[c][G - 1 + g], m);
            }
        }
        inverse_stages<B, L, R, kDownTo, G / 2>(v, w, ws, m);
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

// One pass over the block x of R * stride words: log2(R) stages, on neighbouring columns of vectors.
template <class L, int R, class Stages>
VX_INLINE void pass(u64* out, const u64* x, size_t stride, const Twiddles& t, size_t k, Stages stages) {
    Columns<L, R> w = {}, ws = {};
#pragma GCC unroll 2
    for (int c = 0; c < kColumnsAbreast; ++c) broadcast_twiddles<L, R>(w[c], ws[c], t, k);
    for (size_t j = 0; j < stride; j += kColumnsAbreast * L::kLanes) {
        Columns<L, R> v;
#pragma GCC unroll 16
        for (int i = 0; i < kColumnsAbreast * R; ++i) {
            v[i % kColumnsAbreast][i / kColumnsAbreast] =
                L::load(x + j + i / kColumnsAbreast * stride + i % kColumnsAbreast * L::kLanes);
        }
        stages(v, w, ws);
#pragma GCC unroll 16
        for (int i = 0; i < kColumnsAbreast * R; ++i) {
            L::store(out + j + i / kColumnsAbreast * stride + i % kColumnsAbreast * L::kLanes,
                     v[i % kColumnsAbreast][i / kColumnsAbreast]);
        }
    }
}

template <class L, int R>
VX_INLINE void forward_pass(u64* out, const u64* x, size_t stride, size_t k, const Twiddles& t, const typename L::Mod& m) {
    pass<L, R>(out, x, stride, t, k, [&](Columns<L, R>& v, const Columns<L, R>& w, const Columns<L, R>& ws) __attribute__((always_inline)) {
        forward_stages<Between<L>, L, R>(v, w, ws, m);
    });
}

template <class L, int R>
VX_INLINE void inverse_pass(u64* x, size_t stride, size_t k, const Twiddles& t, const typename L::Mod& m) {
    pass<L, R>(x, x, stride, t, k, [&](Columns<L, R>& v, const Columns<L, R>& w, const Columns<L, R>& ws) __attribute__((always_inline)) {
        inverse_stages<Between<L>, L, R>(v, w, ws, m);
    });
}

// The pass that ends the transform: its last stage divides by N, results in [0, q).
template <class L, int R>
VX_INLINE void inverse_last_pass(u64* x, size_t stride, const NttTable& table, const typename L::Mod& m) {
    const typename L::V scale = L::set1(table.scale), scale_shoup = L::set1(table.scale_shoup);
    const typename L::V last = L::set1(table.last), last_shoup = L::set1(table.last_shoup);
    pass<L, R>(x, x, stride, table.inverse, 1,
               [&](Columns<L, R>& v, const Columns<L, R>& w, const Columns<L, R>& ws) __attribute__((always_inline)) {
        inverse_stages<Between<L>, L, R, 2>(v, w, ws, m);
#pragma GCC unroll 8
        for (int i = 0; i < kColumnsAbreast * R / 2; ++i) {
            typename L::V &x0 = v[i % kColumnsAbreast][i / kColumnsAbreast];
            typename L::V &x1 = v[i % kColumnsAbreast][i / kColumnsAbreast + R / 2];
            const typename L::V a = x0, b = x1;
            x0 = L::reduce(L::mul_lazy(L::add(a, b), scale, scale_shoup, m), m.q);
            x1 = L::reduce(L::mul_lazy(L::sub(L::add(a, m.q2), b), last, last_shoup, m), m.q);
        }
    });
}

// Words in a tail: the smallest block, done in one go (and two tails at a time).
template <class L>
inline constexpr size_t kTail = L::kLanes > 1 ? L::kLanes * L::kLanes : 4;

template <class L>
inline constexpr int kTailRadix = L::kLanes > 1 ? L::kLanes : 4;

template <class L, int R>
VX_INLINE void load_tail_twiddles(Columns<L, R>& w, Columns<L, R>& ws, size_t block, const Twiddles& t) {
#pragma GCC unroll 2
    for (int c = 0; c < kColumnsAbreast; ++c) {
        constexpr int kStep = L::kMontgomeryTail ? R : 2 * R;
        const u64* tail = t.tail + (block + c) * (kStep * (R - 1));
#pragma GCC unroll 8
        for (int i = 0; i < R - 1; ++i) {
            w[c][i] = L::load(tail + kStep * i);
            if constexpr (!L::kMontgomeryTail) ws[c][i] = L::load(tail + kStep * i + R);
        }
    }
}

template <class L, int R>
VX_INLINE void load_tails(Columns<L, R>& v, const u64* x) {
#pragma GCC unroll 16
    for (int i = 0; i < kColumnsAbreast * R; ++i) v[i / R][i % R] = L::load(x + i * L::kLanes);
}

template <class L, int R>
VX_INLINE void store_tails(u64* x, const Columns<L, R>& v) {
#pragma GCC unroll 16
    for (int i = 0; i < kColumnsAbreast * R; ++i) L::store(x + i * L::kLanes, v[i / R][i % R]);
}

template <class L, int R>
VX_INLINE void transpose_tails(Columns<L, R>& v) {
    if constexpr (L::kLanes > 1) {
#pragma GCC unroll 2
        for (int c = 0; c < kColumnsAbreast; ++c) L::transpose(v[c]);
    }
}

// The last stages of tails number `block` and block + 1, whose twiddle indices are k and k + 1; results in [0, q).
template <class L>
VX_INLINE void forward_tails(u64* x, size_t k, size_t block, const Twiddles& t, const typename L::Mod& m) {
    constexpr int R = kTailRadix<L>;
    Columns<L, R> v, w = {}, ws = {};
#pragma GCC unroll 2
    for (int c = 0; c < kColumnsAbreast; ++c) broadcast_twiddles<L, R>(w[c], ws[c], t, k + c);
    load_tails<L, R>(v, x);
    forward_stages<Between<L>, L, R>(v, w, ws, m);
    if constexpr (L::kLanes > 1) {
        transpose_tails<L, R>(v);
        load_tail_twiddles<L, R>(w, ws, block, t);
        forward_stages<Inside<L>, L, R>(v, w, ws, m);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kColumnsAbreast * R; ++i) v[i / R][i % R] = L::reduce(L::reduce(v[i / R][i % R], m.q2), m.q);
    transpose_tails<L, R>(v);
    store_tails<L, R>(x, v);
}

template <class L>
VX_INLINE void inverse_tails(u64* out, const u64* x, size_t k, size_t block, const Twiddles& t, const typename L::Mod& m) {
    constexpr int R = kTailRadix<L>;
    Columns<L, R> v, w = {}, ws = {};
    load_tails<L, R>(v, x);
    if constexpr (L::kLanes > 1) {
        transpose_tails<L, R>(v);
        load_tail_twiddles<L, R>(w, ws, block, t);
        inverse_stages<Inside<L>, L, R>(v, w, ws, m);
        transpose_tails<L, R>(v);
    }
#pragma GCC unroll 2
    for (int c = 0; c < kColumnsAbreast; ++c) broadcast_twiddles<L, R>(w[c], ws[c], t, k + c);
    inverse_stages<Between<L>, L, R>(v, w, ws, m);
    store_tails<L, R>(out, v);
}

// The radix of the next pass over a block of n words: 8 as often as it divides, and 4 4 rather than 8 2.
template <class L>
VX_INLINE int next_radix(size_t n) {
    size_t left = n / kTail<L>;
    return left == 2 ? 2 : L::kRadix == 4 || left == 4 || left == 16 ? 4 : 8;
}

// A block of n >= 2 tails with twiddle index k; `tails` of them make the whole row. Depth first: a block that fits the first
// cache is finished there. out may be x, and is from the second pass on.
template <class L>
void forward_block(u64* out, const u64* x, size_t n, size_t k, size_t tails, const Twiddles& t, const typename L::Mod& m) {
    const int radix = next_radix<L>(n);
    const size_t stride = n / radix;
    if (radix == 8) {
        forward_pass<L, 8>(out, x, stride, k, t, m);
    } else if (radix == 4) {
        forward_pass<L, 4>(out, x, stride, k, t, m);
    } else {
        forward_pass<L, 2>(out, x, stride, k, t, m);
    }
    if (stride == kTail<L>) {
        for (int r = 0; r < radix; r += kColumnsAbreast) {
            forward_tails<L>(out + r * stride, radix * k + r, radix * k + r - tails, t, m);
        }
        return;
    }
    for (int r = 0; r < radix; ++r) {
        forward_block<L>(out + r * stride, out + r * stride, stride, radix * k + r, tails, t, m);
    }
}

template <class L>
void inverse_block(u64* out, const u64* x, size_t n, size_t k, size_t tails, const NttTable& table, const typename L::Mod& m) {
    const int radix = next_radix<L>(n);
    const size_t stride = n / radix;
    if (stride == kTail<L>) {
        for (int r = 0; r < radix; r += kColumnsAbreast) {
            inverse_tails<L>(out + r * stride, x + r * stride, radix * k + r, radix * k + r - tails, table.inverse, m);
        }
    } else {
        for (int r = 0; r < radix; ++r) {
            inverse_block<L>(out + r * stride, x + r * stride, stride, radix * k + r, tails, table, m);
        }
    }
    if (radix == 8) {
        k == 1 ? inverse_last_pass<L, 8>(out, stride, table, m) : inverse_pass<L, 8>(out, stride, k, table.inverse, m);
    } else if (radix == 4) {
        k == 1 ? inverse_last_pass<L, 4>(out, stride, table, m) : inverse_pass<L, 4>(out, stride, k, table.inverse, m);
    } else {
        k == 1 ? inverse_last_pass<L, 2>(out, stride, table, m) : inverse_pass<L, 2>(out, stride, k, table.inverse, m);
    }
}

template <class L>
void ntt_row(u64* out, const u64* x, size_t n, const NttTable& table, const Modulus& modulus) {
    const typename L::Mod m(modulus);
    forward_block<L>(out, x, n, 1, n / kTail<L>, table.forward, m);
}

template <class L>
void intt_row(u64* out, const u64* x, size_t n, const NttTable& table, const Modulus& modulus) {
    const typename L::Mod m(modulus);
    inverse_block<L>(out, x, n, 1, n / kTail<L>, table, m);
}

}  // namespace VX_ISA
}  // namespace vx
