// The transform over Fr: six steps (Bailey 1990) without its transpositions, columns then rows in tiles of eight.
#include "ntt_fr.hpp"

#include <algorithm>
#include <cstring>


namespace vx {
namespace {

struct Element {
    u64 v[4];
};

class Transform {
public:
    Transform(const FieldOps& ops, size_t log_n, const u64* root, const u64* coset, bool inverse, const Run& run)
        : ops_(ops), log_n_(log_n), n_((size_t)1 << log_n), inverse_(inverse), run_(run) {
        const int64_t one = 1, n = (int64_t)n_;
        ops.fr.from_int64(&one, one_.v, 1);
        std::memcpy(root_.v, root, 32);
        coset_ = coset != nullptr;
        std::memcpy(shift_.v, coset ? coset : one_.v, 32);
        if (inverse) {
            ops.fr.from_int64(&n, scale_.v, 1);
            scale_ = inverted(scale_);
            root_ = inverted(root_);
            shift_ = inverted(shift_);
        }
    }

    void transform(const u64* in, u64* out) {
        if (log_n_ < 6) {
            transform_small(in, out);
            return;
        }
        const size_t log_n1 = log_n_ / 2, log_n2 = log_n_ - log_n1, n1 = (size_t)1 << log_n1, n2 = (size_t)1 << log_n2;
        const bool before = coset_ && !inverse_, after = coset_ && inverse_;
        const Buffer<u64> roots1 = powers(power(root_, n2), one_, n1 / 2), roots2 = powers(power(root_, n1), one_, n2 / 2);
        // Column j2 is multiplied by root^(j2·k1), by the coset's share of j2, and for the inverse by 1/n and the share of k1.
        const Buffer<u64> first = powers(before ? shift_ : one_, inverse_ ? scale_ : one_, n2);
        const Buffer<u64> step = powers(root_, after ? shift_ : one_, n2);
        const Buffer<u64> by_row = powers(power(shift_, before ? n2 : n1), one_, before ? n1 : n2);
        const Pool::Watch watch = run_.watch();
        const Buffer<u64> middle = run_.buffer<u64>(4 * n_);
        tiles(n2, n1, [&](size_t begin, size_t end, void* scratch) {
            ops_.ntt.columns(in, middle.data(), log_n1, log_n2, begin, end, roots1.data(), before ? by_row.data() : nullptr,
                             first.data(), step.data(), scratch);
        });
        tiles(n1, n2, [&](size_t begin, size_t end, void* scratch) {
            ops_.ntt.rows(middle.data(), out, log_n1, log_n2, begin, end, roots2.data(), after ? by_row.data() : nullptr, scratch);
        });
    }

private:
    void transform_small(const u64* in, u64* out) {
        const Buffer<u64> roots = powers(root_, one_, n_ / 2), shifts = powers(shift_, inverse_ ? scale_ : one_, n_);
        std::memcpy(out, in, 32 * n_);
        if (coset_ && !inverse_) ops_.fr.mul(out, shifts.data(), out, n_);
        ops_.ntt.small(out, log_n_, roots.data());
        if (inverse_) ops_.fr.mul(out, shifts.data(), out, n_);
    }
    Element inverted(const Element& a) const {
        Element out;
        ops_.fr.inverse(a.v, out.v, 1);
        return out;
    }
    Element power(const Element& base, size_t exponent) const {
        Element out;
        ops_.fr.power(base.v, exponent, out.v);
        return out;
    }
    Buffer<u64> powers(const Element& base, const Element& first, size_t n) const {
        Buffer<u64> out = run_.buffer<u64>(4 * n);
        ops_.fr.powers(base.v, first.v, out.data(), n);
        return out;
    }
    // Chunks of whole tiles, enough of them for every thread.
    template <class Body>
    void tiles(size_t count, size_t length, const Body& body) const {
        const size_t wanted = 4 * (size_t)run_.threads();
        const size_t chunk = std::max<size_t>(8, count / wanted / 8 * 8);
        run_.blocks(count, chunk, [&](size_t from, size_t columns) {
            const Buffer<u8> scratch = run_.buffer<u8>(ops_.ntt.scratch_per_row * length);
            body(from, from + columns, scratch.data());
        });
    }

    const FieldOps& ops_;
    size_t log_n_, n_;
    bool inverse_, coset_;
    const Run& run_;
    Element root_, one_, scale_, shift_;
};

}  // namespace

void ntt_fr(const FieldOps& ops, const u64* in, u64* out, size_t log_n, const u64* root, const u64* coset, bool inverse,
            const Run& run) {
    Transform(ops, log_n, root, coset, inverse, run).transform(in, out);
}

}  // namespace vx
