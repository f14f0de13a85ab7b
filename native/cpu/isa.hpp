// Which instruction sets this processor has. Defined on x86-64 alone; elsewhere nothing asks.
#pragma once

namespace vx {

bool has_avx2();  // with BMI2 and ADX: the files named *_avx2
bool has_ifma();  // AVX-512 with IFMA, VBMI and VBMI2: the files named *_ifma

}  // namespace vx
