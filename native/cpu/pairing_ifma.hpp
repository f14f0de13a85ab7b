// The pairing of vortex/pairing.hpp in lanes: four points' lines side by side, and one Miller loop on `Twelve`.
#pragma once
#include "tower_ifma.hpp"
#include "vectors_ifma.hpp"
#include "vortex/pairing.hpp"

namespace vx {
inline namespace VX_ISA {

// Four elements of Fq2, the parts of each in two neighbouring lanes, R = 2^260.
template <int B>
using Four = Lanes<FqM, B>;

template <int B>
VX_INLINE Four<B> real_parts(const Four<B>& a) {
    Four<B> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_unpacklo_epi64(a.v[i], a.v[i]);
    return out;
}
template <int B>
VX_INLINE Four<B> imaginary_parts(const Four<B>& a) {
    Four<B> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_unpackhi_epi64(a.v[i], a.v[i]);
    return out;
}
template <int B>
VX_INLINE Four<B> swapped(const Four<B>& a) {
    Four<B> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_shuffle_epi32(a.v[i], _MM_PERM_BADC);
    return out;
}
// -a in the lanes of the mask.
template <int B>
VX_INLINE Four<B> negated_in(Mask8 lanes, const Four<B>& a) {
    Sum<FqM, B> out;
    for (int i = 0; i < 5; ++i) out.v[i] = _mm512_mask_sub_epi64(a.v[i], lanes, broadcast(multiple_of_p<FqM>(B, i)), a.v[i]);
    return tight(out);
}
constexpr Mask8 real_lanes = 0x55, imaginary_lanes = 0xaa;

// ab = a0·b + a1·(ub), with ub = (-b1, b0).
template <int C, int D>
VX_INLINE Four<2> product_of_four(const Four<C>& a, const Four<D>& b) {
    return multiply_two(real_parts(a), b, imaginary_parts(a), negated_in(real_lanes, swapped(b)));
}
// (a0 + a1)(a0 - a1) beside (a0 + a0)·a1.
template <int B>
VX_INLINE Four<2> square_of_four(const Four<B>& a) {
    const Four<B> other = swapped(a);
    Sum<FqM, 2 * B> difference;
    for (int i = 0; i < 5; ++i) {
        const Vec from = _mm512_mask_add_epi64(a.v[i], real_lanes, a.v[i], broadcast(multiple_of_p<FqM>(B, i)));
        difference.v[i] = _mm512_mask_sub_epi64(from, real_lanes, from, other.v[i]);
    }
    return (real_parts(a) + other) * difference;
}

// Four running points of Miller's loop in homogeneous coordinates, and the lines they leave behind: `RunningPoint` with its
// halves cleared.
struct FourPoints {
    struct Finite {
        Four<2> x, y;
    };
    struct Scaled {
        Four<6> c0, c1, c3;
    };
    Four<2> x, y, z;

    Scaled twice(const Four<2>& b2) {
        const Four<2> xy = product_of_four(x, y), b = square_of_four(y), c = square_of_four(z), j = square_of_four(x);
        const Four<2> e = product_of_four(b2, tight(times<3>(loosen(c)))), yz = square_of_four(tight(y + z));
        const Sum<FqM, 6> f = times<3>(loosen(e)), h = yz - b - c;
        const Four<6> height = tight(h);
        x = product_of_four(tight(xy + xy), tight(b - f));
        y = fit(tight(square_of_four(fit(tight(b + f))) - times<12>(loosen(square_of_four(e)))));
        z = fit(tight(times<4>(loosen(product_of_four(b, height)))));
        return {tight(minus_of(height)), tight(times<3>(loosen(j))), tight(e - b)};
    }
    Scaled plus(const Finite& q) {
        const Four<4> theta = tight(y - product_of_four(q.y, z)), lambda = tight(x - product_of_four(q.x, z));
        const Four<2> c = square_of_four(theta), d = square_of_four(lambda), e = product_of_four(lambda, d);
        const Four<2> f = product_of_four(z, c), g = product_of_four(x, d);
        const Four<8> h = tight(e + f - (g + g));
        const Four<4> j = tight(product_of_four(theta, q.x) - product_of_four(lambda, q.y));
        x = product_of_four(lambda, h);
        y = fit(tight(product_of_four(theta, tight(g - h)) - product_of_four(e, y)));
        z = product_of_four(z, e);
        return {lambda, tight(minus_of(theta)), j};
    }
};

template <class F>
struct LanePairing {
    using Scalar = ScalarPairing<F>;
    using Finite = FourPoints::Finite;
    static constexpr int count = bn254::miller_lines;
    static constexpr size_t words = 16 * (size_t)count;

    // Eight elements of Fq with R = 2^256 to R = 2^260.
    static Four<2> up(const u64* in) { return vx::load<FqM>(in) * Lanes<FqM, 1>::two_to_the<264>(); }
    // An element of Fq2, everywhere.
    template <u64 (*limb)(int), int at>
    static Four<2> everywhere() {
        alignas(64) u64 copies[32];
        for (int i = 0; i < 32; ++i) copies[i] = limb(at + i % 8);
        return up(copies);
    }
    static Finite frobenius(const Finite& q) {
        return {product_of_four(negated_in(imaginary_lanes, q.x), everywhere<bn254::frobenius, 16>()),
                product_of_four(negated_in(imaginary_lanes, q.y), everywhere<bn254::frobenius, 24>())};
    }
    static Finite negative(const Finite& q) { return {q.x, tight(minus_of(q.y))}; }

    // Up to four points; infinity has nothing but zeros for heads, and its lines come out as zeros by themselves.
    static void lines_of_four(const u64* q, u64* out, size_t n) {
        FourPoints::Scaled scaled[count];
        Four<2> before[count];
        alignas(64) u64 parts[2][32] = {};
        for (size_t i = 0; i < 16 * n; ++i) parts[i / 8 % 2][8 * (i / 16) + i % 8] = q[i];
        const Finite plus = {up(parts[0]), up(parts[1])}, minus = negative(plus);
        const Four<2> b2 = everywhere<bn254::b2, 0>(), one = everywhere<one_of_fq2, 0>();
        FourPoints t = {plus.x, plus.y, one};
        int at = 0;
        for (int i = bn254::ate_length - 2; i >= 0; --i) {
            scaled[at++] = t.twice(b2);
            const int digit = bn254::ate_digit(i);
            if (digit) scaled[at++] = t.plus(digit > 0 ? plus : minus);
        }
        const Finite once = frobenius(plus), twice = frobenius(once);
        scaled[at++] = t.plus(once);
        scaled[at++] = t.plus(negative(twice));
        Four<2> product = one;
        for (int i = 0; i < count; ++i) {
            before[i] = product;
            product = product_of_four(product, scaled[i].c0);
        }
        product = inverse_of_four(product);
        const auto down = Lanes<FqM, 1>::two_to_the<256>();
        for (int i = count; i-- > 0;) {
            const Four<2> head = product_of_four(product, before[i]) * down;
            product = product_of_four(product, scaled[i].c0);
            write(product_of_four(scaled[i].c1, head), out + 16 * i, n);
            write(product_of_four(scaled[i].c3, head), out + 16 * i + 8, n);
        }
    }
    static void lines(const u64* q, u64* out, size_t n) {
        for (size_t i = 0; i < n; i += 4) lines_of_four(q + 16 * i, out + words * i, n - i < 4 ? n - i : 4);
    }
    // An element of Fq2 to each of n points' lines.
    static void write(const Four<2>& a, u64* out, size_t n) {
        alignas(64) u64 parts[32];
        store(parts, a);
        for (size_t i = 0; i < n; ++i) _mm512_storeu_si512(out + words * i, _mm512_load_si512(parts + 8 * i));
    }
    // Zero for zero.
    static Four<2> inverse_of_four(const Four<2>& a) {
        alignas(64) u64 parts[32];
        u64 norms[16], inverses[16];
        store(parts, a);
        auto* x = reinterpret_cast<Fp2<F>*>(parts);
        for (int i = 0; i < 4; ++i) reinterpret_cast<F*>(norms)[i] = x[i].norm();
        ScalarVectors<F>::inverse(norms, inverses, 4);
        // Numbers with R = 2^260 read as such with R = 2^256: 2^8 brings the inverses where they belong.
        const F scale = F{{256, 0, 0, 0}} * F::template constant<F::Modulus::r2>();
        for (int i = 0; i < 4; ++i) x[i] = x[i].conjugate() * (reinterpret_cast<F*>(inverses)[i] * scale);
        return vx::load<FqM>(parts);
    }

    // Two points' shares in their lines, x_P/y_P twice and 1/y_P twice for each, with R = 2^264.
    static Four<1> shares(const LinePoint<F>* p, bool both) {
        const F scale = F{{256, 0, 0, 0}} * F::template constant<F::Modulus::r2>();
        alignas(64) u64 parts[32];
        auto* x = reinterpret_cast<F*>(parts);
        for (int i = 0; i < 8; ++i) {
            const LinePoint<F>& point = p[both ? i / 4 : 0];
            x[i] = (i & 2 ? point.y : point.x) * scale;
        }
        return vx::load<FqM>(parts);
    }
    struct Evaluated {
        Stored<FqM, 2> line, minus;
    };
    // The lines number `at` of two points.
    static VX_INLINE void evaluate(const u64* first, const u64* second, const Four<1>& by, Evaluated& out) {
        alignas(64) u64 both[32];
        for (int i = 0; i < 16; i += 8) {
            _mm512_store_si512(both + i, _mm512_loadu_si512(first + i));
            _mm512_store_si512(both + 16 + i, _mm512_loadu_si512(second + i));
        }
        const Four<2> value = vx::load<FqM>(both) * by;
        out.line = Stored<FqM, 2>(value);
        out.minus = Stored<FqM, 2>(tight(minus_of(value)));
    }
    static void miller(const u64* p, const u64* const* lines, size_t pairs, u64* out) {
        LinePoint<F> points[pairs_together];
        Four<1> by[pairs_together / 2];
        line_points(reinterpret_cast<const Affine<F>*>(p), points, (int)pairs);
        for (size_t k = 0; k < pairs; k += 2) by[k / 2] = shares(points + k, k + 1 < pairs);
        Twelve f = Twelve::one();
        int at = 0;
        const auto multiply = [&] {
            for (size_t k = 0; k < pairs; k += 2) {
                const bool both = k + 1 < pairs;
                Evaluated now;
                evaluate(lines[k] + 16 * at, lines[both ? k + 1 : k] + 16 * at, by[k / 2], now);
                f = f.times_line(now.line, now.minus, 0);
                if (both) f = f.times_line(now.line, now.minus, 4);
            }
            ++at;
        };
        for (int i = bn254::ate_length - 2; i >= 0; --i) {
            if (at) f = f.square();
            multiply();
            if (bn254::ate_digit(i)) multiply();
        }
        multiply();
        multiply();
        f.store(*reinterpret_cast<Fp12<F>*>(out));
    }

    // f^(p^6-1) = f̄/f = f̄²/(f f̄), whose divisor is in Fq6.
    static Twelve power_of_p6_less_one(const Twelve& f) {
        const Twelve other = f.conjugate();
        Fp12<F> norm;
        (f * other).store(norm);
        norm = {norm.c0.inverse(), Fp6<F>::zero()};
        return other * other * Twelve::load(norm);
    }
    static void final(const u64* f12, u64* out) {
        const Twelve f = Twelve::load(*reinterpret_cast<const Fp12<F>*>(f12));
        final_exponentiation(power_of_p6_less_one(f)).store(*reinterpret_cast<Fp12<F>*>(out));
    }

    static constexpr PairingOps ops() {
        PairingOps table = Scalar::ops();
        table.lines = lines;
        table.miller = miller;
        table.miller_of_points = nullptr;
        table.final = final;
        return table;
    }

private:
    static constexpr u64 one_of_fq2(int i) { return i < 4 ? FqM::one(i) : 0; }
};

}  // namespace VX_ISA
}  // namespace vx
