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

// How many of n points to take at a time: few enough for every thread to have some.
size_t some(size_t n, const Run& run) { return std::clamp<size_t>(n / (4 * run.threads()) / 8 * 8, 128, block); }

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

// Items of buckets, bucket k's in [begin, end) of `of` at starts[k] and ends[k]. There may be several sets of buckets, one
// after the other, each with items of its own; sums are over all sets.
struct Sorted {
    Buffer<u32> of;
    std::vector<u32> starts, ends;
    size_t sets = 1;
};

// Sums of chains until every bucket has at most one: sums[bucket], prepared points, all zeros where a bucket is empty.
class Buckets {
public:
    Buckets(const GroupOps& group, size_t buckets, const Run& run)
        : group_(group), run_(run), buckets_(buckets), sums_(run.buffer<u64>(buckets * group.words)) {
        run.blocks(buckets, block, [&](size_t from, size_t count) {
            std::memset(sums_.data() + from * group.words, 0, count * group.words * 8);
        });
    }

    void run(const u64* points, const Sorted& items) {
        Cut cut = cut_chains(items, nullptr);
        Buffer<u64> sums = add_up(points, items.of.data(), cut);
        for (std::vector<Part> parts = open(cut); !parts.empty(); parts = open(cut)) {
            std::vector<u32> buckets;
            const Sorted again = sort_open(parts, buckets);
            cut = cut_chains(again, buckets.data());
            sums = add_up(sums.data(), again.of.data(), cut);
        }
    }
    const u64* sums() const { return sums_.data(); }

private:
    // A chain whose sum is only a part of its bucket's.
    struct Part {
        u32 bucket, chain;
    };
    // Chains, and where each tile of them ends; lengths do not rise within a tile. Parts are found tile by tile.
    struct Cut {
        Buffer<Chain> chains;
        std::vector<u32> ends;
        std::vector<std::vector<Part>> parts;
    };
    // Chains of each thread's share of the buckets by falling length, equal lengths in the order of their buckets, whose
    // numbers are in `buckets` (null: k is k's). A share holds about as many items as others, and is a set if there are sets.
    Cut cut_chains(const Sorted& items, const u32* buckets) const {
        const size_t n = items.ends.size(), shares = items.sets > 1 ? items.sets : run_.threads();
        const auto share_begin = [&](size_t share) -> size_t {
            if (items.sets > 1 || share == 0 || share == shares) return n * share / shares;
            const u32 item = (u32)((u64)items.ends.back() * share / shares);
            return (size_t)(std::lower_bound(items.starts.begin(), items.starts.end(), item) - items.starts.begin());
        };
        std::vector<u32> at(shares * longest);  // per share and length: counts, then where the next chain goes
        const auto each = [&](const auto& body) {
            run_.parallel(shares, [&](size_t share) {
                const size_t begin = share_begin(share), end = share_begin(share + 1), set = items.sets > 1 ? begin : 0;
                for (size_t k = begin; k < end; ++k) {
                    const u32 bucket = buckets ? buckets[k] : (u32)(k - set);
                    const bool alone = items.sets == 1 && items.ends[k] - items.starts[k] <= longest;
                    for (u32 from = items.starts[k]; from < items.ends[k]; from += longest) {
                        const u32 length = std::min(longest, items.ends[k] - from);
                        body(at[share * longest + longest - length], Chain{from, bucket, (uint16_t)length, alone});
                    }
                }
            });
        };
        each([](u32& count, const Chain&) { ++count; });
        std::vector<u32> ends;
        u32 total = 0;
        for (size_t share = 0; share < shares; ++share) {
            const u32 begin = total;
            for (u32 i = 0; i < longest; ++i) total += std::exchange(at[share * longest + i], total);
            append_tiles(begin, total, ends);
        }
        Buffer<Chain> chains = run_.buffer<Chain>(total);
        each([&](u32& next, const Chain& chain) { chains[next++] = chain; });
        const size_t tiles = ends.size();
        return {std::move(chains), std::move(ends), std::vector<std::vector<Part>>(tiles)};
    }
    // Ends of tiles of equal size for the chains in [begin, end), few so that there are few inversions.
    void append_tiles(u32 begin, u32 end, std::vector<u32>& ends) const {
        const u32 tiles = (u32)((end - begin + group_.tile - 1) / group_.tile);
        for (u32 t = 1; t < tiles; ++t) ends.push_back(begin + (u32)(((u64)(end - begin) * t / tiles + 7) / 8 * 8));
        if (tiles > 0) ends.push_back(end);
    }
    // The chains' sums, in their order; of buckets with one chain they are kept as well, others' parts are noted.
    Buffer<u64> add_up(const u64* points, const u32* items, Cut& cut) {
        const size_t words = group_.words, chains = cut.ends.empty() ? 0 : cut.ends.back();
        Buffer<u64> out = run_.buffer<u64>(chains * words);
        run_.parallel(cut.ends.size(), [&](size_t tile) {
            const size_t from = tile ? cut.ends[tile - 1] : 0, count = cut.ends[tile] - from;
            const Buffer<u32> start = run_.buffer<u32>(count), length = run_.buffer<u32>(count);
            for (size_t i = 0; i < count; ++i) {
                start[i] = cut.chains[from + i].start;
                length[i] = cut.chains[from + i].length;
            }
            const Buffer<u8> scratch = run_.buffer<u8>(group_.scratch);
            group_.accumulate({points, items, start.data(), length.data(), count, out.data() + from * words}, scratch.data());
            for (size_t i = from; i < from + count; ++i) {
                const Chain& chain = cut.chains[i];
                const u64* sum = out.data() + i * words;
                if (chain.alone) {
                    std::memcpy(sums_.data() + chain.bucket * words, sum, words * 8);
                } else if (!is_zero(sum, words)) {
                    cut.parts[tile].push_back({chain.bucket, (u32)i});
                }
            }
        });
        return out;
    }
    static std::vector<Part> open(const Cut& cut) {
        std::vector<Part> all;
        for (const auto& parts : cut.parts) all.insert(all.end(), parts.begin(), parts.end());
        return all;
    }
    // The parts by their buckets, whose numbers are put in `buckets`.
    Sorted sort_open(const std::vector<Part>& parts, std::vector<u32>& buckets) const {
        std::vector<u32> at(buckets_);
        for (const Part& part : parts) ++at[part.bucket];
        Sorted sorted = {run_.buffer<u32>(parts.size()), {}, {}};
        u32 total = 0;
        for (u32 b = 0; b < buckets_; ++b) {
            if (at[b] == 0) continue;
            buckets.push_back(b);
            sorted.starts.push_back(total);
            total += std::exchange(at[b], total);
            sorted.ends.push_back(total);
        }
        for (const Part& part : parts) sorted.of[at[part.bucket]++] = part.chain << 1;
        return sorted;
    }

