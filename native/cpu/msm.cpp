// Pippenger's bucket method (1976) with signed digits and affine buckets.
//
// A scalar s, or r - s where that is smaller (the point then changes sign), is cut into windows of c bits with digits in
// [-2^(c-1), 2^(c-1)). Per window, points are sorted by the magnitude of their digit; each bucket becomes chains of at most
// `longest` additions. Chains of all buckets and windows are independent of each other, so they run side by side with one
// inversion for a whole tile, longest first so that a tile finishes together. Buckets with several chains go round
// again with the chains' sums. Zero digits cost nothing, hence small scalars are fast without being told apart.
#include "msm.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace vx {
namespace {

constexpr u32 longest = longest_chain;
constexpr size_t block = 4096;

struct Chain {
    u32 start, bucket;
    uint16_t length;
    bool alone;  // the only one of its bucket
};

// Smaller of s and r - s as plain limbs, zero if s is above r; 1 if it was r - s.
u8 shorten(u64* s, const u64* r) {
    u64 t[4], above = 0, larger = 0;
    for (int i = 0; i < 4; ++i) t[i] = sub_borrow(r[i], s[i], above);
    for (int i = 0; i < 4; ++i) sub_borrow(t[i], s[i], larger);
    const u64 keep = above - 1, other = 0 - larger;
    for (int i = 0; i < 4; ++i) s[i] = ((t[i] & other) | (s[i] & ~other)) & keep;
    return (u8)larger;
}

size_t bit_length(const u64* s) {
    for (int i = 3; i >= 0; --i) {
        if (s[i]) return 64 * (size_t)i + 64 - (size_t)__builtin_clzll(s[i]);
    }
    return 0;
}

bool is_zero(const u64* words, size_t count) {
    u64 any = words[0];
    if (any) return false;  // as good as always
    for (size_t i = 1; i < count; ++i) any |= words[i];
    return any == 0;
}

// Sums of chains until every bucket has at most one: sums[bucket], prepared points, all zeros where a bucket is empty.
class Buckets {
public:
    Buckets(const GroupOps& group, size_t buckets, const Run& run)
        : group_(group), run_(run), sums_(run.buffer<u64>(buckets * group.words)) {
        run.parallel((buckets + block - 1) / block, [&](size_t i) {
            const size_t from = i * block, count = std::min(block, buckets - from);
            std::memset(sums_.data() + from * group.words, 0, count * group.words * 8);
        });
    }

