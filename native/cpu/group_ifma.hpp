// Affine additions in G1 and G2, eight chains side by side, one inversion for a whole tile of them.
//
// Prepared points are affine, with R = 2^260 and reduced to [0, p), packed in four limbs a coordinate: a point of G1 is one
// cache line. Running sums stay spread out, a vector a limb, with coordinates in [0, 5p).
#pragma once
#include "lanes2_ifma.hpp"
#include "vectors_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

// What tells G1 from G2 in the loops below. An element is inverted by way of its norm to Fq.
struct LanesOfG1 {
    static constexpr size_t words = 8, tile = 2048;
    template <int B>
    using Element = Lanes<FqM, B>;
    template <int B>
    using Loose = Sum<FqM, B>;
    using Norm = Lanes<FqM, 6>;

    static VX_INLINE Norm norm(const Element<6>& a) { return a; }
    static VX_INLINE Element<2> inverse(const Element<6>&, const Lanes<FqM, 2>& of_norm) { return of_norm; }
    static VX_INLINE Element<1> read(const Vec* limbs) {
        Element<1> out;
        split<1>(limbs, out.v);
        return out;
    }
    template <int B>
    static VX_INLINE void write(const Element<B>& a, Vec* limbs) {
        join(canonical(fit(a)).v, limbs);
    }
    // ±a without carrying.
    static VX_INLINE Loose<1> signed_by(Mask8 minus, const Element<1>& a) {
        Loose<1> out;
        for (int i = 0; i < 5; ++i) out.v[i] = _mm512_mask_sub_epi64(a.v[i], minus, broadcast(multiple_of_p<FqM>(1, i)), a.v[i]);
        return out;
    }
    static Element<1> one() { return Element<1>::two_to_the<260>(); }
};
struct LanesOfG2 {
    static constexpr size_t words = 16, tile = 1024;
    template <int B>
    using Element = Lanes2<FqM, B>;
    template <int B>
    using Loose = Sum2<FqM, B>;
    using Norm = Lanes<FqM, 2>;

    static VX_INLINE Norm norm(const Element<6>& a) { return multiply_two(a.c0, a.c0, a.c1, a.c1); }
    static VX_INLINE Element<2> inverse(const Element<6>& a, const Lanes<FqM, 2>& of_norm) {
        return {a.c0 * of_norm, minus_of(a.c1) * of_norm};
    }
    static VX_INLINE Element<1> read(const Vec* limbs) { return {LanesOfG1::read(limbs), LanesOfG1::read(limbs + 4)}; }
    template <int B>
    static VX_INLINE void write(const Element<B>& a, Vec* limbs) {
        LanesOfG1::write(a.c0, limbs);
        LanesOfG1::write(a.c1, limbs + 4);
    }
    static VX_INLINE Loose<1> signed_by(Mask8 minus, const Element<1>& a) {
        return {LanesOfG1::signed_by(minus, a.c0), LanesOfG1::signed_by(minus, a.c1)};
    }
    static Element<1> one() { return {LanesOfG1::one(), Lanes<FqM, 1>::zero()}; }
};

template <class S, class ScalarOps>
struct LaneGroup {
    template <int B>
    using Element = typename S::template Element<B>;
    template <int B>
    using Loose = typename S::template Loose<B>;
    using Fq = Fp<FqM, AdxCore>;
    static constexpr size_t words = S::words, tile = S::tile, vectors = tile / 8;

    struct Running {
        Element<5> x, y;
    };
    struct Loaded {
        Element<1> x;
        Loose<1> y;
    };
    // One vector of additions between the two passes.
    struct Step {
        Loaded point;
        Loose<6> num;
        Element<6> den;
        typename S::Norm norm;
        Lanes<FqM, 2> prefix;
    };
    struct Masks {
        u8 live, infinite, opposite;  // to be added; the running sum is infinity; the sum will be
    };
    struct Scratch {
        Running sums[vectors];
        Step steps[vectors];
        Masks masks[vectors];
    };

    // Eight points, one a lane.
    static VX_INLINE void gather(const u64* const* rows, Vec* limbs) {
        for (size_t part = 0; part < words; part += 8) {
            for (int i = 0; i < 8; ++i) limbs[part + (size_t)i] = _mm512_load_si512(rows[i] + part);
            transpose(limbs + part);
        }
    }
    static void scatter(Vec* limbs, u64* out, size_t count) {
        for (size_t part = 0; part < words; part += 8) {
            transpose(limbs + part);
            for (size_t i = 0; i < count; ++i) _mm512_storeu_si512(out + i * words + part, limbs[part + i]);
        }
    }
    static VX_INLINE Loaded signed_point(const Vec* limbs, Mask8 minus) {
        return {S::read(limbs), S::signed_by(minus, S::read(limbs + words / 2))};
    }