    const GroupOps& group_;
    const Run& run_;
    const size_t buckets_;
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

// Items of windows [w0, w1) by bucket, (w - w0)·half + magnitude - 1.
Sorted sort_by_bucket(const Digits& digits, size_t n, size_t w0, size_t w1, size_t half, const Run& run) {
    // Few windows are cut in parts of the points, each with counts of its own, so that every thread has a share. Where a
    // sum more for each of their buckets costs nothing, parts are sets of their own: a thread then adds up what it has itself
    // prepared and sorted, instead of fetching half of it from the other's caches.
    const size_t windows = w1 - w0, parts = windows >= 4 * run.threads() ? 1 : run.threads(), buckets = windows * half;
    const size_t sets = 32 * (parts - 1) * half <= n ? parts : 1;
    std::vector<u32> at(parts * buckets);  // counts, then where the next item goes
    std::vector<Buffer<u32>> cut;
    for (size_t w = 0; w < windows; ++w) cut.push_back(run.buffer<u32>(n));
    const auto each = [&](const auto& body) {
        run.parallel(windows * parts, [&](size_t task) {
            const size_t part = task / windows, k = task % windows;
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
    for (size_t set = 0; set < sets; ++set) {
        for (size_t b = 0; b < buckets; ++b) {
            for (size_t part = set; part < parts; part += sets) total += std::exchange(at[part * buckets + b], total);
        }
    }
    Sorted sorted = {run.buffer<u32>(total), {at.begin(), at.begin() + (ptrdiff_t)(sets * buckets)}, {}, sets};
    each([&](size_t, size_t from, size_t end, u32* next, u32* row) {
        for (size_t i = from; i < end; ++i) {
            if (row[i] >> 1) sorted.of[next[(row[i] >> 1) - 1]++] = (u32)i << 1 | (row[i] & 1);
        }
    });
    at.erase(at.begin(), at.end() - (ptrdiff_t)(sets * buckets));
    sorted.ends = std::move(at);
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
    // More segments are longer sums at the end, a third of a microsecond each in G1; longer ones are more steps, each with
    // its inversion, which for a few points is three.
    static size_t segments(size_t windows, size_t half) {
        size_t k = 1;
        while (k < half && 2 * k * k * windows <= 9 * half) k *= 2;
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
    run.blocks(n, some(n, run), [&](size_t from, size_t count) {
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
        buckets.run(prepared.data(), sorted);
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
    run.blocks(n, some(n, run), [&](size_t from, size_t count) { digits.read(from, count, nullptr, 0); });
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
        Sorted sorted = {run.buffer<u32>(count * windows), std::vector<u32>(count), std::vector<u32>(count)};
        run.blocks(count, 512, [&](size_t first, size_t some) {
            for (size_t i = first; i < first + some; ++i) {
                u32 at = (u32)(i * windows);
                sorted.starts[i] = at;
                for (size_t w = 0; w < windows; ++w) {
                    const u32 digit = digits.digit(from + i, places[w]);
                    if (digit >> 1) sorted.of[at++] = (u32)(w * half + (digit >> 1) - 1) << 1 | (digit & 1);
                }
                sorted.ends[i] = at;
            }
        });
        Buckets buckets(group, count, run);
        buckets.run(table.data(), sorted);
        run.blocks(count, 512, [&](size_t first, size_t some) {
            group.finish(buckets.sums() + first * words, out + (from + first) * words, some);
        });
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