    // Buckets' items lie one after the other: bucket b's end at ends[b].
    void run(const u64* points, const u32* items, const std::vector<u32>& ends) {
        std::vector<Chain> chains = cut(ends, nullptr);
        Buffer<u64> sums = add_up(points, items, chains);
        for (Open open = settle(chains, sums); !open.items.empty(); open = settle(chains, sums)) {
            chains = cut(open.ends, open.buckets.data());
            sums = add_up(sums.data(), open.items.data(), chains);
        }
    }
    const u64* sums() const { return sums_.data(); }

private:
    // What is left to add up: the items of buckets[k] end at ends[k].
    struct Open {
        std::vector<u32> items, ends, buckets;
    };
    // Chains by falling length, equal lengths in the order of their buckets, whose numbers are in `buckets` (null: k is k's).
    std::vector<Chain> cut(const std::vector<u32>& ends, const u32* buckets) const {
        const size_t parts = run_.threads(), n = ends.size();
        std::vector<u32> at(parts * longest);  // per part and length: counts, then where the next chain goes
        const auto each = [&](const auto& body) {
            run_.parallel(parts, [&](size_t part) {
                for (size_t k = n * part / parts; k < n * (part + 1) / parts; ++k) {
                    u32 from = k ? ends[k - 1] : 0;
                    const bool alone = ends[k] - from <= longest;
                    for (; from < ends[k]; from += longest) {
                        const u32 length = std::min(longest, ends[k] - from);
                        body(at[part * longest + longest - length],
                             Chain{from, buckets ? buckets[k] : (u32)k, (uint16_t)length, alone});
                    }
                }
            });
        };
        each([](u32& count, const Chain&) { ++count; });
        u32 total = 0;
        for (u32 i = 0; i < longest; ++i) {
            for (size_t part = 0; part < parts; ++part) total += std::exchange(at[part * longest + i], total);
        }
        std::vector<Chain> chains(total);
        each([&](u32& next, const Chain& chain) { chains[next++] = chain; });
        return chains;
    }
    // The chains' sums, in their order; of buckets with one chain they are kept as well.
    Buffer<u64> add_up(const u64* points, const u32* items, const std::vector<Chain>& chains) {
        Buffer<u64> out = run_.buffer<u64>(chains.size() * group_.words);
        run_.blocks(chains.size(), tile(chains.size()), [&](size_t from, size_t count) {
            const Buffer<u32> start = run_.buffer<u32>(count), length = run_.buffer<u32>(count);
            for (size_t i = 0; i < count; ++i) {
                start[i] = chains[from + i].start;
                length[i] = chains[from + i].length;
            }
            const Buffer<u8> scratch = run_.buffer<u8>(group_.scratch);
            group_.accumulate({points, items, start.data(), length.data(), count, out.data() + from * group_.words},
                              scratch.data());
            for (size_t i = from; i < from + count; ++i) {
                if (chains[i].alone) copy(out.data() + i * group_.words, sums_.data() + chains[i].bucket * group_.words);
            }
        });
        return out;
    }
    // Chains taken at a time: as many as there may be, unless threads would be left without, or with unequal shares.
    size_t tile(size_t chains) const {
        constexpr size_t least = 256;
        if (run_.threads() == 1) return group_.tile;
        const size_t share = chains / (4 * run_.threads()) / 8 * 8;
        return std::min(group_.tile, std::max(least, share));
    }
    void copy(const u64* from, u64* to) const { std::memcpy(to, from, group_.words * 8); }
    // The finite sums of buckets with several chains.
    Open settle(const std::vector<Chain>& chains, const Buffer<u64>& sums) const {
        std::vector<std::pair<u32, u32>> found;  // bucket, sum
        for (u32 i = 0; i < chains.size(); ++i) {
            if (chains[i].alone || is_zero(sums.data() + i * group_.words, group_.words)) continue;
            found.push_back({chains[i].bucket, i});
        }
        std::sort(found.begin(), found.end());
        Open open;
        for (const auto& [bucket, sum] : found) {
            open.items.push_back(sum << 1);
            if (open.buckets.empty() || open.buckets.back() != bucket) {
                open.buckets.push_back(bucket);
                open.ends.push_back(0);
            }
            open.ends.back() = (u32)open.items.size();
        }
        return open;
    }

