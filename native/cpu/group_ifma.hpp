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
    struct Kept {};

    // What is kept of the way from an element to its norm, which here is the element.
    template <int K>
    struct Norm {
        Lanes<FqM, 6> of[K];
        Lanes<FqM, 6>& operator[](int k) { return of[k]; }
    };
    static VX_INLINE Kept keep(const Element<6>&) { return {}; }
    template <int K>
    static VX_INLINE void squares(const Element<2> (&a)[K], Element<2> (&out)[K]) {
        products(a, a, out);
    }
    static VX_INLINE const Element<6>& norm(const Element<6>& a, const Kept&) { return a; }
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
    using Kept = Lanes<FqM, 2>;

    template <int K>
    struct Norm {
        Lanes<FqM, 2> of[K];
        Lanes<FqM, 2>& operator[](int k) { return of[k]; }
    };
    template <int K>
    static VX_INLINE void squares(const Element<2> (&a)[K], Element<2> (&out)[K]) {
        for (int k = 0; k < K; ++k) out[k] = square(a[k]);
    }
    static VX_INLINE Kept keep(const Element<6>& a) { return multiply_two(a.c0, a.c0, a.c1, a.c1); }
    static VX_INLINE const Kept& norm(const Element<6>&, const Kept& kept) { return kept; }
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
    // One vector of additions between the two passes: the point, the slope's divisor, and the product of those before.
    struct Step {
        Vec point[words];
        Element<6> den;
        typename S::Kept kept;
        Lanes<FqM, 2> prefix;
    };
    struct Masks {
        u8 live, minus;         // to be added; with the opposite sign
        u8 infinite, opposite;  // the running sum is infinity; the sum will be
    };
    // Denominators are multiplied in two chains, as a product alone waits for the one before.
    static constexpr size_t chains = 2;
    struct Product {
        Lanes<FqM, 2> of[chains] = {Lanes<FqM, 1>::template two_to_the<260>(), Lanes<FqM, 1>::template two_to_the<260>()};
    };
    struct Scratch {
        Running sums[vectors];
        Step steps[vectors];
        Masks masks[vectors];
        Loose<6> nums[vectors];  // of careful steps: the slopes' numerators
        u32 order[(tile + 8) * longest_chain];
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
    static VX_INLINE Element<1> abscissa(const Step& step) { return S::read(step.point); }
    static VX_INLINE Loose<1> ordinate(const Step& step, Masks m) {
        return S::signed_by((Mask8)m.minus, S::read(step.point + words / 2));
    }

    // First pass for K vectors from an even i on: the slopes' denominators, and the products of those before them.
    template <bool Careful, int K>
    static VX_INLINE void divide(Scratch& s, size_t i, Product& product) {
        Lanes<FqM, 2> chain[K], more[K];
        typename S::template Norm<K> norm;
        for (int k = 0; k < K; ++k) {
            Step& step = s.steps[i + (size_t)k];
            step.den = denominator<Careful>(s, i + (size_t)k);
            step.kept = S::keep(step.den);
            step.prefix = chain[k] = product.of[k];
            norm[k] = S::norm(step.den, step.kept);
        }
        products(norm.of, chain, more);
        for (int k = 0; k < K; ++k) product.of[k] = more[k];
    }
    template <bool Careful>
    static VX_INLINE Element<6> denominator(Scratch& s, size_t i) {
        const Step& step = s.steps[i];
        Masks& m = s.masks[i];
        const Running& sum = s.sums[i];
        Element<6> den = tight(abscissa(step) - sum.x);
        Mask8 skipped = (Mask8)~m.live;
        if constexpr (Careful) {
            const Element<6> difference = tight(ordinate(step, m) - sum.y);
            const Mask8 same = is_zero(den) & m.live & (Mask8)~m.infinite, equal = is_zero(difference);
            const Mask8 doubled = same & equal;
            m.opposite = same & (Mask8)~equal;
            const Element<2> xx = square(fit(sum.x));
            const Element<6> tripled = tight(tight(xx + xx) + xx);
            s.nums[i] = loosen(Element<6>::select(doubled, tripled, difference));
            den = Element<6>::select(doubled, fold<4>(sum.y + sum.y), den);
            skipped |= m.opposite | m.infinite;
        }
        return Element<6>::select(skipped, S::one(), den);
    }
    // Second pass for K vectors from an even i on: `inverse` is that of the products of all denominators up to them.
    template <bool Careful, int K>
    static VX_INLINE void complete(Scratch& s, size_t i, Product& inverse) {
        const Step* steps = s.steps + i;
        Running* sums = s.sums + i;
        Masks* masks = s.masks + i;
        Lanes<FqM, 2> chain[K], before[K], own[K];
        typename S::template Norm<K> norm;
        for (int k = 0; k < K; ++k) {
            chain[k] = inverse.of[k];
            before[k] = steps[k].prefix;
            norm[k] = S::norm(steps[k].den, steps[k].kept);
        }
        products(before, chain, own);
        Lanes<FqM, 2> next[K];
        products(norm.of, chain, next);
        Element<6> num[K];
        Element<2> den[K], slope[K], squared[K], turned[K];
        Element<5> x[K];
        Element<10> back[K];
        for (int k = 0; k < K; ++k) {
            inverse.of[k] = next[k];
            num[k] = tight(Careful ? s.nums[i + (size_t)k] : ordinate(steps[k], masks[k]) - sums[k].y);
            den[k] = S::inverse(steps[k].den, own[k]);
        }
        products(num, den, slope);
        S::squares(slope, squared);
        for (int k = 0; k < K; ++k) {
            x[k] = fold<4>(squared[k] - sums[k].x - abscissa(steps[k]));
            back[k] = tight(sums[k].x - x[k]);
        }
        products(back, slope, turned);
        for (int k = 0; k < K; ++k) {
            const Element<5> y = fold<4>(turned[k] - sums[k].y);
            settle<Careful>(steps[k], masks[k], x[k], y, sums[k]);
        }
    }
    // Takes (x, y) for the running sum in live lanes.
    template <bool Careful>
    static VX_INLINE void settle(const Step& step, Masks& m, Element<5> x, Element<5> y, Running& sum) {
        const Mask8 live = m.live;
        if constexpr (Careful) {
            const Mask8 fresh = m.infinite & live;
            x = Element<5>::select(fresh, abscissa(step), x);
            y = Element<5>::select(fresh, tight(ordinate(step, m)), y);
            m.infinite = (m.infinite & (Mask8)~live) | m.opposite;
        }
        sum.x = Element<5>::select(live, x, sum.x);
        sum.y = Element<5>::select(live, y, sum.y);
    }
    template <bool Careful>
    static void divide_all(Scratch& s, size_t n, Product& product) {
        size_t i = 0;
        for (; i + 2 <= n; i += 2) divide<Careful, 2>(s, i, product);
        if (i < n) divide<Careful, 1>(s, i, product);
    }
    template <bool Careful>
    static bool batch(Scratch& s, size_t n) {
        Product product;
        divide_all<Careful>(s, n, product);
        return finish_batch<Careful>(s, n, product);
    }
    template <bool Careful>
    static bool finish_batch(Scratch& s, size_t n, Product& product) {
        Lanes<FqM, 2> all = product.of[0] * product.of[1];
        if (!LaneVectors<Fq>::invert(all)) return false;
        Product inverse;
        inverse.of[0] = all * product.of[1];
        inverse.of[1] = all * product.of[0];
        if (n % 2) complete<Careful, 1>(s, n - 1, inverse);
        for (size_t i = n / 2 * 2; i > 0;) complete<Careful, 2>(s, i -= 2, inverse);
        return true;
    }

    // Adds the item number `at` of every chain that has one; `careful` once there were exceptional cases in this tile.
    static void accumulate(const Chains& c, void* scratch) {
        if (c.count == 0) return;
        Scratch& s = *static_cast<Scratch*>(scratch);
        u32 live[longest_chain], *row = s.order;
        put_in_order(c, s.order, live);
        const size_t all = (c.count + 7) / 8;
        for (size_t i = 0; i < all; ++i) start(c, s, i);
        bool careful = false;
        for (u32 at = 1; at < c.length[0]; ++at) {
            row += rounded(live[at - 1]);
            const size_t n = rounded(live[at]) / 8;
            Product product;
            for (size_t i = 0; i < n; ++i) {
                if (i + ahead < n) prefetch(c, row + 8 * (i + ahead));
                fetch(c, row + 8 * i, live[at] - 8 * i, s.steps[i], s.masks[i]);
                if (!careful && i % 2) divide<false, 2>(s, i - 1, product);
            }
            if (!careful && n % 2) divide<false, 1>(s, n - 1, product);
            if (careful || !finish_batch<false>(s, n, product)) {
                careful = true;
                batch<true>(s, n);
            }
        }
        for (size_t i = 0; i < all; ++i) write(s, i, c.out + 8 * i * words, c.count - 8 * i < 8 ? c.count - 8 * i : 8);
    }
    static constexpr size_t rounded(size_t count) { return (count + 7) / 8 * 8; }
    // Items by their place in the chains, then by chain, as the loops take them; rows of whole vectors, in each of which the
    // first `live` count. Lengths do not rise, so those are the first chains.
    static void put_in_order(const Chains& c, u32* order, u32* live) {
        u32 at[longest_chain];
        size_t end = 0, count = c.count;
        for (u32 k = 0; k < c.length[0]; ++k) {
            while (c.length[count - 1] <= k) --count;
            live[k] = (u32)count;
            at[k] = (u32)end;
            end += rounded(count);
            for (size_t i = count; i < rounded(count); ++i) order[at[k] + i] = c.items[c.start[0]];
        }
        // A cache line of a row at a time: rows lie a power of two apart, and would push each other out of the cache.
        constexpr size_t line = 16;
        for (size_t i = 0; i < c.count; i += line) {
            const size_t some = c.count - i < line ? c.count - i : line;
            for (u32 k = 0; k < c.length[i]; ++k) {
                for (size_t j = 0; j < some && k < c.length[i + j]; ++j) order[at[k] + i + j] = c.items[c.start[i + j] + k];
            }
        }
    }
    static constexpr size_t ahead = 6;  // vectors of points asked for in advance
    static VX_INLINE void prefetch(const Chains& c, const u32* items) {
        for (int k = 0; k < 8; ++k) {
            const char* point = (const char*)(c.points + (size_t)(items[k] >> 1) * words);
            for (size_t line = 0; line < words / 8; ++line) _mm_prefetch(point + 64 * line, _MM_HINT_T0);
        }
    }
    // The eight points of a vector, of which the first `count` are to be added.
    static VX_INLINE void fetch(const Chains& c, const u32* items, size_t count, Step& step, Masks& m) {
        const u64* rows[8];
        for (int k = 0; k < 8; ++k) rows[k] = c.points + (size_t)(items[k] >> 1) * words;
        gather(rows, step.point);
        const Vec wide = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i*)items));
        m.minus = _mm512_test_epi64_mask(wide, broadcast(1));
        m.live = count < 8 ? (u8)((1u << count) - 1) : 0xff;
    }
    static void start(const Chains& c, Scratch& s, size_t i) {
        fetch(c, s.order + 8 * i, c.count - 8 * i, s.steps[i], s.masks[i]);
        s.sums[i] = {abscissa(s.steps[i]), tight(ordinate(s.steps[i], s.masks[i]))};
        s.masks[i] = {0, 0, 0, 0};
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
                gather(right, s.steps[i].point);
                s.masks[i] = {(u8)~infinite(s.steps[i].point), 0, infinite(limbs), 0};
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
        LaneVectors<Fq>::template times<1>(in, factor, out, whole / 4);
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
