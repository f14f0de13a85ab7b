// One number for all results of a driver, so that machines which never meet can be held against each other.
#pragma once

#include <cinttypes>
#include <cstdio>

#include "vortex/config.hpp"

namespace vx {

// FNV-1a, a 64-bit word at a time.
class Digest {
public:
    void add(u64 word) { state_ = (state_ ^ word) * 0x100000001b3; }
    void print() const { std::printf("digest %016" PRIx64 "\n", state_); }

private:
    u64 state_ = 0xcbf29ce484222325;
};

}  // namespace vx