    const GroupOps& group_;
    const Run& run_;
    Buffer<u64> sums_;
};

// Scalars ready for digits: plain, shortened and shifted, so that window w's digit is its c bits minus half (the top
// window's is its bits alone).
class Digits {
public:
    Digits(const FieldOps& ops, const u64* scalars, size_t n, const Run& run)
        : ops_(ops), scalars_(scalars), n_(n), plain_(run.buffer<u64>(4 * n)), negated_(run.buffer<u8>(n)) {
        u64 zero[4] = {}, one[4] = {1};
        ops.fr.sub(zero, one, r_, 1);  // r - 1, then r
        ++r_[0];
    }
    // Reads the scalars in [from, from + count), those of `points` at infinity as zeros (null: none is). Threads may read
    // different blocks at a time.
    void read(size_t from, size_t count, const u64* points, size_t words) {
        ops_.fr.from_montgomery(scalars_ + 4 * from, plain_.data() + 4 * from, count);
        u64 any[4] = {};
        for (size_t i = from; i < from + count; ++i) {
            u64* s = plain_.data() + 4 * i;
            if (points && is_zero(points + words * i, words)) std::memset(s, 0, 32);
            // A scalar that came unreduced may come out so; counted as zero, it stays within the windows.
            negated_[i] = shorten(s, r_);
            for (int j = 0; j < 4; ++j) any[j] |= s[j];
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        bits_ = std::max(bits_, bit_length(any));
    }
    size_t bits() const { return bits_; }
    // The top window's digit is at most half for this count of windows.
    static size_t windows(size_t bits, size_t c) { return (bits + 2 + c - 1) / c; }

    void cut(size_t c, const Run& run) {
        c_ = c;
        windows_ = windows(bits_, c);
        u64 shift[4] = {};
        for (size_t w = 0; w + 1 < windows_; ++w) {
            const size_t bit = w * c + c - 1;
            shift[bit / 64] |= (u64)1 << (bit % 64);
        }
        run.parallel((n_ + block - 1) / block, [&](size_t b) {
            for (size_t i = b * block; i < std::min(n_, (b + 1) * block); ++i) {
                u64* s = plain_.data() + 4 * i;
                u64 carry = 0;
                for (int j = 0; j < 4; ++j) s[j] = add_carry(s[j], shift[j], carry);
            }
        });
    }
    size_t windows() const { return windows_; }
    // Where a window's digits are.
    struct Window {
        size_t limb, next, shift;  // bits of one limb, and above them some of the next, unless that is the same
        u64 mask;
        int offset;
    };
    Window window(size_t w) const {
        const size_t bit = w * c_, limb = std::min<size_t>(bit / 64, 3);
        const u64 mask = bit > 255 ? 0 : ((u64)1 << std::min(c_, 256 - bit)) - 1;
        return {limb, std::min<size_t>(limb + 1, 3), bit % 64, mask, w + 1 < windows_ ? 1 << (c_ - 1) : 0};
    }
    // Scalar i's digit: magnitude in the high bits, sign in the lowest, 0 or 1 for none.
    u32 digit(size_t i, const Window& w) const {
        const u64* s = plain_.data() + 4 * i;
        const u64 bits = (s[w.limb] >> w.shift | s[w.next] << 1 << (63 - w.shift)) & w.mask;
        const int value = (int)bits - w.offset, sign = value >> 31;
        return (u32)((value ^ sign) - sign) << 1 | ((u32)(sign & 1) ^ negated_[i]);
    }

private:
    const FieldOps& ops_;
    const u64* scalars_;
    size_t n_, bits_ = 0, c_ = 0, windows_ = 0;
    u64 r_[4];
    std::mutex mutex_;  // guards bits_ while scalars are read
    Buffer<u64> plain_;
    Buffer<u8> negated_;
};

// Items of windows [w0, w1) sorted by bucket, (w - w0)·half + magnitude - 1.
struct Sorted {
    Buffer<u32> items;
    std::vector<u32> ends;
};

Sorted sort_by_bucket(const Digits& digits, size_t n, size_t w0, size_t w1, size_t half, const Run& run) {
    // Few windows are cut in parts of the points, each with counts of its own, so that every thread has a share.
    const size_t windows = w1 - w0, parts = windows >= 4 * run.threads() ? 1 : run.threads(), buckets = windows * half;
    std::vector<u32> at(parts * buckets);  // counts, then where the next item goes
    std::vector<Buffer<u32>> cut;
    for (size_t w = 0; w < windows; ++w) cut.push_back(run.buffer<u32>(n));
    const auto each = [&](const auto& body) {
        run.parallel(windows * parts, [&](size_t task) {
            const size_t k = task / parts, part = task % parts;
            body(k, n * part / parts, n * (part + 1) / parts, at.data() + part * buckets + k * half, cut[k].data());
        });
    };
    each([&](size_t k, size_t from, size_t end, u32* counts, u32* row) {
        const Digits::Window window = digits.window(w0 + k);
        for (size_t i = from; i < end; ++i) {
            row[i] = digits.digit(i, window);
            if (row[i] >> 1) ++counts[(row[i] >> 1) - 1];
        }
    });
    u32 total = 0;
    for (size_t b = 0; b < buckets; ++b) {
        for (size_t part = 0; part < parts; ++part) total += std::exchange(at[part * buckets + b], total);
    }
    Sorted sorted = {run.buffer<u32>(total), {}};
    each([&](size_t, size_t from, size_t end, u32* next, u32* row) {
        for (size_t i = from; i < end; ++i) {
            if (row[i] >> 1) sorted.items[next[(row[i] >> 1) - 1]++] = (u32)i << 1 | (row[i] & 1);
        }
    });
    sorted.ends.assign(at.end() - (ptrdiff_t)buckets, at.end());
    return sorted;
}

// Σ_d d·S_d per window by running sums, cut into segments so that there is enough to do side by side.
class Reduction {
public:
    Reduction(const GroupOps& group, size_t windows, size_t c, const Run& run)
        : group_(group), run_(run), half_((size_t)1 << (c - 1)), segments_(segments(windows, half_)), length_(half_ / segments_),
          sum_(run.buffer<u64>(windows * segments_ * group.words)), tot_(run.buffer<u64>(windows * segments_ * group.words)) {}

