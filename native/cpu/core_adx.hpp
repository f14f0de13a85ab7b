// Limb arithmetic with MULX, ADCX and ADOX (x86-64 since Broadwell): two carry chains run side by side in the product.
#pragma once
#include "core.hpp"

namespace vx {
inline namespace VX_ISA {

template <class M>
struct alignas(32) Memory {
    u64 p[4] = {M::p(0), M::p(1), M::p(2), M::p(3)};
    u64 inv = M::inv;
};
template <class M>
inline constexpr Memory<M> memory{};

// t4:t0 += a·rdx, then m = t0·inv, t4:t0 = (t4:t0 + m·p) / 2^64; t0 becomes the next row's t4 (it is zero).
#define VX_ROW(b, t0, t1, t2, t3, t4)                 \
    "movq " b ", %%rdx\n\t"                           \
    "xorl %%eax, %%eax\n\t"                           \
    "mulx 0(%[a]), %[lo], %[hi]\n\t"                  \
    "adoxq %[lo], " t0 "\n\tadcxq %[hi], " t1 "\n\t"  \
    "mulx 8(%[a]), %[lo], %[hi]\n\t"                  \
    "adoxq %[lo], " t1 "\n\tadcxq %[hi], " t2 "\n\t"  \
    "mulx 16(%[a]), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t2 "\n\tadcxq %[hi], " t3 "\n\t"  \
    "mulx 24(%[a]), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t3 "\n\tadcxq %[hi], " t4 "\n\t"  \
    "adoxq %%rax, " t4 "\n\t" VX_REDUCE(t0, t1, t2, t3, t4)
#define VX_REDUCE(t0, t1, t2, t3, t4)                 \
    "movq 32(%[m]), %%rdx\n\t"                        \
    "imulq " t0 ", %%rdx\n\t"                         \
    "xorl %%eax, %%eax\n\t"                           \
    "mulx 0(%[m]), %[lo], %[hi]\n\t"                  \
    "adoxq %[lo], " t0 "\n\tadcxq %[hi], " t1 "\n\t"  \
    "mulx 8(%[m]), %[lo], %[hi]\n\t"                  \
    "adoxq %[lo], " t1 "\n\tadcxq %[hi], " t2 "\n\t"  \
    "mulx 16(%[m]), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t2 "\n\tadcxq %[hi], " t3 "\n\t"  \
    "mulx 24(%[m]), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t3 "\n\tadcxq %[hi], " t4 "\n\t"  \
    "adoxq %%rax, " t4 "\n\t"
// t3:t0 -= p unless that is negative.
#define VX_REDUCE_ONCE(t0, t1, t2, t3, d0, d1, d2, d3)                                     \
    "movq " t0 ", " d0 "\n\tmovq " t1 ", " d1 "\n\tmovq " t2 ", " d2 "\n\tmovq " t3 ", " d3 "\n\t" \
    "subq 0(%[m]), " d0 "\n\tsbbq 8(%[m]), " d1 "\n\tsbbq 16(%[m]), " d2 "\n\tsbbq 24(%[m]), " d3 "\n\t" \
    "cmovncq " d0 ", " t0 "\n\tcmovncq " d1 ", " t1 "\n\tcmovncq " d2 ", " t2 "\n\tcmovncq " d3 ", " t3 "\n\t"

struct AdxCore : CpuCore {
    template <class M>
    static inline void mul(u64* out, const u64* a, const u64* b) {
        u64 t0, t1, t2, t3, t4, lo, hi;
        asm("xorl %k[t0], %k[t0]\n\txorl %k[t1], %k[t1]\n\txorl %k[t2], %k[t2]\n\t"
            "xorl %k[t3], %k[t3]\n\txorl %k[t4], %k[t4]\n\t"
            VX_ROW("0(%[b])", "%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[t4]")
            VX_ROW("8(%[b])", "%[t1]", "%[t2]", "%[t3]", "%[t4]", "%[t0]")
            VX_ROW("16(%[b])", "%[t2]", "%[t3]", "%[t4]", "%[t0]", "%[t1]")
            VX_ROW("24(%[b])", "%[t3]", "%[t4]", "%[t0]", "%[t1]", "%[t2]")
            VX_REDUCE_ONCE("%[t4]", "%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[lo]", "%[hi]", "%%rdx")
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [lo] "=&r"(lo), [hi] "=&r"(hi)
            : [a] "r"(a), [b] "r"(b), [m] "r"(&memory<M>), "m"(*(const u64(*)[4])a), "m"(*(const u64(*)[4])b)
            : "rax", "rdx", "cc");
        out[0] = t4;
        out[1] = t0;
        out[2] = t1;
        out[3] = t2;
    }

    template <class M>
    static inline void add(u64* out, const u64* a, const u64* b) {
        u64 t0 = a[0], t1 = a[1], t2 = a[2], t3 = a[3], d0, d1, d2, d3;
        asm("addq 0(%[b]), %[t0]\n\tadcq 8(%[b]), %[t1]\n\tadcq 16(%[b]), %[t2]\n\tadcq 24(%[b]), %[t3]\n\t"
            VX_REDUCE_ONCE("%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[d0]", "%[d1]", "%[d2]", "%[d3]")
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [d0] "=&r"(d0), [d1] "=&r"(d1),
              [d2] "=&r"(d2), [d3] "=&r"(d3)
            : [b] "r"(b), [m] "r"(&memory<M>), "m"(*(const u64(*)[4])b)
            : "cc");
        out[0] = t0;
        out[1] = t1;
        out[2] = t2;
        out[3] = t3;
    }

    template <class M>
    static inline void sub(u64* out, const u64* a, const u64* b) {
        u64 t0 = a[0], t1 = a[1], t2 = a[2], t3 = a[3], d0, d1, d2, d3;
        asm("subq 0(%[b]), %[t0]\n\tsbbq 8(%[b]), %[t1]\n\tsbbq 16(%[b]), %[t2]\n\tsbbq 24(%[b]), %[t3]\n\t"
            "sbbq %[d0], %[d0]\n\tmovq %[d0], %[d1]\n\tmovq %[d0], %[d2]\n\tmovq %[d0], %[d3]\n\t"
            "andq 0(%[m]), %[d0]\n\tandq 8(%[m]), %[d1]\n\tandq 16(%[m]), %[d2]\n\tandq 24(%[m]), %[d3]\n\t"
            "addq %[d0], %[t0]\n\tadcq %[d1], %[t1]\n\tadcq %[d2], %[t2]\n\tadcq %[d3], %[t3]\n\t"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [d0] "=&r"(d0), [d1] "=&r"(d1),
              [d2] "=&r"(d2), [d3] "=&r"(d3)
            : [b] "r"(b), [m] "r"(&memory<M>), "m"(*(const u64(*)[4])b)
            : "cc");
        out[0] = t0;
        out[1] = t1;
        out[2] = t2;
        out[3] = t3;
    }

    template <class M>
    static inline void inverse(u64* out, const u64* a) {
        inverse_with<M, AdxCore>(out, a);
    }
};

#undef VX_ROW
#undef VX_REDUCE
#undef VX_REDUCE_ONCE

}  // namespace VX_ISA
}  // namespace vx
