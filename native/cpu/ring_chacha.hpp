// ChaCha20 (RFC 8439), sixteen blocks side by side, one a lane of the compiler's vectors.
#pragma once

#include "ring_rows.hpp"

namespace vx {
inline namespace VX_ISA {

using ChaChaLane = u32 __attribute__((vector_size(4 * kChaChaBlocks)));

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
        alignas(64) u32 columns[16][kChaChaBlocks];
        for (int i = 0; i < 16; ++i) {
            s[i] += start[i];
            __builtin_memcpy(columns[i], &s[i], sizeof(s[i]));
        }
        for (int lane = 0; lane < kChaChaBlocks; ++lane) {
            for (int i = 0; i < 16; ++i) out[16 * lane + i] = columns[i][lane];
        }
    }
};

}  // namespace VX_ISA
}  // namespace vx