    // Buckets of windows [w0, w1).
    void run(const u64* sums, size_t w0, size_t w1) {
        const size_t n = (w1 - w0) * segments_, share = (n + run_.threads() - 1) / run_.threads();
        run_.blocks(n, (share + 7) / 8 * 8, [&](size_t from, size_t count) {
            part(sums + from * length_ * group_.words, w0 * segments_ + from, count);
        });
    }
    // A few windows at a time, since the top one takes no time for small scalars, then these as windows of one segment.
    void combine(size_t windows, size_t c, u64* out) {
        size_t log_length = 0;
        while ((size_t)1 << log_length < length_) ++log_length;
        const size_t words = group_.words, parts = run_.threads() == 1 ? 1 : 4 * run_.threads();
        const size_t share = (windows + parts - 1) / parts, shares = (windows + share - 1) / share;
        const Buffer<u64> of = run_.buffer<u64>(shares * words);
        run_.blocks(windows, share, [&](size_t from, size_t count) {
            u64 *sum = sum_.row(from, segments_ * words), *tot = tot_.row(from, segments_ * words);
            group_.finish(sum, sum, count * segments_);
            group_.finish(tot, tot, count * segments_);
            group_.combine(sum, tot, segments_, log_length, count, c, shares == 1 ? out : of.row(from / share, words));
        });
        if (shares > 1) group_.combine(of.data(), of.data(), 1, 0, shares, share * c, out);
    }

private:
    static size_t segments(size_t windows, size_t half) {
        size_t k = 1;
        while (k < half && k * windows < 768) k *= 2;
        return k;
    }
    // n segments from `first` on; `sums` are their buckets'.
    void part(const u64* sums, size_t first, size_t n) {
        const size_t words = group_.words;
        u64 *run = sum_.row(first, words), *tot = tot_.row(first, words);
        const Buffer<u64> next = run_.buffer<u64>(n * words);
        const Buffer<u8> scratch = run_.buffer<u8>(group_.scratch);
        std::memset(run, 0, n * words * 8);
        std::memset(tot, 0, n * words * 8);
        for (size_t j = length_; j-- > 0;) {
            for (size_t i = 0; i < n; ++i) std::memcpy(next.data() + i * words, sums + (i * length_ + j) * words, words * 8);
            group_.add(run, next.data(), run, n, scratch.data());
            group_.add(tot, run, tot, n, scratch.data());
        }
    }

