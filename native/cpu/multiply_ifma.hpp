// Many points by a scalar each, in lanes: scalars are split in two by an endomorphism (Gallant, Lambert, Vanstone 2001; in G2
// Galbraith, Lin, Scott 2009), halves are read in windows of four bits with signed digits, and all points of a batch are
// brought to affine coordinates by one inversion, both the small multiples and the results.
#pragma once
#include "curve_ifma.hpp"

namespace vx {
inline namespace VX_ISA {

// k = a + b·e modulo r for the eigenvalue e of the group's endomorphism and k below r, |a| and |b| below 2^127.
struct Halves {
    __int128 a, b;
};
// floor(k·constant/2^320)
template <u64 (*constant)(int)>
inline unsigned __int128 quotient(const u64* k) {
    u64 t[8] = {};
    for (int i = 0; i < 4; ++i) {
        u64 carry = 0;
        for (int j = 0; j < 4; ++j) t[i + j] = multiply_add(k[i], constant(j), t[i + j], carry);
        t[i + 4] = carry;
    }
    return t[5] | (unsigned __int128)t[6] << 64;
}
// Babai's rounding in the lattice of bn254.py's G1_LATTICE; what is computed modulo 2^128 is right, as the results fit.
inline Halves halves_of(const u64* k, const LanesOfG1*) {
    constexpr unsigned __int128 x = bn254::x;
    const unsigned __int128 first = quotient<bn254::g1_split_first>(k), second = quotient<bn254::g1_split_second>(k);
    const unsigned __int128 a = (k[0] | (unsigned __int128)k[1] << 64) - first * (6 * x * x + 4 * x + 1) - second * (2 * x + 1);
    return {(__int128)a, (__int128)(second * (6 * x * x + 2 * x) - first * (2 * x + 1))};
}
// Division by e = 6x^2.
inline Halves halves_of(const u64* k, const LanesOfG2*) {
    constexpr unsigned __int128 x = bn254::x;
    const unsigned __int128 b = quotient<bn254::g2_split>(k);
    return {(__int128)((k[0] | (unsigned __int128)k[1] << 64) - b * (6 * x * x)), (__int128)b};
}

// The endomorphism that goes with them.
struct CubeRoot {
    Row<LanesOfG1, 2> by_x = Row<LanesOfG1, 2>::same(constant_of_fq<bn254::cube_root>());

    AffineRow<LanesOfG1> operator()(const AffineRow<LanesOfG1>& a) const { return {a.x * by_x, a.y}; }
};
inline CubeRoot endomorphism_of(const LanesOfG1*) { return {}; }
inline Frobenius endomorphism_of(const LanesOfG2*) { return {}; }
// Whether it multiplies by its eigenvalue.
inline RowMask<LanesOfG1> has_eigenvalue(const AffineRow<LanesOfG1>&) { return {{0xff, 0xff}}; }
inline RowMask<LanesOfG2> has_eigenvalue(const AffineRow<LanesOfG2>& q) { return {{in_g2(q)}}; }

template <class S, class ScalarOps>
struct LaneMultiples {
    static constexpr size_t K = abreast<S>, width = 8 * K;  // points that go side by side
    static constexpr size_t rows = 4, batch = rows * width;
    static constexpr int window = 4, digits = 32, largest = 1 << (window - 1);
    using J = JacobianRow<S>;
    using A = AffineRow<S>;

    struct Batch {
        u64 table[2][largest][batch][S::words];  // d·P and d·e·P for d = 1 .. largest, prepared
        signed char digit[2][digits][batch];     // most significant first
        J points[largest * rows];
        RowMask<S> alone[rows], zero[rows];      // lanes to be done one by one; lanes where k = 0
        Lanes<FqM, 2> prefix[largest * rows * K];
    };

    static void multiply(const u64* points, const u64* plain_scalars, u64* out, size_t n) {
        alignas(64) Batch b;
        for (size_t from = 0; from < n; from += batch) {
            const size_t count = n - from < batch ? n - from : batch;
            run(b, points + from * S::words, plain_scalars + 4 * from, out + from * S::words, count);
        }
    }

private:
    static void run(Batch& b, const u64* points, const u64* scalars, u64* out, size_t count) {
        const size_t used = (count + width - 1) / width;
        constexpr u64 none[4] = {};
        for (size_t i = 0; i < used * width; ++i) read_digits(b, i, i < count ? scalars + 4 * i : none);
        for (size_t i = 0; i < used; ++i) small_multiples(b, i, used, points, count);
        RowMask<S> zeros[largest * rows];
        invert_all(b, largest * used, zeros);
        for (size_t i = 0; i < used; ++i) write_table(b, i, used);
        for (size_t i = 0; i < used; ++i) b.points[i] = sum(b, i);
        invert_all(b, used, zeros);
        for (size_t i = 0; i < used; ++i) {
            for (size_t k = 0; k < K; ++k) b.alone[i].of[k] |= zeros[i].of[k];
            write(b, i, points, scalars, out, count);
        }
    }
    // A half's sign goes to its digits, in [-8, 8] each.
    static void read_digits(Batch& b, size_t i, const u64* scalar) {
        const Halves halves = halves_of(scalar, (S*)nullptr);
        for (int part = 0; part < 2; ++part) {
            const __int128 half = part ? halves.b : halves.a;
            const int sign = half < 0 ? -1 : 1;
            unsigned __int128 rest = half < 0 ? -(unsigned __int128)half : (unsigned __int128)half;
            int carry = 0;
            for (int at = digits - 1; at >= 0; --at, rest >>= window) {
                int digit = (int)(rest & (2 * largest - 1)) + carry;
                carry = at > 0 && digit > largest;
                digit -= carry << window;
                b.digit[part][at][i] = (signed char)(sign * digit);
            }
        }
    }
    // P, 2P, .. 8P in Jacobian coordinates, those of one d after the other.
    static void small_multiples(Batch& b, size_t i, size_t used, const u64* points, size_t count) {
        A p;
        RowMask<S> infinite;
        for (size_t k = 0; k < K; ++k) {
            const size_t at = i * width + 8 * k, left = at < count ? count - at : 1;
            const PointsIn<S> eight(points + (at < count ? at : count - 1) * S::words, left < 8 ? left : 8);
            p.x.of[k] = eight.template at<0>();
            p.y.of[k] = eight.template at<1>();
            infinite.of[k] = eight.infinite();
        }
        const RowMask<S> good = has_eigenvalue(p);
        for (size_t k = 0; k < K; ++k) b.alone[i].of[k] = (Mask8)(infinite.of[k] | ~good.of[k]);
        b.points[i] = J::from(p);
        for (int d = 2; d <= largest; ++d) {
            J& next = b.points[(size_t)(d - 1) * used + i] = b.points[(size_t)(d % 2 ? d - 1 : d / 2) * used - used + i];
            if (d % 2) {
                next.add(p);
            } else {
                next.twice();
            }
        }
    }
    // z = 1/z for the first n rows of points, by way of their norms; one for zero.
    static void invert_all(Batch& b, size_t n, RowMask<S>* zeros) {
        using Wide = typename S::template Element<6>;
        Lanes<FqM, 2> product = Lanes<FqM, 1>::two_to_the<260>();
        for (size_t i = 0; i < n; ++i) {
            Row<S, 4>& z = b.points[i].z;
            zeros[i] = is_zero(z);
            z = select(zeros[i], Row<S, 4>::same(S::one()), z);
            for (size_t k = 0; k < K; ++k) {
                const Wide wide = z.of[k];
                b.prefix[K * i + k] = product;
                product = vx::product(product, S::norm(wide, S::keep(wide)));
            }
        }
        LaneVectors<Fp<FqM, AdxCore>>::invert(product);
        for (size_t i = n; i-- > 0;) {
            for (size_t k = K; k-- > 0;) {
                const Wide wide = b.points[i].z.of[k];
                const Lanes<FqM, 2> own = product * b.prefix[K * i + k];
                product = vx::product(product, S::norm(wide, S::keep(wide)));
                b.points[i].z.of[k] = S::inverse(wide, own);
            }
        }
    }
    static A affine(const J& a) {
        const Row<S, 2> zz = square(a.z);
        return {a.x * zz, a.y * (zz * a.z)};
    }
    static void write_table(Batch& b, size_t i, size_t used) {
        const auto endomorphism = endomorphism_of((S*)nullptr);
        for (size_t d = 0; d < largest; ++d) {
            const A a = affine(b.points[d * used + i]);
            write_prepared(a, b.table[0][d][i * width]);
            write_prepared(endomorphism(a), b.table[1][d][i * width]);
        }
    }
    static void write_prepared(const A& a, u64* out) {
        for (size_t k = 0; k < K; ++k) {
            Vec limbs[S::words];
            S::write(a.x.of[k], limbs);
            S::write(a.y.of[k], limbs + S::words / 2);
            for (size_t part = 0; part < S::words; part += 8) {
                transpose(limbs + part);
                for (size_t j = 0; j < 8; ++j) _mm512_storeu_si512(out + (8 * k + j) * S::words + part, limbs[part + j]);
            }
        }
    }
    struct Looked {
        A point;
        RowMask<S> live;
    };
    // The table's points for digits number `at`.
    static Looked look_up(const Batch& b, size_t i, int part, int at) {
        Looked out;
        for (size_t k = 0; k < K; ++k) {
            const signed char* digit = b.digit[part][at] + i * width + 8 * k;
            Vec limbs[S::words];
            Mask8 live = 0, minus = 0;
            for (size_t j = 0; j < 8; ++j) {
                const int d = digit[j], magnitude = d < 0 ? -d : d;
                live |= (Mask8)((d != 0) << j);
                minus |= (Mask8)((d < 0) << j);
                const u64* row = b.table[part][magnitude - (d != 0)][i * width + 8 * k + j];
                for (size_t word = 0; word < S::words; word += 8) limbs[word + j] = _mm512_loadu_si512(row + word);
            }
            for (size_t word = 0; word < S::words; word += 8) transpose(limbs + word);
            out.point.x.of[k] = S::read(limbs);
            out.point.y.of[k] = tight(S::signed_by(minus, S::read(limbs + S::words / 2)));
            out.live.of[k] = live;
        }
        return out;
    }
    // a·P + b·e·P of a row.
    static J sum(Batch& b, size_t i) {
        J sum = J::from(look_up(b, i, 0, 0).point);
        RowMask<S> empty;
        for (auto& mask : empty.of) mask = 0xff;
        for (int at = 0; at < digits; ++at) {
            for (int j = 0; at && j < window; ++j) sum.twice();
            for (int part = 0; part < 2; ++part) {
                const Looked next = look_up(b, i, part, at);
                RowMask<S> first, others;
                for (size_t k = 0; k < K; ++k) {
                    first.of[k] = next.live.of[k] & empty.of[k];
                    others.of[k] = next.live.of[k] & (Mask8)~empty.of[k];
                    empty.of[k] &= (Mask8)~next.live.of[k];
                }
                J added = sum;
                added.add(next.point);
                sum = J::select(others, added, J::select(first, J::from(next.point), sum));
            }
        }
        b.zero[i] = empty;
        return sum;
    }
    // Points of a row with R = 2^256; lanes that an exception has spoilt are done again.
    static void write(const Batch& b, size_t i, const u64* points, const u64* scalars, u64* out, size_t count) {
        alignas(64) u64 done[width][S::words];
        write_prepared(affine(b.points[i]), done[0]);
        LaneGroup<S, ScalarOps>::template convert<-4>(done[0], done[0], width);
        for (size_t j = 0; j < width && i * width + j < count; ++j) {
            const size_t at = i * width + j;
            if (b.zero[i].of[j / 8] >> (j % 8) & 1) {
                __builtin_memset(out + at * S::words, 0, sizeof(done[j]));
            } else if (b.alone[i].of[j / 8] >> (j % 8) & 1) {
                ScalarOps::multiply(points + at * S::words, scalars + 4 * at, out + at * S::words, 1);
            } else {
                __builtin_memcpy(out + at * S::words, done[j], sizeof(done[j]));
            }
        }
    }
};

}  // namespace VX_ISA
}  // namespace vx
