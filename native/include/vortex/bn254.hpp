// Constants of BN254. DO NOT EDIT: tools/generate_headers.py writes it from arith/field/bn254.py.
#pragma once
#include "vortex/config.hpp"

namespace vx {
inline namespace VX_ISA {
namespace bn254 {

// Base field.
struct FqModulus {
    // The prime.
    static VX_FN constexpr u64 p(int i) {
        constexpr u64 limbs[4] = {0x3c208c16d87cfd47u, 0x97816a916871ca8du, 0xb85045b68181585du, 0x30644e72e131a029u};
        return limbs[i];
    }
    // 2^256 mod p: one in Montgomery form.
    static VX_FN constexpr u64 one(int i) {
        constexpr u64 limbs[4] = {0xd35d438dc58f0d9du, 0x0a78eb28f5c70b3du, 0x666ea36f7879462cu, 0x0e0a77c19a07df2fu};
        return limbs[i];
    }
    // 2^512 mod p: brings an integer into Montgomery form.
    static VX_FN constexpr u64 r2(int i) {
        constexpr u64 limbs[4] = {0xf32cfc5b538afa89u, 0xb5e71911d44501fbu, 0x47ab1eff0a417ff6u, 0x06d89f71cab8351fu};
        return limbs[i];
    }
    // -1/p mod 2^64.
    static constexpr u64 inv = 0x87d20782e4866389u;
};
// Scalar field, the order of the groups.
struct FrModulus {
    // The prime.
    static VX_FN constexpr u64 p(int i) {
        constexpr u64 limbs[4] = {0x43e1f593f0000001u, 0x2833e84879b97091u, 0xb85045b68181585du, 0x30644e72e131a029u};
        return limbs[i];
    }
    // 2^256 mod p: one in Montgomery form.
    static VX_FN constexpr u64 one(int i) {
        constexpr u64 limbs[4] = {0xac96341c4ffffffbu, 0x36fc76959f60cd29u, 0x666ea36f7879462eu, 0x0e0a77c19a07df2fu};
        return limbs[i];
    }
    // 2^512 mod p: brings an integer into Montgomery form.
    static VX_FN constexpr u64 r2(int i) {
        constexpr u64 limbs[4] = {0x1bb8e645ae216da7u, 0x53fe3ab1e35c59e3u, 0x8c49833d53bb8085u, 0x0216d0b17f4e44a5u};
        return limbs[i];
    }
    // -1/p mod 2^64.
    static constexpr u64 inv = 0xc2e1f593efffffffu;
};
constexpr int two_adicity = 28;
// A primitive 2^28-th root of unity of Fr, Montgomery form.
VX_FN constexpr u64 fr_root(int i) {
    constexpr u64 limbs[4] = {0x636e735580d13d9cu, 0xa22bf3742445ffd6u, 0x56452ac01eb203d8u, 0x1860ef942963f9e7u};
    return limbs[i];
}
constexpr u64 x = 4965661367192848881u;  // the BN parameter
// Everything below over Fq is in Montgomery form, elements of Fq2 as c0 then c1.
// E: y^2 = x^3 + b.
VX_FN constexpr u64 b1(int i) {
    constexpr u64 limbs[4] = {0x7a17caa950ad28d7u, 0x1f6ac17ae15521b9u, 0x334bea4e696bd284u, 0x2a1f6744ce179d8eu};
    return limbs[i];
}
// The twist: y^2 = x^3 + b2.
VX_FN constexpr u64 b2(int i) {
    constexpr u64 limbs[8] = {0x3bf938e377b802a8u, 0x020b1b273633535du, 0x26b7edf049755260u, 0x2514c6324384a86du, 0x38e7ecccd1dcff67u, 0x65f0b37d93ce0d3eu, 0xd749d0dd22ac00aau, 0x0141b9ce4a688d4du};
    return limbs[i];
}
// 1/2.
VX_FN constexpr u64 half(int i) {
    constexpr u64 limbs[4] = {0x87bee7d24f060572u, 0xd0fd2add2f1c6ae5u, 0x8f5f7492fcfd4f44u, 0x1f37631a3d9cbfacu};
    return limbs[i];
}
// (p-1)/2, a plain integer.
VX_FN constexpr u64 minus_half_of_p(int i) {
    constexpr u64 limbs[4] = {0x9e10460b6c3e7ea3u, 0xcbc0b548b438e546u, 0xdc2822db40c0ac2eu, 0x183227397098d014u};
    return limbs[i];
}
// (9+u)^(i(p-1)/6) for i = 0..5, eight limbs each.
VX_FN constexpr u64 frobenius(int i) {
    constexpr u64 limbs[48] = {0xd35d438dc58f0d9du, 0x0a78eb28f5c70b3du, 0x666ea36f7879462cu, 0x0e0a77c19a07df2fu, 0x0000000000000000u, 0x0000000000000000u, 0x0000000000000000u, 0x0000000000000000u, 0xaf9ba69633144907u, 0xca6b1d7387afb78au, 0x11bded5ef08a2087u, 0x02f34d751a1f3a7cu, 0xa222ae234c492d72u, 0xd00f02a4565de15bu, 0xdc2ff3a253dfc926u, 0x10a75716b3899551u, 0xb5773b104563ab30u, 0x347f91c8a9aa6454u, 0x7a007127242e0991u, 0x1956bcd8118214ecu, 0x6e849f1ea0aa4757u, 0xaa1c7b6d89f89141u, 0xb6e713cdfae0ca3au, 0x26694fbb4e82ebc3u, 0xe4bbdd0c2936b629u, 0xbb30f162e133bacbu, 0x31a9d1b6f9645366u, 0x253570bea500f8ddu, 0xa1d77ce45ffe77c7u, 0x07affd117826d1dbu, 0x6d16bd27bb7edc6bu, 0x2c87200285defeccu, 0x7361d77f843abe92u, 0xa5bb2bd3273411fbu, 0x9c941f314b3e2399u, 0x15df9cddbb9fd3ecu, 0x5dddfd154bd8c949u, 0x62cb29a5a4445b60u, 0x37bc870a0c7dd2b9u, 0x24830a9d3171f0fdu, 0xc970692f41690fe7u, 0xe240342127694b0bu, 0x32bee66b83c459e8u, 0x12aabced0ab08841u, 0x0d485d2340aebfa9u, 0x05193418ab2fcc57u, 0xd3b0a40b8a4910f5u, 0x2f21ebb535d2925au};
    return limbs[i];
}
// β = 1^(1/3): (x, y) -> (βx, y) multiplies points of G1.
VX_FN constexpr u64 cube_root(int i) {
    constexpr u64 limbs[4] = {0x71930c11d782e155u, 0xa6bb947cffbe3323u, 0xaa303344d4741444u, 0x2c3b3f0d26594943u};
    return limbs[i];
}
// floor(2^320·(6x^2+2x)/r), a plain integer.
VX_FN constexpr u64 g1_split_first(int i) {
    constexpr u64 limbs[4] = {0xa5e38cfb5eaa26d9u, 0x7a7bd9d4391eb18du, 0x4ccef014a773d2cfu, 0x0000000000000002u};
    return limbs[i];
}
// floor(2^320·(2x+1)/r), a plain integer.
VX_FN constexpr u64 g1_split_second(int i) {
    constexpr u64 limbs[4] = {0x6eb9c714773a6ef2u, 0xd91d232ec7e0b3d7u, 0x0000000000000002u, 0x0000000000000000u};
    return limbs[i];
}
// floor(2^320/6x^2), a plain integer.
VX_FN constexpr u64 g2_split(int i) {
    constexpr u64 limbs[4] = {0xcd9e614a70bf4f4cu, 0x2cb62031c8e01941u, 0x4ccef014a773d2d5u, 0x0000000000000002u};
    return limbs[i];
}
// 6x+2 in non-adjacent form, least significant digit first.
constexpr int ate_length = 66;
constexpr int miller_lines = 88;  // of one point of G2
VX_FN constexpr int ate_digit(int i) {
    constexpr signed char digits[66] = {0, 0, 0, 1, 0, 1, 0, -1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0, -1, 0, 0, 0, 1, 0, -1, 0, 0, 0, 0, -1, 0, 0, 1, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0, -1, 0, 1, 0, -1, 0, 0, 0, -1, 0, -1, 0, 0, 0, 1, 0, -1, 0, 1};
    return digits[i];
}

}  // namespace bn254
}  // namespace VX_ISA
}  // namespace vx
