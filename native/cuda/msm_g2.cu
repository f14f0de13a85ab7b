// Sums over points of G2.
#include <msm.hpp>

using namespace vx;

#define VX_NAME(kernel) g2_##kernel
#define VX_COORDINATE Fq2
#include <group.inc>
#undef VX_COORDINATE
#undef VX_NAME
