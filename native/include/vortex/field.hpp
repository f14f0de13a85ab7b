// A prime field below 2^254 in Montgomery form with R = 2^256: four 64-bit limbs, always reduced to [0, p).
//
// The tower, the curves and the pairing are templates over a field type and use nothing but what `Fp` offers here; the
// eight-lane type of the vector path offers the same. A field type says how many elements it holds (`lanes`) and what the
// outcome of a comparison is (`Mask`, one bit a lane).
#pragma once
#include "vortex/config.hpp"

namespace vx {
inline namespace VX_ISA {

// a in [0, p) -> 1/a, and 0 for 0, by products of that core: a^(p-2).
template <class Core, class M>
VX_FN void fermat_inverse(u64* out, const u64* a) {
    u64 result[4] = {M::one(0), M::one(1), M::one(2), M::one(3)}, base[4] = {a[0], a[1], a[2], a[3]};
    for (int i = 253; i >= 0; --i) {
        Core::template mul<M>(result, result, result);
        const u64 word = M::p(i / 64) - (i < 64 ? 2 : 0);
        if (word >> (i % 64) & 1) Core::template mul<M>(result, result, base);
    }
    for (int i = 0; i < 4; ++i) out[i] = result[i];
}

// Arithmetic on limbs in plain C++. A translation unit with better instructions passes its own.
struct PortableCore {
    // a, b in [0, p) -> a*b/2^256 mod p in [0, p). Coarsely integrated operand scanning (Koç, Acar, Kaliski 1996); as
    // p < 2^254 the running sum never leaves five limbs.
    template <class M>
    static VX_FN void mul(u64* out, const u64* a, const u64* b) {
        u64 t[4] = {0, 0, 0, 0};
        for (int i = 0; i < 4; ++i) {
            u64 high = 0, carry = 0;
            u64 low = multiply_add(a[0], b[i], t[0], high);
            const u64 m = low * M::inv;
            multiply_add(m, M::p(0), low, carry);
            for (int j = 1; j < 4; ++j) {
                low = multiply_add(a[j], b[i], t[j], high);
                t[j - 1] = multiply_add(m, M::p(j), low, carry);
            }
            t[3] = carry + high;
        }
        reduce_once<M>(out, t);
    }

    // a, b in [0, p) -> a + b mod p in [0, p).
    template <class M>
    static VX_FN void add(u64* out, const u64* a, const u64* b) {
        u64 t[4], carry = 0;
        for (int i = 0; i < 4; ++i) t[i] = add_carry(a[i], b[i], carry);
        reduce_once<M>(out, t);
    }

    // a, b in [0, p) -> a - b mod p in [0, p).
    template <class M>
    static VX_FN void sub(u64* out, const u64* a, const u64* b) {
        u64 t[4], borrow = 0, carry = 0;
        for (int i = 0; i < 4; ++i) t[i] = sub_borrow(a[i], b[i], borrow);
        for (int i = 0; i < 4; ++i) out[i] = add_carry(t[i], M::p(i) & (0 - borrow), carry);
    }

    // a in [0, p) -> 1/a, and 0 for 0.
    template <class M>
    static VX_FN void inverse(u64* out, const u64* a) {
        fermat_inverse<PortableCore, M>(out, a);
    }

    // t in [0, 2p) -> [0, p).
    template <class M>
    static VX_FN void reduce_once(u64* out, const u64* t) {
        u64 d[4], borrow = 0;
        for (int i = 0; i < 4; ++i) d[i] = sub_borrow(t[i], M::p(i), borrow);
        for (int i = 0; i < 4; ++i) out[i] = borrow ? t[i] : d[i];
    }
};

// Whether a core sums products in Fq2 under one reduction.
template <class Core, class = void>
struct SumsProducts {
    static constexpr bool value = false;
};
template <class Core>
struct SumsProducts<Core, decltype((void)Core::sums_products)> {
    static constexpr bool value = true;
};

template <class M, class Core = PortableCore>
struct Fp {
    using Modulus = M;
    using Scalar = Fp;
    static constexpr bool sums_products = SumsProducts<Core>::value;
    using Mask = u8;
    static constexpr int lanes = 1;

    u64 v[4];

    static VX_FN Fp zero() { return {{0, 0, 0, 0}}; }
    static VX_FN Fp one() { return constant<M::one>(); }
    // A constant of a generated header, from limb `at` on.
    template <u64 (*limb)(int), int at = 0>
    static VX_FN Fp constant() {
        return {{limb(at), limb(at + 1), limb(at + 2), limb(at + 3)}};
    }
    static VX_FN Fp broadcast(const Fp& a) { return a; }

    friend VX_FN Fp operator+(const Fp& a, const Fp& b) {
        Fp out;
        Core::template add<M>(out.v, a.v, b.v);
        return out;
    }
    friend VX_FN Fp operator-(const Fp& a, const Fp& b) {
        Fp out;
        Core::template sub<M>(out.v, a.v, b.v);
        return out;
    }
    friend VX_FN Fp operator*(const Fp& a, const Fp& b) {
        Fp out;
        Core::template mul<M>(out.v, a.v, b.v);
        return out;
    }
    // For cores that sum products: pairs of elements, as those of Fq2 are, and factors of Fq2 (vortex/tower.hpp).
    template <class Pair>
    static VX_FN Pair product_pair(const Pair& a, const Pair& b) {  // element by element, of operands below 2p
        Pair out;
        Core::template product_pair<M>(words(out), words(a), words(b));
        return out;
    }
    // out_i = a_i b_i for i < n, those of b all the same unless `each`.
    template <class Size>
    static VX_FN void products(Fp* out, const Fp* a, const Fp* b, Size n, bool each) {
        const Fp twice[2] = {b[0], b[0]};
        Core::template product_pairs<M>(out->v, a->v, each ? b->v : twice->v, n / 2, each ? 8 : 0);
        if (n % 2) out[n - 1] = a[n - 1] * (each ? b[n - 1] : twice[0]);
    }
    template <class Pair>
    static VX_FN Pair product_fq2(const Pair& a, const Pair& b) {  // a below 2p
        Pair out;
        Core::template product_fq2<M>(words(out), words(a), words(b));
        return out;
    }
    template <class Pair, class Factor>
    static VX_FN Pair sum_fq2(const Pair& a0, const Factor& b0, const Pair& a1, const Factor& b1) {
        Pair out;
        Core::template sum_fq2<M, 2>(words(out), {{words(a0), words(a1)}, {words(b0), words(b1)}});
        return out;
    }
    template <class Pair, class Factor>
    static VX_FN Pair sum_fq2(const Pair& a0, const Factor& b0, const Pair& a1, const Factor& b1, const Pair& a2, const Factor& b2) {
        Pair out;
        Core::template sum_fq2<M, 3>(words(out), {{words(a0), words(a1), words(a2)}, {words(b0), words(b1), words(b2)}});
        return out;
    }
    // p - b.
    static VX_FN Fp complement(const Fp& b) {
        Fp out;
        const u64 p[4] = {M::p(0), M::p(1), M::p(2), M::p(3)};
        sub_limbs(out.v, p, b.v);
        return out;
    }
    // Lazy values, in [0, kp) with k <= 4, are for the functions that say so; a product, `*` too, wants factors below 2p and
    // 2p, or below 4p and p. The sum:
    static VX_FN Fp lazy_sum(const Fp& a, const Fp& b) {
        Fp out;
        add_limbs(out.v, a.v, b.v);
        return out;
    }
    // a - b + 2p for b in [0, 2p).
    static VX_FN Fp lazy_difference(const Fp& a, const Fp& b) {
        Fp out;
        const u64 p[4] = {Core::template multiple<M>(2, 0), Core::template multiple<M>(2, 1), Core::template multiple<M>(2, 2),
                          Core::template multiple<M>(2, 3)};
        sub_limbs(out.v, p, b.v);
        add_limbs(out.v, out.v, a.v);
        return out;
    }
    // The product in [0, 2p).
    static VX_FN Fp lazy_product(const Fp& a, const Fp& b) {
        Fp out;
        Core::template product<M>(out.v, a.v, b.v);
        return out;
    }
    // 9a + b and 9a - b.
    static VX_FN Fp nine_times_plus(const Fp& a, const Fp& b) {
        Fp out;
        Core::template nine_times_plus<M>(out.v, a.v, b.v);
        return out;
    }
    static VX_FN Fp nine_times_minus(const Fp& a, const Fp& b) {
        return nine_times_plus(a, complement(b));
    }
    // [0, 2kp) -> [0, kp).
    template <int k>
    VX_FN Fp folded() const {
        Fp out;
        Core::template fold<M, k>(out.v, v);
        return out;
    }
    template <class T>
    static VX_FN const u64* words(const T& a) {
        return reinterpret_cast<const u64*>(&a);
    }
    template <class T>
    static VX_FN u64* words(T& a) {
        return reinterpret_cast<u64*>(&a);
    }
    VX_FN Fp operator-() const { return zero() - *this; }
    VX_FN Fp square() const { return *this * *this; }
    // this/2: half of this or of this + p, whichever is even.
    VX_FN Fp halved() const {
        const u64 odd = 0 - (v[0] & 1), p[4] = {M::p(0) & odd, M::p(1) & odd, M::p(2) & odd, M::p(3) & odd};
        u64 t[4];
        add_limbs(t, v, p);
        return {{t[0] >> 1 | t[1] << 63, t[1] >> 1 | t[2] << 63, t[2] >> 1 | t[3] << 63, t[3] >> 1}};
    }
    VX_FN bool operator==(const Fp& b) const {
        return ((v[0] ^ b.v[0]) | (v[1] ^ b.v[1]) | (v[2] ^ b.v[2]) | (v[3] ^ b.v[3])) == 0;
    }
    VX_FN bool operator!=(const Fp& b) const { return !(*this == b); }
    VX_FN Mask is_zero() const { return (v[0] | v[1] | v[2] | v[3]) == 0; }
    // a where the mask has a bit, else b.
    static VX_FN Fp select(Mask mask, const Fp& a, const Fp& b) { return mask ? a : b; }

    // The plain integer in [0, p).
    VX_FN Fp plain() const { return *this * Fp{{1, 0, 0, 0}}; }
    // Montgomery form of any 256-bit integer. The product wants operands below p; 2^256 < 6p.
    static VX_FN Fp from_plain(const u64* limbs) {
        Fp t{{limbs[0], limbs[1], limbs[2], limbs[3]}};
        for (int i = 0; i < 5; ++i) PortableCore::reduce_once<M>(t.v, t.v);
        return t * constant<M::r2>();
    }
    // Whether four limbs are an integer below p.
    static VX_FN bool canonical(const u64* limbs) {
        u64 borrow = 0;
        for (int i = 0; i < 4; ++i) sub_borrow(limbs[i], M::p(i), borrow);
        return borrow != 0;
    }
    // this^e for e of `words` limbs, the most significant bit first.
    VX_FN Fp pow(const u64* e, int words) const {
        Fp out = one();
        for (int i = 64 * words - 1; i >= 0; --i) {
            out = out.square();
            if (e[i / 64] >> (i % 64) & 1) out = out * *this;
        }
        return out;
    }
    // 1/this, and 0 for 0.
    VX_FN Fp inverse() const {
        Fp out;
        Core::template inverse<M>(out.v, v);
        return out;
    }
};

}  // namespace VX_ISA
}  // namespace vx
