// What kernels take from the machine. Under nvcc and NVRTC these are built in; the block emulator puts its own header of
// this name (native/emulate/device.hpp) first on the include path, so that kernels themselves hold no #if.
#pragma once

#define VX_KERNEL(threads) extern "C" __global__ __launch_bounds__(threads) void
