// Memory that is used again: rows of residues are megabytes, and fresh pages cost more than the arithmetic on them.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "vortex/config.hpp"

namespace vx {

// Keeps what was freed, up to a limit, for the next taker of the same size. Thread-safe.
class Arena {
public:
    explicit Arena(size_t keep_bytes) : keep_(keep_bytes) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena() {
        for (auto& [size, blocks] : free_) {
            for (void* block : blocks) {
                std::free(block);
            }
        }
    }

    // Aligned to pages, not cleared.
    void* take(size_t bytes) {
        const size_t size = rounded(bytes);
        {
            std::lock_guard<std::mutex> lock(mutex_);
            auto found = free_.find(size);
            if (found != free_.end() && !found->second.empty()) {
                void* block = found->second.back();
                found->second.pop_back();
                held_ -= size;
                return block;
            }
        }
        const bool large = size >= kHugePage;
        void* block = std::aligned_alloc(large ? kHugePage : kPage, size);
        if (block == nullptr) {
            throw std::bad_alloc();
        }
#if defined(MADV_HUGEPAGE)
        if (large) {
            madvise(block, size, MADV_HUGEPAGE);  // advice: what comes of it does not matter
        }
#endif
        return block;
    }

    void give(void* block, size_t bytes) noexcept {
        const size_t size = rounded(bytes);
        std::lock_guard<std::mutex> lock(mutex_);
        if (held_ + size <= keep_) {
            try {
                free_[size].push_back(block);
                held_ += size;
                return;
            } catch (const std::bad_alloc&) {
                // no room to remember it: let it go
            }
        }
        std::free(block);
    }

private:
    static constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20;
    static size_t rounded(size_t bytes) {
        const size_t unit = bytes >= kHugePage ? kHugePage : kPage;
        return (bytes + unit - 1) / unit * unit;
    }

    const size_t keep_;
    std::mutex mutex_;
    std::map<size_t, std::vector<void*>> free_;
    size_t held_ = 0;
};

// `count` words from an arena, for as long as this lives.
template <class T>
class Buffer {
public:
    Buffer(std::shared_ptr<Arena> arena, size_t count)
        : arena_(std::move(arena)), bytes_((count == 0 ? 1 : count) * sizeof(T)), data_(static_cast<T*>(arena_->take(bytes_))) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { arena_->give(data_, bytes_); }

    T* data() const { return data_; }
    T* row(size_t i, size_t n) const { return data_ + i * n; }

private:
    std::shared_ptr<Arena> arena_;
    size_t bytes_;
    T* data_;
};

}  // namespace vx
