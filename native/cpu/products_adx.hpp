// Products for x86-64 with MULX, each a function of its own in assembly: two products side by side, a product in Fq2, and
// sums of products in Fq2 under one reduction (Longa, "Efficient algorithms for large prime characteristic fields and their
// application to bilinear pairings", 2022).
//
// A row, t += a·x, is two chains of carries: the products of even limbs of a, which lie side by side, then those of odd ones.
// ADCX and ADOX would let both run at once, but rows of another sum do that as well, and for fewer instructions. The
// functions are naked since each wants all fifteen registers, whatever a compiler keeps for itself.
#pragma once
#include "core.hpp"

namespace vx {
inline namespace VX_ISA {

// rax and rdi are free in between, rdx holds a row's factor; out is on top of the saved registers.
#define VX_ENTER(bytes)                                                                                              \
    "pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\tpushq %rdi\n\tsubq $" bytes \
    ", %rsp\n\t"
#define VX_LEAVE "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\tret\n\t"
// The modulus to 0 up to 40(%rsp).
#define VX_KEEP_MODULUS(m)                                                                        \
    "movq 0(" m "), %r8\n\tmovq 8(" m "), %r9\n\tmovq 16(" m "), %r10\n\tmovq 24(" m "), %r11\n\t" \
    "movq 32(" m "), %r12\n\tmovq %r8, 0(%rsp)\n\tmovq %r9, 8(%rsp)\n\tmovq %r10, 16(%rsp)\n\t"    \
    "movq %r11, 24(%rsp)\n\tmovq %r12, 32(%rsp)\n\t"
// t4:t0 = a·x.
#define VX_FIRST(x, a0, a1, a2, a3, t0, t1, t2, t3, t4) \
    "movq " x ", %rdx\n\t"                              \
    "mulx " a0 ", " t0 ", " t1 "\n\t"                   \
    "mulx " a2 ", " t2 ", " t3 "\n\t"                   \
    "mulx " a1 ", %rax, %rdi\n\t"                       \
    "addq %rax, " t1 "\n\tadcq %rdi, " t2 "\n\t"        \
    "mulx " a3 ", %rax, " t4 "\n\t"                     \
    "adcq %rax, " t3 "\n\tadcq $0, " t4 "\n\t"
// t4:t0 += a·rdx, with `CARRY` after each chain.
#define VX_ADD(a0, a1, a2, a3, t0, t1, t2, t3, t4, CARRY)                    \
    "mulx " a0 ", %rax, %rdi\n\taddq %rax, " t0 "\n\tadcq %rdi, " t1 "\n\t" \
    "mulx " a2 ", %rax, %rdi\n\tadcq %rax, " t2 "\n\tadcq %rdi, " t3 "\n\t" \
    "adcq $0, " t4 "\n\t" CARRY                                              \
    "mulx " a1 ", %rax, %rdi\n\taddq %rax, " t1 "\n\tadcq %rdi, " t2 "\n\t" \
    "mulx " a3 ", %rax, %rdi\n\tadcq %rax, " t3 "\n\tadcq %rdi, " t4 "\n\t" CARRY
#define VX_ROW(x, a0, a1, a2, a3, t0, t1, t2, t3, t4) \
    "movq " x ", %rdx\n\t" VX_ADD(a0, a1, a2, a3, t0, t1, t2, t3, t4, "")
// t0 = 0 by adding a multiple of p: from here on the number starts at t1, and t0 is its new and empty top.
#define VX_DROP(t0, t1, t2, t3, t4, CARRY)             \
    "movq 32(%rsp), %rdx\n\timulq " t0 ", %rdx\n\t"    \
    VX_ADD("0(%rsp)", "8(%rsp)", "16(%rsp)", "24(%rsp)", t0, t1, t2, t3, t4, CARRY)
// t3:t0 -= p, unless that is negative.
#define VX_FOLD(t0, t1, t2, t3, d)                                                                      \
    "movq " t0 ", " d "\n\tmovq " t1 ", %rax\n\tmovq " t2 ", %rdx\n\tmovq " t3 ", %rdi\n\t"             \
    "subq 0(%rsp), " d "\n\tsbbq 8(%rsp), %rax\n\tsbbq 16(%rsp), %rdx\n\tsbbq 24(%rsp), %rdi\n\t"       \
    "cmovncq " d ", " t0 "\n\tcmovncq %rax, " t1 "\n\tcmovncq %rdx, " t2 "\n\tcmovncq %rdi, " t3 "\n\t"
#define VX_STORE(at, t0, t1, t2, t3)                                                        \
    "movq " t0 ", " at "(%rdi)\n\tmovq " t1 ", 8+" at "(%rdi)\n\tmovq " t2 ", 16+" at "(%rdi)\n\tmovq " t3 \
    ", 24+" at "(%rdi)\n\t"
#define VX_T0 "%r8", "%r9", "%r10", "%r11", "%r12"
#define VX_T1 "%r9", "%r10", "%r11", "%r12", "%r8"
#define VX_T2 "%r10", "%r11", "%r12", "%r8", "%r9"
#define VX_T3 "%r11", "%r12", "%r8", "%r9", "%r10"
#define VX_U0 "%r13", "%r14", "%r15", "%rbx", "%rbp"
#define VX_U1 "%r14", "%r15", "%rbx", "%rbp", "%r13"
#define VX_U2 "%r15", "%rbx", "%rbp", "%r13", "%r14"
#define VX_U3 "%rbx", "%rbp", "%r13", "%r14", "%r15"
// Arguments that are lists themselves.
#define VX_OF(macro, ...) macro(__VA_ARGS__)
#define VX_AT(at, base) #at "(" base ")", "8+" #at "(" base ")", "16+" #at "(" base ")", "24+" #at "(" base ")"

// out_k = a_k·b_k/2^256 mod p in [0, p) for a_k, b_k < 2p: `pairs` > 0 pairs of elements side by side, those of b `stride` bytes apart.
VX_NAKED static void product_pairs(u64*, const u64*, const u64*, const u64*, size_t /* pairs */, size_t /* stride */) {
    asm(VX_ENTER("56") "movq %r8, 40(%rsp)\n\tmovq %r9, 48(%rsp)\n\t" VX_KEEP_MODULUS("%rcx") "movq %rdx, %rcx\n\t1:\n\t"
#define VX_STEP(j, T, U)                                                                                   \
    VX_OF(VX_ROW, #j "(%rcx)", VX_AT(0, "%rsi"), T) VX_OF(VX_ROW, "32+" #j "(%rcx)", VX_AT(32, "%rsi"), U) \
    VX_OF(VX_DROP, T, "") VX_OF(VX_DROP, U, "")
        VX_OF(VX_FIRST, "0(%rcx)", VX_AT(0, "%rsi"), VX_T0) VX_OF(VX_FIRST, "32(%rcx)", VX_AT(32, "%rsi"), VX_U0)
        VX_OF(VX_DROP, VX_T0, "") VX_OF(VX_DROP, VX_U0, "")
        VX_STEP(8, VX_T1, VX_U1) VX_STEP(16, VX_T2, VX_U2) VX_STEP(24, VX_T3, VX_U3)
        VX_FOLD("%r12", "%r8", "%r9", "%r10", "%r11") VX_FOLD("%rbp", "%r13", "%r14", "%r15", "%rbx")
        "movq 56(%rsp), %rdi\n\taddq $64, %rsi\n\taddq 48(%rsp), %rcx\n\taddq $64, 56(%rsp)\n\t"
        VX_STORE("0", "%r12", "%r8", "%r9", "%r10") VX_STORE("32", "%rbp", "%r13", "%r14", "%r15")
        "decq 40(%rsp)\n\tjnz 1b\n\taddq $64, %rsp\n\t"
        VX_LEAVE);
#undef VX_STEP
}

// out = a·b in Fq2 for a < 2p and b < p: both halves side by side.
VX_NAKED static void product_fq2(u64*, const u64*, const u64*, const u64*) {
    asm(VX_ENTER("72") VX_KEEP_MODULUS("%rcx") "movq %rdx, %rcx\n\t"
        // 40(%rsp) = 2p - a.im
        "addq %r8, %r8\n\tadcq %r9, %r9\n\tadcq %r10, %r10\n\tadcq %r11, %r11\n\t"
        "subq 32(%rsi), %r8\n\tsbbq 40(%rsi), %r9\n\tsbbq 48(%rsi), %r10\n\tsbbq 56(%rsi), %r11\n\t"
        "movq %r8, 40(%rsp)\n\tmovq %r9, 48(%rsp)\n\tmovq %r10, 56(%rsp)\n\tmovq %r11, 64(%rsp)\n\t"
#define VX_STEP(j, FIRST, T, U)                                                       \
    VX_OF(FIRST, #j "(%rcx)", VX_AT(0, "%rsi"), T)                                    \
    VX_OF(FIRST, #j "(%rcx)", VX_AT(32, "%rsi"), U)                                   \
    VX_OF(VX_ROW, "32+" #j "(%rcx)", VX_AT(40, "%rsp"), T) VX_OF(VX_ADD, VX_AT(0, "%rsi"), U, "") \
    VX_OF(VX_DROP, T, "") VX_OF(VX_DROP, U, "")
        VX_STEP(0, VX_FIRST, VX_T0, VX_U0) VX_STEP(8, VX_ROW, VX_T1, VX_U1) VX_STEP(16, VX_ROW, VX_T2, VX_U2)
        VX_STEP(24, VX_ROW, VX_T3, VX_U3)
        VX_FOLD("%r12", "%r8", "%r9", "%r10", "%r11") VX_FOLD("%rbp", "%r13", "%r14", "%r15", "%rbx")
        "addq $72, %rsp\n\tpopq %rdi\n\t"
        VX_STORE("0", "%r12", "%r8", "%r9", "%r10") VX_STORE("32", "%rbp", "%r13", "%r14", "%r15")
        VX_LEAVE);
#undef VX_STEP
}

// out = a_0·b_0 + a_1·b_1 in Fq2, all below p.
VX_NAKED static void sum_of_products_fq2(u64*, const Terms<2>*, const u64*) {
    asm(VX_ENTER("40") VX_KEEP_MODULUS("%rdx")
        "movq 16(%rsi), %rcx\n\tmovq 24(%rsi), %rbp\n\tmovq 8(%rsi), %rbx\n\tmovq 0(%rsi), %rsi\n\t"
        "movl $2, %r15d\n\t1:\n\t"
#define VX_STEP(j, FIRST, T)                                                                             \
    VX_OF(FIRST, "32+" #j "(%rcx)", VX_AT(0, "%rsi"), T) VX_OF(VX_ROW, #j "(%rcx)", VX_AT(32, "%rsi"), T) \
    VX_OF(VX_ROW, "32+" #j "(%rbp)", VX_AT(0, "%rbx"), T) VX_OF(VX_ROW, #j "(%rbp)", VX_AT(32, "%rbx"), T) \
    VX_OF(VX_DROP, T, "")
        VX_STEP(0, VX_FIRST, VX_T0) VX_STEP(8, VX_ROW, VX_T1) VX_STEP(16, VX_ROW, VX_T2) VX_STEP(24, VX_ROW, VX_T3)
        VX_FOLD("%r12", "%r8", "%r9", "%r10", "%r11")
        "movq 40(%rsp), %rdi\n\t" VX_STORE("0", "%r12", "%r8", "%r9", "%r10")
        "addq $32, %rdi\n\tmovq %rdi, 40(%rsp)\n\taddq $32, %rcx\n\taddq $32, %rbp\n\tdecl %r15d\n\tjnz 1b\n\t"
        "addq $48, %rsp\n\t" VX_LEAVE);
#undef VX_STEP
}

// out = a_0·b_0 + a_1·b_1 + a_2·b_2 in Fq2, all below p: four rows of six fit 320 bits, what the others carry goes to a sixth limb.
VX_NAKED static void sum_of_products_fq2(u64*, const Terms<3>*, const u64*) {
    asm(VX_ENTER("48") VX_KEEP_MODULUS("%rdx")
        "movq 24(%rsi), %rcx\n\tmovq 32(%rsi), %rbp\n\tmovq 40(%rsi), %r15\n\t"
        "movq 8(%rsi), %rbx\n\tmovq 16(%rsi), %r14\n\tmovq 0(%rsi), %rsi\n\tmovl $2, 40(%rsp)\n\t1:\n\t"
        "xorl %r13d, %r13d\n\t"
#define VX_STEP(j, FIRST, t0, t1, t2, t3, t4, t5)                                                                   \
    VX_OF(FIRST, "32+" #j "(%rcx)", VX_AT(0, "%rsi"), t0, t1, t2, t3, t4)                                           \
    VX_OF(VX_ROW, #j "(%rcx)", VX_AT(32, "%rsi"), t0, t1, t2, t3, t4)                                               \
    VX_OF(VX_ROW, "32+" #j "(%rbp)", VX_AT(0, "%rbx"), t0, t1, t2, t3, t4)                                          \
    VX_OF(VX_ROW, #j "(%rbp)", VX_AT(32, "%rbx"), t0, t1, t2, t3, t4)                                               \
    "movq 32+" #j "(%r15), %rdx\n\t" VX_OF(VX_ADD, VX_AT(0, "%r14"), t0, t1, t2, t3, t4, "adcq $0, " t5 "\n\t")     \
    "movq " #j "(%r15), %rdx\n\t" VX_OF(VX_ADD, VX_AT(32, "%r14"), t0, t1, t2, t3, t4, "adcq $0, " t5 "\n\t")       \
    VX_DROP(t0, t1, t2, t3, t4, "adcq $0, " t5 "\n\t")
        VX_STEP(0, VX_FIRST, "%r8", "%r9", "%r10", "%r11", "%r12", "%r13")
        VX_STEP(8, VX_ROW, "%r9", "%r10", "%r11", "%r12", "%r13", "%r8")
        VX_STEP(16, VX_ROW, "%r10", "%r11", "%r12", "%r13", "%r8", "%r9")
        VX_STEP(24, VX_ROW, "%r11", "%r12", "%r13", "%r8", "%r9", "%r10")
        VX_FOLD("%r12", "%r13", "%r8", "%r9", "%r10") VX_FOLD("%r12", "%r13", "%r8", "%r9", "%r10")
        "movq 48(%rsp), %rdi\n\t" VX_STORE("0", "%r12", "%r13", "%r8", "%r9")
        "addq $32, %rdi\n\tmovq %rdi, 48(%rsp)\n\taddq $32, %rcx\n\taddq $32, %rbp\n\taddq $32, %r15\n\tdecl 40(%rsp)\n\tjnz 1b\n\t"
        "addq $56, %rsp\n\t" VX_LEAVE);
#undef VX_STEP
}

#undef VX_ENTER
#undef VX_LEAVE
#undef VX_KEEP_MODULUS
#undef VX_FIRST
#undef VX_ADD
#undef VX_ROW
#undef VX_DROP
#undef VX_FOLD
#undef VX_STORE
#undef VX_OF
#undef VX_AT
#undef VX_T0
#undef VX_T1
#undef VX_T2
#undef VX_T3
#undef VX_U0
#undef VX_U1
#undef VX_U2
#undef VX_U3

}  // namespace VX_ISA
}  // namespace vx