    const GroupOps& group_;
    const Run& run_;
    size_t half_, segments_, length_;
    Buffer<u64> sum_, tot_;
};

// The window that costs least: per window n additions to buckets and two, half as dear again, for each bucket's reduction.
size_t choose_window(size_t n, size_t bits) {
    size_t best = 2;
    double least = 1e300;
    for (size_t c = 2; c <= 20; ++c) {
        const double cost = (double)Digits::windows(bits, c) * ((double)n + 3 * (double)((size_t)1 << (c - 1)) + 200);
        if (cost < least) {
            least = cost;
            best = c;
        }
    }
    return best;
}

}  // namespace

void msm(const FieldOps& ops, const GroupOps& group, const u64* points, const u64* scalars, u64* out, size_t n, const Run& run) {
    const Pool::Watch watch = run.watch();
    Digits digits(ops, scalars, n, run);
    const Buffer<u64> prepared = run.buffer<u64>(n * group.words);
    run.blocks(n, block, [&](size_t from, size_t count) {
        digits.read(from, count, points, group.words);
        group.prepare(points + from * group.words, prepared.data() + from * group.words, count);
    });
    if (digits.bits() == 0) {
        std::memset(out, 0, group.words * 8);
        return;
    }
    const size_t c = choose_window(n, digits.bits()), half = (size_t)1 << (c - 1);
    digits.cut(c, run);
    const size_t windows = digits.windows(), together = std::max<size_t>(1, ((size_t)1 << 26) / n);
    Reduction reduction(group, windows, c, run);
    for (size_t w0 = 0; w0 < windows; w0 += together) {
        const size_t w1 = std::min(windows, w0 + together);
        const Sorted sorted = sort_by_bucket(digits, n, w0, w1, half, run);
        Buckets buckets(group, (w1 - w0) * half, run);
        buckets.run(prepared.data(), sorted.items.data(), sorted.ends);
        reduction.run(buckets.sums(), w0, w1);
    }
    reduction.combine(windows, c, out);
}

void fixed_base(const FieldOps& ops, const GroupOps& group, const u64* base, const u64* scalars, u64* out, size_t n,
                const Run& run) {
    if (is_zero(base, group.words)) {
        std::memset(out, 0, n * group.words * 8);
        return;
    }
    const Pool::Watch watch = run.watch();
    Digits digits(ops, scalars, n, run);
    run.blocks(n, block, [&](size_t from, size_t count) { digits.read(from, count, nullptr, 0); });
    // A table entry costs about as much as fifteen additions from it.
    size_t c = 2;
    const auto cost = [&](size_t bits) { return Digits::windows(digits.bits(), bits) * (n + 15 * ((size_t)1 << (bits - 1))); };
    while (c < 16 && cost(c + 1) < cost(c)) ++c;
    digits.cut(c, run);
    const size_t half = (size_t)1 << (c - 1), windows = digits.windows(), words = group.words;
    std::vector<Digits::Window> places;
    for (size_t w = 0; w < windows; ++w) places.push_back(digits.window(w));
    const Buffer<u64> table = run.buffer<u64>(windows * half * words);
    run.parallel(windows, [&](size_t w) {
        u64* at = table.data() + w * half * words;
        group.table(base, c, w, w + 1, at);
        group.prepare(at, at, half);
    });
    const size_t many = 8 * group.tile;
    for (size_t from = 0; from < n; from += many) {
        const size_t count = std::min(many, n - from);
        std::vector<u32> items, ends;
        for (size_t i = 0; i < count; ++i) {
            for (size_t w = 0; w < windows; ++w) {
                const u32 digit = digits.digit(from + i, places[w]);
                if (digit >> 1) items.push_back((u32)(w * half + (digit >> 1) - 1) << 1 | (digit & 1));
            }
            ends.push_back((u32)items.size());
        }
        Buckets buckets(group, count, run);
        buckets.run(table.data(), items.data(), ends);
        group.finish(buckets.sums(), out + from * words, count);
    }
}

void add_points(const GroupOps& group, const u64* a, const u64* b, u64* out, size_t n, const Run& run) {
    const size_t tiles = (n + group.tile - 1) / group.tile, words = group.words;
    run.parallel(tiles, [&](size_t t) {
        const size_t from = t * group.tile, count = std::min(group.tile, n - from);
        const Buffer<u64> left = run.buffer<u64>(count * words), right = run.buffer<u64>(count * words);
        const Buffer<u8> scratch = run.buffer<u8>(group.scratch);
        group.prepare(a + from * words, left.data(), count);
        group.prepare(b + from * words, right.data(), count);
        group.add(left.data(), right.data(), left.data(), count, scratch.data());
        group.finish(left.data(), out + from * words, count);
    });
}

}  // namespace vx
