// What kernels take from the machine, for g++: one fiber a CUDA thread, see emulator.cpp.
#pragma once
#include <cmath>

#include "emulator.hpp"

#define VX_KERNEL(threads) extern "C" void
#define __device__
#define __noinline__ __attribute__((noinline))
#define __forceinline__ inline __attribute__((always_inline))
// A section of their own, so that their symbols, with sizes, are found again; and before each array some room that belongs
// to none (-fno-toplevel-reorder keeps it there).
#define VX_JOIN(a, b) a##b
#define VX_NAME(a, b) VX_JOIN(a, b)
#define VX_SHARED static __attribute__((section("vx_shared"), used, aligned(16)))
#define __shared__ VX_SHARED char VX_NAME(redzone_, __COUNTER__)[256]; VX_SHARED
#define __syncthreads() vx::emulate::barrier(__LINE__)
#define threadIdx (vx::emulate::thread_index)
#define blockIdx (vx::emulate::block_index)
#define blockDim (vx::emulate::block_size)
#define gridDim (vx::emulate::grid_size)
