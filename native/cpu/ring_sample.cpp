// ChaCha20 (RFC 8439) and the samplers of stream.py.
#include <algorithm>

#include "ring.hpp"

namespace vx {

namespace {

constexpr size_t kRunBytes = 64 * kChaChaBlocks;

// The key stream under a seed and the nonce of (stream, word), a run of blocks at a time.
class KeyStream {
public:
    KeyStream(const Rows& rows, const unsigned char* seed, u64 stream, u32 word) : rows_(rows) {
        const u32 constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"
        std::copy(constants, constants + 4, input_);
        for (int i = 0; i < 8; ++i) {
            input_[4 + i] = seed[4 * i] | seed[4 * i + 1] << 8 | seed[4 * i + 2] << 16 | static_cast<u32>(seed[4 * i + 3]) << 24;
        }
        input_[12] = 0;
        input_[13] = static_cast<u32>(stream);
        input_[14] = static_cast<u32>(stream >> 32);
        input_[15] = word;
    }

    void run(u32* out) {
        rows_.chacha(out, input_, next_);
        next_ += kChaChaBlocks;
    }

private:
    const Rows& rows_;
    u32 input_[16];
    u32 next_ = 0;
};

u64 word64(const u32* w) { return w[0] | u64{w[1]} << 32; }

}  // namespace

void Ring::sample_uniform(u64* out, const unsigned char* seed, u64 stream, u32 limb_index) const {
    const size_t n = n_;
    const u64 modulus = this->modulus(static_cast<int>(limb_index));
    KeyStream chacha(any_rows(), seed, stream, limb_index);
    constexpr size_t kWords = kRunBytes / 8;
    u32 words[kRunBytes / 4];
    u64 some[kWords + 8];
    for (size_t have = 0; have < n;) {
        chacha.run(words);
        if (n - have >= kWords + 8) {
            have += any_rows().accept(out + have, words, kWords, modulus);
            continue;
        }
        const size_t count = std::min(any_rows().accept(some, words, kWords, modulus), n - have);
        std::copy(some, some + count, out + have);
        have += count;
    }
}

void Ring::sample_ternary(long long* out, const unsigned char* seed, u64 stream, u32 word) const {
    const size_t n = n_;
    KeyStream chacha(any_rows(), seed, stream, word);
    u32 words[kRunBytes / 4];
    size_t have = 0;
    while (have < n) {
        chacha.run(words);
        for (size_t i = 0; i < kRunBytes && have < n; ++i) {
            const u32 byte = words[i / 4] >> 8 * (i % 4) & 0xff;
            out[have] = static_cast<long long>(byte % 3) - 1;
            have += byte < 255;
        }
    }
}

void Ring::sample_sparse_ternary(long long* out, const unsigned char* seed, u64 stream, u32 word, size_t weight) const {
    const size_t n = n_;
    KeyStream chacha(any_rows(), seed, stream, word);
    std::fill(out, out + n, 0);
    u32 words[kRunBytes / 4];
    for (size_t left = weight; left != 0;) {
        chacha.run(words);
        for (size_t i = 0; i < kRunBytes / 4 && left != 0; ++i) {
            long long& place = out[words[i] & (n - 1)];
            if (place == 0) {
                place = 1 - 2 * static_cast<long long>(words[i] >> 31);
                --left;
            }
        }
    }
}

// No branch and no address depends on what is drawn: every threshold is compared.
void Ring::sample_gaussian(long long* out, const unsigned char* seed, u64 stream, u32 word,
                           const std::vector<u64>& thresholds) const {
    const size_t n = n_;
    KeyStream chacha(any_rows(), seed, stream, word);
    u32 words[kRunBytes / 4];
    u64 drawn[kRunBytes / 8], magnitude[kRunBytes / 8];
    for (size_t first = 0; first < n; first += kRunBytes / 8) {
        chacha.run(words);
        for (size_t i = 0; i < kRunBytes / 8; ++i) {
            drawn[i] = word64(words + 2 * i);
            magnitude[i] = 0;
        }
        for (u64 threshold : thresholds) {
            for (size_t i = 0; i < kRunBytes / 8; ++i) {
                // 1 if the low 63 bits reach the threshold: both are below 2^63, so the sign of the difference tells
                magnitude[i] += 1 ^ ((drawn[i] & ~(u64{1} << 63)) - threshold) >> 63;
            }
        }
        for (size_t i = 0; i < std::min(kRunBytes / 8, n - first); ++i) {
            const u64 sign = u64{0} - (drawn[i] >> 63);
            out[first + i] = static_cast<long long>((magnitude[i] ^ sign) - sign);
        }
    }
}

void Ring::expand_uniform(const RowsOut& out, const unsigned char* seed, u64 stream, const Basis& basis) {
    pool_.run(out.size(), [&](size_t i, unsigned) {
        sample_uniform(out[i], seed, stream, static_cast<u32>(basis[i]));
    });
}

}  // namespace vx
