#pragma once
#include "field_ops.hpp"
#include "run.hpp"

namespace vx {

// Transform over Fr of 2^log_n values, natural order in and out; `root` is a primitive 2^log_n-th root of unity, `coset` the
// domain's shift or null. The inverse undoes the transform of the same coset.
void ntt_fr(const FieldOps& ops, const u64* in, u64* out, size_t log_n, const u64* root, const u64* coset, bool inverse,
            const Run& run);

}  // namespace vx
