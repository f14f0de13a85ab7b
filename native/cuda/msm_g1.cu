// Sums over points of G1; native/cuda/msm.hpp says what each kernel does.
#include <msm.hpp>

using namespace vx;

VX_KERNEL(128) g1_gather(Jacobian<Fq>* sums, const Affine<Fq>* points, const u64* order, const u8* negative, const u64* starts,
                         const u64* runs, u64 n, u64 count, u32 length) {
    gather(sums, points, order, negative, starts, runs, n, count, length);
}
VX_KERNEL(128) g1_fold(Jacobian<Fq>* out, const Jacobian<Fq>* sums, const u64* starts, const u64* runs, u64 count, u32 length) {
    fold(out, sums, starts, runs, count, length);
}
VX_KERNEL(128) g1_reduce(Jacobian<Fq>* out, const Jacobian<Fq>* sums, const u64* places, u64 chunks, u32 c, u32 log_chunk) {
    reduce(out, sums, places, chunks, c, log_chunk);
}
VX_KERNEL(1) g1_combine(Affine<Fq>* out, const Jacobian<Fq>* sums, u32 windows, u32 c) { combine(out, sums, windows, c); }
VX_KERNEL(1) g1_powers(Jacobian<Fq>* out, const Affine<Fq>* base, u32 windows, u32 c) { powers(out, base, windows, c); }
VX_KERNEL(128) g1_multiples(Jacobian<Fq>* out, const Jacobian<Fq>* powers, u64 n, u32 c) { multiples(out, powers, n, c); }
VX_KERNEL(128) g1_look_up(Jacobian<Fq>* out, const Affine<Fq>* table, const u64* magnitudes, const u8* negative, u64 n, u32 c,
                          u32 windows) {
    look_up(out, table, magnitudes, negative, n, c, windows);
}
VX_KERNEL(256) g1_denominators(Fq* out, const Jacobian<Fq>* points, u64 n) { denominators(out, points, n); }
VX_KERNEL(128) g1_to_affine(Affine<Fq>* out, const Jacobian<Fq>* points, const Fq* inverses, u64 n) {
    to_affine(out, points, inverses, n);
}
