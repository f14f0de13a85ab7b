// ChaCha20 (RFC 8439) and the samplers of stream.py.
#include <algorithm>
#include <cstring>

#include "ring.hpp"

namespace vx {

namespace {

constexpr int kAbreast = 16;  // blocks computed side by side, one a lane
constexpr size_t kRunBytes = 64 * kAbreast;

using Lane = u32 __attribute__((vector_size(4 * kAbreast), aligned(4), may_alias));

struct ChaCha20 {
    u32 input[16];
    u64 next = 0;

    ChaCha20(const unsigned char* seed, u64 stream, u32 word) {
        const u32 constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"
        std::copy(constants, constants + 4, input);
        for (int i = 0; i < 8; ++i) {
            input[4 + i] = seed[4 * i] | seed[4 * i + 1] << 8 | seed[4 * i + 2] << 16 | static_cast<u32>(seed[4 * i + 3]) << 24;
        }
        input[13] = static_cast<u32>(stream);
        input[14] = static_cast<u32>(stream >> 32);
        input[15] = word;
    }

    static void quarter_round(Lane& a, Lane& b, Lane& c, Lane& d) {
        a += b, d ^= a, d = d << 16 | d >> 16;
        c += d, b ^= c, b = b << 12 | b >> 20;
        a += b, d ^= a, d = d << 8 | d >> 24;
        c += d, b ^= c, b = b << 7 | b >> 25;
    }

    // The next kAbreast blocks of 16 words.
    void run(u32* out) {
        Lane start[16], s[16];
        for (int i = 0; i < 16; ++i) {
            start[i] = Lane{} + input[i];
        }
        for (int lane = 0; lane < kAbreast; ++lane) {
            start[12][lane] = static_cast<u32>(next + lane);
        }
        next += kAbreast;
        std::copy(start, start + 16, s);
        for (int round = 0; round < 10; ++round) {
            for (int i = 0; i < 4; ++i) {
                quarter_round(s[i], s[4 + i], s[8 + i], s[12 + i]);
            }
            for (int i = 0; i < 4; ++i) {
                quarter_round(s[i], s[4 + (i + 1) % 4], s[8 + (i + 2) % 4], s[12 + (i + 3) % 4]);
            }
        }
        for (int i = 0; i < 16; ++i) {
            s[i] += start[i];
            for (int lane = 0; lane < kAbreast; ++lane) {
                out[16 * lane + i] = s[i][lane];
            }
        }
    }
};

u64 word64(const u32* w) { return w[0] | u64{w[1]} << 32; }

}  // namespace

void sample_uniform(u64* out, size_t n, const unsigned char* seed, u64 stream, u32 limb, u64 modulus) {
    ChaCha20 chacha(seed, stream, limb);
    const u64 mask = ~u64{0} >> __builtin_clzll(modulus);
    u32 words[kRunBytes / 4];
    size_t have = 0;
    while (have < n) {
        chacha.run(words);
        for (size_t i = 0; i < kRunBytes / 4 && have < n; i += 2) {
            const u64 w = word64(words + i) & mask;
            out[have] = w;
            have += w < modulus;
        }
    }
}

void sample_ternary(long long* out, size_t n, const unsigned char* seed, u64 stream, u32 word) {
    ChaCha20 chacha(seed, stream, word);
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

void sample_sparse_ternary(long long* out, size_t n, const unsigned char* seed, u64 stream, u32 word, size_t weight) {
    ChaCha20 chacha(seed, stream, word);
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
void sample_gaussian(long long* out, size_t n, const unsigned char* seed, u64 stream, u32 word,
                     const std::vector<u64>& thresholds) {
    ChaCha20 chacha(seed, stream, word);
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
        sample_uniform(out[i], n_, seed, stream, static_cast<u32>(basis[i]), modulus(basis[i]));
    });
}

}  // namespace vx
