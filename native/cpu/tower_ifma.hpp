// Fq12 = Fq2[w]/(w^6 - ξ) with an element's coefficients in the lanes: lane i < 6 holds that of w^i, R = 2^260; what the
// last two lanes hold does not matter.
//
// The tower of vortex/tower.hpp has w^2 = v, so that its c_i.c_j is the coefficient of w^(i + 2j). Products are by the
// schoolbook, all six terms of a coefficient under one reduction: fewer instructions would be multiplications with
// Karatsuba's trick, but sums before and after it would be permutations and carries.
#pragma once
#include "lanes2_ifma.hpp"
#include "vortex/tower.hpp"

namespace vx {
inline namespace VX_ISA {

// A sum of products before its reduction, ten columns of 2^(52i); B adds up the products of the bounds.
template <class M, int B>
struct Wide {
    Vec t[10];

    static VX_INLINE Wide zero() {
        Wide out;
        for (auto& column : out.t) column = _mm512_setzero_si512();
        return out;
    }
};
template <class M, int B, int C, int D>
VX_INLINE Wide<M, B + C * D> plus_product(Wide<M, B> sum, const Lanes<M, C>& a, const Lanes<M, D>& b) {
    Wide<M, B + C * D> out;
    for (int i = 0; i < 10; ++i) out.t[i] = sum.t[i];
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
        for (int j = 0; j < 5; ++j) out.t[i + j] = _mm512_madd52lo_epu64(out.t[i + j], a.v[j], b.v[i]);
        for (int j = 0; j < 5; ++j) out.t[i + j + 1] = _mm512_madd52hi_epu64(out.t[i + j + 1], a.v[j], b.v[i]);
    }
    return out;
}
// The sum over 2^260 mod p, not carried yet: below (B·p/2^260 + 1)p, where p/2^260 < 1/84.
template <class M, int B>
VX_INLINE Sum<M, 1 + (B + 83) / 84> reduce(Wide<M, B> sum) {
    Vec* t = sum.t;
    Vec p[5];
    for (int i = 0; i < 5; ++i) p[i] = broadcast(multiple_of_p<M>(1, i));
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i, ++t) {
        const Vec m = _mm512_madd52lo_epu64(_mm512_setzero_si512(), t[0], broadcast(M::inv & mask52));
        t[1] = _mm512_add_epi64(t[1], _mm512_srli_epi64(_mm512_add_epi64(t[0], broadcast(mask52)), 52));
        for (int j = 1; j < 5; ++j) t[j] = _mm512_madd52lo_epu64(t[j], m, p[j]);
        for (int j = 0; j < 5; ++j) t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], m, p[j]);
    }
    Sum<M, 1 + (B + 83) / 84> out;
    for (int i = 0; i < 5; ++i) out.v[i] = t[i];
    return out;
}

// Every lane of what was stored, as a factor for all lanes.
template <class M, int B>
struct Stored {
    alignas(64) u64 limb[5][8];

    explicit Stored(const Lanes<M, B>& a) {
        for (int i = 0; i < 5; ++i) _mm512_store_si512(limb[i], a.v[i]);
    }
    Stored() = default;
    VX_INLINE Lanes<M, B> at(int lane) const {
        Lanes<M, B> out;
        for (int i = 0; i < 5; ++i) out.v[i] = broadcast(limb[i][lane]);
        return out;
    }
};

// An element of Fq12; its values are below 3p.
struct Twelve {
    using F = Lanes<FqM, 3>;
    using Two = Lanes<FqM, 2>;
    Lanes2<FqM, 3> a;

    static Twelve one() {
        Twelve out = {{F::zero(), F::zero()}};
        out.a.c0 = F::select(1, Lanes<FqM, 1>::two_to_the<260>(), out.a.c0);
        return out;
    }
    // Elements of the tower's layout, R = 2^256, reduced.
    template <class Scalar>
    static Twelve load(const Fp12<Scalar>& in) {
        alignas(64) u64 parts[2][32] = {};
        const auto* words = reinterpret_cast<const u64*>(&in);
        for (int i = 0; i < 48; ++i) parts[i / 4 % 2][4 * power(i / 8) + i % 4] = words[i];
        const auto up = Lanes<FqM, 1>::two_to_the<264>();
        return {{vx::load<FqM>(parts[0]) * up, vx::load<FqM>(parts[1]) * up}};
    }
    template <class Scalar>
    void store(Fp12<Scalar>& out) const {
        alignas(64) u64 parts[2][32];
        const auto down = Lanes<FqM, 1>::two_to_the<256>();
        vx::store(parts[0], a.c0 * down);
        vx::store(parts[1], a.c1 * down);
        auto* words = reinterpret_cast<u64*>(&out);
        for (int i = 0; i < 48; ++i) words[i] = parts[i / 4 % 2][4 * power(i / 8) + i % 4];
    }

