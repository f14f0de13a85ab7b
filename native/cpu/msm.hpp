// Multi-scalar multiplication and fixed-base multiplication over a table of group operations.
#pragma once
#include "field_ops.hpp"
#include "run.hpp"

namespace vx {

// Σ scalars_i·points_i, scalars in Montgomery form, one affine point out.
void msm(const FieldOps& ops, const GroupOps& group, const u64* points, const u64* scalars, u64* out, size_t n, const Run& run);

// scalars_i·base, scalars in Montgomery form, n affine points out.
void fixed_base(const FieldOps& ops, const GroupOps& group, const u64* base, const u64* scalars, u64* out, size_t n,
                const Run& run);

// a_i + b_i, affine.
void add_points(const GroupOps& group, const u64* a, const u64* b, u64* out, size_t n, const Run& run);

}  // namespace vx