    // First pass for vector i: the slope's fraction, and the product of all denominators so far.
    template <bool Careful>
    static void divide(Scratch& s, size_t i, Lanes<FqM, 2>& product) {
        Step& step = s.steps[i];
        Masks& m = s.masks[i];
        const Running& sum = s.sums[i];
        Element<6> den = tight(step.point.x - sum.x);
        Mask8 skipped = (Mask8)~m.live;
        if constexpr (Careful) {
            const Element<6> difference = tight(step.point.y - sum.y);
            const Mask8 same = is_zero(den) & m.live & (Mask8)~m.infinite, equal = is_zero(difference);
            const Mask8 doubled = same & equal;
            m.opposite = same & (Mask8)~equal;
            const Element<2> xx = square(fit(sum.x));
            const Element<6> tripled = tight(tight(xx + xx) + xx);
            step.num = loosen(Element<6>::select(doubled, tripled, difference));
            den = Element<6>::select(doubled, fold<4>(sum.y + sum.y), den);
            skipped |= m.opposite | m.infinite;
        } else {
            step.num = step.point.y - sum.y;
        }
        den = Element<6>::select(skipped, S::one(), den);
        step.den = den;
        step.norm = S::norm(den);
        step.prefix = product;
        product = product * step.norm;
    }
    // Second pass for vector i: `inverse` is that of all denominators up to it.
    template <bool Careful>
    static void complete(Scratch& s, size_t i, Lanes<FqM, 2>& inverse) {
        const Step& step = s.steps[i];
        Running& sum = s.sums[i];
        Masks& m = s.masks[i];
        const Lanes<FqM, 2> own = inverse * step.prefix;
        inverse = inverse * step.norm;
        const Element<2> slope = tight(step.num) * S::inverse(step.den, own);
        const Element<5> x = fold<4>(square(slope) - sum.x - step.point.x);
        const Element<5> y = fold<4>(slope * (sum.x - x) - sum.y);
        const Mask8 live = m.live;
        if constexpr (Careful) {
            const Mask8 fresh = m.infinite & live;
            sum.x = Element<5>::select(live, Element<5>::select(fresh, step.point.x, x), sum.x);
            sum.y = Element<5>::select(live, Element<5>::select(fresh, tight(step.point.y), y), sum.y);
            m.infinite = (m.infinite & (Mask8)~live) | m.opposite;
        } else {
            sum.x = Element<5>::select(live, x, sum.x);
            sum.y = Element<5>::select(live, y, sum.y);
        }
    }
    template <bool Careful>
    static bool batch(Scratch& s, size_t n) {
        Lanes<FqM, 2> product = Lanes<FqM, 1>::two_to_the<260>();
        for (size_t i = 0; i < n; ++i) divide<Careful>(s, i, product);
        return finish_batch<Careful>(s, n, product);
    }
    template <bool Careful>
    static bool finish_batch(Scratch& s, size_t n, Lanes<FqM, 2>& product) {
        if (!LaneVectors<Fq>::invert(product)) return false;
        for (size_t i = n; i-- > 0;) complete<Careful>(s, i, product);
        return true;
    }

