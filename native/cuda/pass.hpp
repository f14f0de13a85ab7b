// How transforms over 2^log_n places are cut into passes over tiles that fit shared memory.
#pragma once
#include <device.hpp>

#include "vortex/config.hpp"

namespace vx {

__device__ __forceinline__ u32 reverse_bits(u32 x, u32 bits) {
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
    x = (x >> 8 & 0x00ff00ffu) | (x & 0x00ff00ffu) << 8;
    return bits ? (x >> 16 | x << 16) >> (32 - bits) : 0;
}

// One pass of a transform: the stages first .. first + log_rows - 1. A block holds a tile of 2^log_rows rows, a stride of
// `1 << log_stride` places apart, and 2^log_columns neighbouring columns.
struct Pass {
    u32 log_n, first, log_rows, log_columns;

    __device__ __forceinline__ u32 log_stride() const { return log_n - first - log_rows; }
    // Which block of the stage `first` the tile lies in.
    __device__ __forceinline__ u32 block(u32 tile) const { return tile >> (log_stride() - log_columns); }
    // The place of entry e = row 2^log_columns + column.
    __device__ __forceinline__ u32 place(u32 tile, u32 e) const {
        const u32 column = (tile & ((1u << (log_stride() - log_columns)) - 1)) << log_columns;
        const u32 row = e >> log_columns;
        return (block(tile) << (log_n - first)) + column + (row << log_stride()) + (e & ((1u << log_columns) - 1));
    }
};

}  // namespace vx
