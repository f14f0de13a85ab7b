// ChaCha20 (RFC 8439), sixteen blocks side by side, one a lane of the compiler's vectors.
#pragma once

#include "ring_rows.hpp"

namespace vx {
inline namespace VX_ISA {

using ChaChaLane = u32 __attribute__((vector_size(4 * kChaChaBlocks)));

// Lanes that transpose sixteen vectors of sixteen words in registers.
template <class L>
constexpr bool kTransposes = requires(u32* out, ChaChaLane (&rows)[16]) { L::store_transposed(out, rows); };

// L names the instruction set.
template <class L>
struct ChaCha {
    VX_INLINE static void quarter_round(ChaChaLane& a, ChaChaLane& b, ChaChaLane& c, ChaChaLane& d) {
        a += b, d ^= a, d = d << 16 | d >> 16;
        c += d, b ^= c, b = b << 12 | b >> 20;
        a += b, d ^= a, d = d << 8 | d >> 24;
        c += d, b ^= c, b = b << 7 | b >> 25;
    }

    static void blocks(u32* out, const u32* input, u32 first) {
        ChaChaLane start[16], s[16];
        for (int i = 0; i < 16; ++i) start[i] = ChaChaLane{} + input[i];
        for (int lane = 0; lane < kChaChaBlocks; ++lane) start[12][lane] = first + lane;
        for (int i = 0; i < 16; ++i) s[i] = start[i];
        for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) quarter_round(s[i], s[4 + i], s[8 + i], s[12 + i]);
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
                quarter_round(s[i], s[4 + (i + 1) % 4], s[8 + (i + 2) % 4], s[12 + (i + 3) % 4]);
            }
        }
        if constexpr (kTransposes<L>) {
            for (int i = 0; i < 16; ++i) s[i] += start[i];
            L::store_transposed(out, s);
        } else {
            alignas(64) u32 columns[16][kChaChaBlocks];
            for (int i = 0; i < 16; ++i) {
                s[i] += start[i];
                __builtin_memcpy(columns[i], &s[i], sizeof(s[i]));
            }
            for (int lane = 0; lane < kChaChaBlocks; ++lane) {
                for (int i = 0; i < 16; ++i) out[16 * lane + i] = columns[i][lane];
            }
        }
    }

    static size_t accept(u64* out, const u32* words, size_t count, u64 modulus) {
        const u64 mask = ~u64{0} >> __builtin_clzll(modulus);
        size_t have = 0;
        if constexpr (kTransposes<L>) {
            for (size_t i = 0; i < count; i += 8) have += L::store_below(out + have, words + 2 * i, mask, modulus);
        } else {
            for (size_t i = 0; i < count; ++i) {
                const u64 w = (words[2 * i] | u64{words[2 * i + 1]} << 32) & mask;
                out[have] = w;
                have += w < modulus;
            }
        }
        return have;
    }
};

}  // namespace VX_ISA
}  // namespace vx