    // Adds the item number `at` of every chain that has one; `careful` once there were exceptional cases in this tile.
    static void accumulate(const Chains& c, void* scratch) {
        Scratch& s = *static_cast<Scratch*>(scratch);
        const size_t all = (c.count + 7) / 8;
        bool careful = false;
        for (size_t i = 0; i < all; ++i) start(c, s, i);
        for (u32 at = 1; c.count && at < c.length[0]; ++at) {
            size_t n = 0;
            Lanes<FqM, 2> product = Lanes<FqM, 1>::two_to_the<260>();
            for (; 8 * n < c.count && c.length[8 * n] > at; ++n) {
                prefetch(c, n + 2, at);
                s.masks[n].live = fetch(c, n, at, s.steps[n].point);
                if (!careful) divide<false>(s, n, product);
            }
            if (careful || !finish_batch<false>(s, n, product)) {
                careful = true;
                batch<true>(s, n);
            }
        }
        for (size_t i = 0; i < all; ++i) write(s, i, c.out + 8 * i * words, c.count - 8 * i < 8 ? c.count - 8 * i : 8);
    }
    static void prefetch(const Chains& c, size_t i, u32 at) {
        for (size_t k = 8 * i; k < 8 * i + 8 && k < c.count; ++k) {
            if (c.length[k] <= at) continue;
            const char* point = (const char*)(c.points + (c.items[c.start[k] + at] >> 1) * words);
            for (size_t line = 0; line < words / 8; ++line) _mm_prefetch(point + 64 * line, _MM_HINT_T0);
        }
    }
    // The eight points that vector i adds at step `at`, and which lanes have one.
    static Mask8 fetch(const Chains& c, size_t i, u32 at, Loaded& out) {
        const u64* rows[8];
        unsigned live = 0, minus = 0;
        for (unsigned k = 0; k < 8; ++k) {
            const size_t chain = 8 * i + k < c.count ? 8 * i + k : 8 * i;
            const bool has = 8 * i + k < c.count && c.length[chain] > at;
            const u32 item = c.items[c.start[chain] + (has ? at : 0)];
            rows[k] = c.points + (size_t)(item >> 1) * words;
            live |= (unsigned)has << k;
            minus |= (item & 1) << k;
        }
        Vec limbs[words];
        gather(rows, limbs);
        out = signed_point(limbs, (Mask8)minus);
        return (Mask8)live;
    }
    static void start(const Chains& c, Scratch& s, size_t i) {
        Loaded first;
        fetch(c, i, 0, first);
        s.sums[i] = {first.x, tight(first.y)};
        s.masks[i] = {0, 0, 0};
    }
    static void write(Scratch& s, size_t i, u64* out, size_t count) {
        Vec limbs[words];
        S::write(s.sums[i].x, limbs);
        S::write(s.sums[i].y, limbs + words / 2);
        const Mask8 finite = (Mask8)~s.masks[i].infinite;
        for (auto& limb : limbs) limb = _mm512_maskz_mov_epi64(finite, limb);
        scatter(limbs, out, count);
    }

    static Mask8 infinite(const Vec* limbs) {
        Vec any = limbs[0];
        for (size_t i = 1; i < words; ++i) any = _mm512_or_si512(any, limbs[i]);
        return _mm512_testn_epi64_mask(any, any);
    }
    static void add(const u64* a, const u64* b, u64* out, size_t n, void* scratch) {
        Scratch& s = *static_cast<Scratch*>(scratch);
        for (size_t from = 0; from < n; from += tile) {
            const size_t count = n - from < tile ? n - from : tile, all = (count + 7) / 8;
            for (size_t i = 0; i < all; ++i) {
                const u64 *left[8], *right[8];
                for (size_t k = 0; k < 8; ++k) {
                    const size_t at = from + (8 * i + k < count ? 8 * i + k : count - 1);
                    left[k] = a + at * words;
                    right[k] = b + at * words;
                }
                Vec limbs[words];
                gather(left, limbs);
                s.sums[i] = {S::read(limbs), S::read(limbs + words / 2)};
                s.masks[i] = {0, infinite(limbs), 0};
                gather(right, limbs);
                s.steps[i].point = signed_point(limbs, 0);
                s.masks[i].live = (u8)~infinite(limbs);
            }
            batch<true>(s, all);
            for (size_t i = 0; i < all; ++i) {
                write(s, i, out + (from + 8 * i) * words, count - 8 * i < 8 ? count - 8 * i : 8);
            }
        }
    }

    // R = 2^256 <-> 2^260, coordinate by coordinate; `Exponent` is what the number is multiplied by.
    template <int Exponent>
    static void convert(const u64* in, u64* out, size_t n) {
        const Lanes<FqM, 1> factor = Lanes<FqM, 1>::two_to_the<Exponent + 260>();
        const size_t limbs = n * words, whole = limbs / 32 * 32;
        for (size_t i = 0; i < whole; i += 32) store(out + i, load<FqM>(in + i) * factor);
        if (whole == limbs) return;
        alignas(64) u64 rest[32] = {};
        for (size_t i = whole; i < limbs; ++i) rest[i - whole] = in[i];
        store(rest, load<FqM>(rest) * factor);
        for (size_t i = whole; i < limbs; ++i) out[i] = rest[i - whole];
    }

    static constexpr GroupOps ops() {
        GroupOps table = ScalarOps::ops();
        table.tile = tile;
        table.scratch = sizeof(Scratch);
        table.prepare = convert<4>;
        table.finish = convert<-4>;
        table.accumulate = accumulate;
        table.add = add;
        return table;
    }
};

}  // namespace VX_ISA
}  // namespace vx
