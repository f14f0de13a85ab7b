// The fields of BN254 as devices compute in them, and the loop over vectors.
#pragma once
#include <device.hpp>

#include "vortex/bn254.hpp"
#include "vortex/carry_chain.hpp"

namespace vx {

using Fr = Fp<bn254::FrModulus, CarryChainCore>;
using Fq = Fp<bn254::FqModulus, CarryChainCore>;

// i < n, a thread for each i or every so many.
#define VX_EACH(i) for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (u64)gridDim.x * blockDim.x)

}  // namespace vx
