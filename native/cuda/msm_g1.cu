// Sums over points of G1.
#include <msm.hpp>

using namespace vx;

#define VX_NAME(kernel) g1_##kernel
#define VX_COORDINATE Fq
#include <group.inc>
#undef VX_COORDINATE
#undef VX_NAME