    // 24 products, two reductions.
    friend Twelve operator*(const Twelve& x, const Twelve& y) {
        const Stored<FqM, 3> re(y.a.c0), im(y.a.c1), minus(tight(minus_of(y.a.c1)));
        const Lanes2<FqM, 2> turned = x.times_xi();
        // Bounds of a loop's sums do not fit its types: six terms of two products below 9p^2 each.
        Wide<FqM, 108> even = Wide<FqM, 108>::zero(), odd = even;
        for (int j = 0; j < 6; ++j) {
            const Lanes2<FqM, 3> row = x.rotated(turned, j);
            add_product(even, row.c0, re.at(j));
            add_product(odd, row.c0, im.at(j));
            add_product(even, row.c1, minus.at(j));
            add_product(odd, row.c1, re.at(j));
        }
        return {{tight(reduce(even)), tight(reduce(odd))}};
    }
    Twelve square() const { return *this * *this; }
    // this·(1 + l1·w + l3·w^3), the coefficients being lanes of `line`, and of `minus` with the opposite sign: l1 at `at` and
    // after it, l3 behind.
    Twelve times_line(const Stored<FqM, 2>& line, const Stored<FqM, 2>& minus, int at) const {
        const Lanes2<FqM, 2> turned = times_xi();
        const Lanes2<FqM, 3> once = rotated(turned, 1), thrice = rotated(turned, 3);
        const auto even = plus_product(plus_product(plus_product(plus_product(Wide<FqM, 0>::zero(), once.c0, line.at(at)),
            once.c1, minus.at(at + 1)), thrice.c0, line.at(at + 2)), thrice.c1, minus.at(at + 3));
        const auto odd = plus_product(plus_product(plus_product(plus_product(Wide<FqM, 0>::zero(), once.c0, line.at(at + 1)),
            once.c1, line.at(at)), thrice.c0, line.at(at + 3)), thrice.c1, line.at(at + 2));
        return {{fold<2>(reduce(even) + a.c0), fold<2>(reduce(odd) + a.c1)}};
    }
    // Granger and Scott 2010, for this^(p^4-p^2+1) = 1: with a_k and b_k the coefficients of w^k and w^(k+3), k < 3, those of
    // the square are 3(a_k^2 + ξ b_k^2) - 2a_k at w^(2k), and 6 a_k b_k + 2b.. at w^(2k+3), where w^7 = ξ w.
    Twelve cyclotomic_square() const {
        const Lanes2<FqM, 2> x = {fit(a.c0), fit(a.c1)}, turned = Twelve{x}.times_xi();
        // Each coefficient is a sum of two products; 8 and more name what was multiplied by ξ.
        const Vec first = _mm512_setr_epi64(0, 10, 1, 0, 2, 1, 6, 7), by_first = _mm512_setr_epi64(0, 5, 1, 3, 2, 4, 6, 7);
        const Vec second = _mm512_setr_epi64(11, 10, 12, 0, 13, 1, 6, 7), by_second = _mm512_setr_epi64(3, 5, 4, 3, 5, 4, 6, 7);
        const Lanes2<FqM, 2> u = permuted(x, first, turned), v = permuted(x, by_first, turned);
        const Lanes2<FqM, 2> s = permuted(x, second, turned), t = permuted(x, by_second, turned);
        const Two minus_u = tight(minus_of(u.c1)), minus_s = tight(minus_of(s.c1));
        const auto even = plus_product(plus_product(plus_product(plus_product(Wide<FqM, 0>::zero(), u.c0, v.c0), minus_u, v.c1),
            s.c0, t.c0), minus_s, t.c1);
        const auto odd = plus_product(plus_product(plus_product(plus_product(Wide<FqM, 0>::zero(), u.c0, v.c1), u.c1, v.c0),
            s.c0, t.c1), s.c1, t.c0);
        return {{fit(tight(times<3>(reduce(even)) + twice_signed(x.c0))), fit(tight(times<3>(reduce(odd)) + twice_signed(x.c1)))}};
    }
    // this^(p^6): w becomes -w.
    Twelve conjugate() const { return {{negated(0xaa, a.c0), negated(0xaa, a.c1)}}; }
    // this^(p^k) for k = 1, 2, 3.
    Twelve frobenius(int k) const {
        Twelve out = *this;
        for (int i = 0; i < k; ++i) out = out.frobenius_once();
        return out;
    }

private:
    // The power of w that the tower's coefficient number `at` belongs to.
    static constexpr int power(int at) { return at / 3 + 2 * (at % 3); }
    template <int B, int C, int D>
    static VX_INLINE void add_product(Wide<FqM, B>& sum, const Lanes<FqM, C>& x, const Lanes<FqM, D>& y) {
        const auto more = plus_product(sum, x, y);
        for (int i = 0; i < 10; ++i) sum.t[i] = more.t[i];
    }
    // ξ·this = (9 c0 - c1) + (9 c1 + c0) u, coefficient by coefficient.
    VX_INLINE Lanes2<FqM, 2> times_xi() const {
        return {fit(tight(times<9>(loosen(a.c0)) - a.c1)), fit(tight(times<9>(loosen(a.c1)) + a.c0))};
    }
    template <int B>
    static VX_INLINE Lanes<FqM, B> permuted(const Lanes<FqM, B>& x, Vec from, const Lanes<FqM, B>& y) {
        Lanes<FqM, B> out;
        for (int i = 0; i < 5; ++i) out.v[i] = _mm512_permutex2var_epi64(x.v[i], from, y.v[i]);
        return out;
    }
    template <int B>
    static VX_INLINE Lanes2<FqM, B> permuted(const Lanes2<FqM, B>& x, Vec from, const Lanes2<FqM, B>& y) {
        return {permuted(x.c0, from, y.c0), permuted(x.c1, from, y.c1)};
    }
    // this·w^j, given ξ·this.
    VX_INLINE Lanes2<FqM, 3> rotated(const Lanes2<FqM, 3>& turned, int j) const {
        const Vec lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), from = _mm512_sub_epi64(lane, broadcast((u64)j));
        const Vec wrapped = _mm512_add_epi64(from, broadcast(14));
        return permuted(a, _mm512_mask_blend_epi64(_mm512_movepi64_mask(from), from, wrapped), turned);
    }
    // Minus twice x where the power of w is even, twice x where it is odd.
    static VX_INLINE Sum<FqM, 4> twice_signed(const Two& x) {
        Sum<FqM, 4> out;
        for (int i = 0; i < 5; ++i) {
            const Vec twice = _mm512_add_epi64(x.v[i], x.v[i]);
            out.v[i] = _mm512_mask_sub_epi64(twice, 0x55, broadcast(multiple_of_p<FqM>(4, i)), twice);
        }
        return out;
    }
    template <int B>
    static VX_INLINE Lanes<FqM, B> negated(Mask8 lanes, const Lanes<FqM, B>& x) {
        return Lanes<FqM, B>::select(lanes, tight(minus_of(x)), x);
    }
    Twelve frobenius_once() const {
        return {product(Lanes2<FqM, 3>{a.c0, tight(minus_of(a.c1))}, frobenius_factors())};
    }
    // ξ^(i(p-1)/6) in lane i, R = 2^260.
    static Lanes2<FqM, 2> frobenius_factors() {
        alignas(64) u64 parts[2][32] = {};
        for (int i = 0; i < 48; ++i) parts[i / 4 % 2][4 * (i / 8) + i % 4] = bn254::frobenius(i);
        const auto up = Lanes<FqM, 1>::two_to_the<264>();
        return {vx::load<FqM>(parts[0]) * up, vx::load<FqM>(parts[1]) * up};
    }
};

}  // namespace VX_ISA
}  // namespace vx
