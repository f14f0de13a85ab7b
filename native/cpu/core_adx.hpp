// Limb arithmetic with MULX, ADCX and ADOX (x86-64 since Broadwell): two carry chains run side by side in the product.
#pragma once
#include "core.hpp"
#include "products_adx.hpp"

namespace vx {
inline namespace VX_ISA {

// t4:t0 = a·b.
#define VX_FIRST_ROW(b, t0, t1, t2, t3, t4)           \
    "movq " b ", %%rdx\n\t"                           \
    "mulx 0(%[a]), " t0 ", " t1 "\n\t"                \
    "mulx 8(%[a]), %[lo], " t2 "\n\taddq %[lo], " t1 "\n\t"  \
    "mulx 16(%[a]), %[lo], " t3 "\n\tadcq %[lo], " t2 "\n\t" \
    "mulx 24(%[a]), %[lo], " t4 "\n\tadcq %[lo], " t3 "\n\t" \
    "adcq $0, " t4 "\n\t"
// t4:t0 = t3:t0 + a·rdx.
#define VX_ADD_ROW(a, t0, t1, t2, t3, t4)             \
    "xorl %k[zero], %k[zero]\n\t"                     \
    "mulx 0(" a "), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t0 "\n\tadcxq %[hi], " t1 "\n\t"  \
    "mulx 8(" a "), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t1 "\n\tadcxq %[hi], " t2 "\n\t"  \
    "mulx 16(" a "), %[lo], %[hi]\n\t"                \
    "adoxq %[lo], " t2 "\n\tadcxq %[hi], " t3 "\n\t"  \
    "mulx 24(" a "), %[lo], " t4 "\n\t"               \
    "adoxq %[lo], " t3 "\n\tadcxq %[zero], " t4 "\n\tadoxq %[zero], " t4 "\n\t"
#define VX_ROW(b, t0, t1, t2, t3, t4) "movq " b ", %%rdx\n\t" VX_ADD_ROW("%[a]", t0, t1, t2, t3, t4)
// t4:t0 = (t4:t0 + m·p), m = t0·inv; t0 is zero then.
#define VX_REDUCE(t0, t1, t2, t3, t4)                 \
    "movq 32(%[m]), %%rdx\n\t"                        \
    "imulq " t0 ", %%rdx\n\t"                         \
    "xorl %k[zero], %k[zero]\n\t"                     \
    "mulx 0(%[m]), %[lo], %[hi]\n\t"                  \
    "adoxq %[lo], " t0 "\n\tadcxq %[hi], " t1 "\n\t"  \
    "mulx 8(%[m]), %[lo], %[hi]\n\t"                  \
    "adoxq %[lo], " t1 "\n\tadcxq %[hi], " t2 "\n\t"  \
    "mulx 16(%[m]), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t2 "\n\tadcxq %[hi], " t3 "\n\t"  \
    "mulx 24(%[m]), %[lo], %[hi]\n\t"                 \
    "adoxq %[lo], " t3 "\n\tadcxq %[hi], " t4 "\n\t"  \
    "adoxq %[zero], " t4 "\n\t"
// t3:t0 -= p, or kp, unless that is negative.
#define VX_FOLD(t0, t1, t2, t3, d0, d1, d2, d3)                                                        \
    "movq " t0 ", " d0 "\n\tmovq " t1 ", " d1 "\n\tmovq " t2 ", " d2 "\n\tmovq " t3 ", " d3 "\n\t" \
    "subq 0(%[m]), " d0 "\n\tsbbq 8(%[m]), " d1 "\n\tsbbq 16(%[m]), " d2 "\n\tsbbq 24(%[m]), " d3 "\n\t" \
    "cmovncq " d0 ", " t0 "\n\tcmovncq " d1 ", " t1 "\n\tcmovncq " d2 ", " t2 "\n\tcmovncq " d3 ", " t3 "\n\t"
// The whole product, in t4, t0, t1, t2, and then `AFTER`.
#define VX_PRODUCT(AFTER)                                                                                      \
    u64 t0, t1, t2, t3, t4, lo, hi, zero;                                                                      \
    asm(VX_FIRST_ROW("0(%[b])", "%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[t4]")                                   \
        VX_REDUCE("%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[t4]")                                                 \
        VX_ROW("8(%[b])", "%[t1]", "%[t2]", "%[t3]", "%[t4]", "%[t0]")                                         \
        VX_REDUCE("%[t1]", "%[t2]", "%[t3]", "%[t4]", "%[t0]")                                                 \
        VX_ROW("16(%[b])", "%[t2]", "%[t3]", "%[t4]", "%[t0]", "%[t1]")                                        \
        VX_REDUCE("%[t2]", "%[t3]", "%[t4]", "%[t0]", "%[t1]")                                                 \
        VX_ROW("24(%[b])", "%[t3]", "%[t4]", "%[t0]", "%[t1]", "%[t2]")                                        \
        VX_REDUCE("%[t3]", "%[t4]", "%[t0]", "%[t1]", "%[t2]")                                                 \
        AFTER                                                                                                  \
        : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [lo] "=&r"(lo),      \
          [hi] "=&r"(hi), [zero] "=&r"(zero)                                                                   \
        : [a] "r"(a), [b] "r"(b), [m] "r"(&memory<M>), "m"(*(const u64(*)[4])a), "m"(*(const u64(*)[4])b)      \
        : "rdx", "cc");                                                                                        \
    out[0] = t4;                                                                                               \
    out[1] = t0;                                                                                               \
    out[2] = t1;                                                                                               \
    out[3] = t2;

// As CpuCore.
struct AdxCore : CpuCore {
    template <class M>
    static inline void product(u64* out, const u64* a, const u64* b) {
        VX_PRODUCT("")
    }
    template <class M>
    static inline void mul(u64* out, const u64* a, const u64* b) {
        VX_PRODUCT(VX_FOLD("%[t4]", "%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[lo]", "%[hi]", "%%rdx"))
    }
    template <class M>
    static inline void product_pair(u64* out, const u64* a, const u64* b) {
        vx::product_pairs(out, a, b, memory<M>.p, 1, 0);
    }
    template <class M>
    static inline void product_pairs(u64* out, const u64* a, const u64* b, size_t pairs, size_t stride) {
        if (pairs) vx::product_pairs(out, a, b, memory<M>.p, pairs, 8 * stride);
    }
    template <class M>
    static inline void product_fq2(u64* out, const u64* a, const u64* b) {
        vx::product_fq2(out, a, b, memory<M>.p);
    }
    template <class M, int terms>
    static inline void sum_fq2(u64* out, const Terms<terms>& t) {
        sum_of_products_fq2(out, &t, memory<M>.p);
    }

    template <class M>
    static inline void nine_times_plus(u64* out, const u64* a, const u64* b) {
        // As CpuCore's: the guess, then what it leaves.
        u64 t0, t1, t2, t3, t4, d0, d1, d2, d3;
        asm("movl $9, %%edx\n\t"
            "mulx 0(%[a]), %[t0], %[t1]\n\tmulx 8(%[a]), %[d0], %[t2]\n\tmulx 16(%[a]), %[d1], %[t3]\n\t"
            "mulx 24(%[a]), %[d2], %[t4]\n\t"
            "addq %[d0], %[t1]\n\tadcq %[d1], %[t2]\n\tadcq %[d2], %[t3]\n\tadcq $0, %[t4]\n\t"
            "addq 0(%[b]), %[t0]\n\tadcq 8(%[b]), %[t1]\n\tadcq 16(%[b]), %[t2]\n\tadcq 24(%[b]), %[t3]\n\tadcq $0, %[t4]\n\t"
            "movq %[t3], %%rdx\n\tshrq $32, %%rdx\n\tshlq $32, %[t4]\n\torq %[t4], %%rdx\n\t"
            "mulx 40(%[m]), %[d0], %%rdx\n\t"
            "mulx 0(%[m]), %[d0], %[d1]\n\tmulx 8(%[m]), %[d2], %[d3]\n\taddq %[d2], %[d1]\n\t"
            "mulx 16(%[m]), %[d2], %[t4]\n\tadcq %[d3], %[d2]\n\tmulx 24(%[m]), %[d3], %%rdx\n\tadcq %[t4], %[d3]\n\t"
            "subq %[d0], %[t0]\n\tsbbq %[d1], %[t1]\n\tsbbq %[d2], %[t2]\n\tsbbq %[d3], %[t3]\n\t"
            VX_FOLD("%[t0]", "%[t1]", "%[t2]", "%[t3]", "%[d0]", "%[d1]", "%[d2]", "%[d3]")
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [d0] "=&r"(d0),
              [d1] "=&r"(d1), [d2] "=&r"(d2), [d3] "=&r"(d3)
            : [a] "r"(a), [b] "r"(b), [m] "r"(&memory<M>), "m"(*(const u64(*)[4])a),
              "m"(*(const u64(*)[4])b)
            : "rdx", "cc");
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

#undef VX_FIRST_ROW
#undef VX_ADD_ROW
#undef VX_ROW
#undef VX_REDUCE
#undef VX_FOLD
#undef VX_PRODUCT

}  // namespace VX_ISA
}  // namespace vx
