// Memory that is used again: rows of residues are megabytes, and fresh pages cost more than the arithmetic on them.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "vortex/config.hpp"

namespace vx {

// Keeps what was freed, up to a limit, for the next taker of the same size; the rest goes back to the system at once,
// and not to the allocator of the process, whose holes between long-lived arrays would add up. Thread-safe.
class Arena {
public:
    explicit Arena(size_t keep_bytes) : keep_(keep_bytes) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena() {
        for (auto& [size, blocks] : free_) {
            for (void* block : blocks) {
                release(block, size);
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
        return size >= kHugePage ? mapped(size) : small(size);
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
        release(block, size);
    }

private:
    static constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20;
    static size_t rounded(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

    static void* small(size_t size) {
        void* block = std::aligned_alloc(kPage, size);
        if (block == nullptr) {
            throw std::bad_alloc();
        }
        return block;
    }

    // Starts at a huge page; what was mapped around it to get there is given back.
    static void* mapped(size_t size) {
        const size_t room = size + kHugePage;
        void* start = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) {
            throw std::bad_alloc();
        }
        const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
        char* block = static_cast<char*>(start) + before;
        if (before != 0) {
            munmap(start, before);
        }
        if (room - before > size) {
            munmap(block + size, room - before - size);
        }
#if defined(MADV_HUGEPAGE)
        madvise(block, size, MADV_HUGEPAGE);  // advice: what comes of it does not matter
#endif
        return block;
    }

    static void release(void* block, size_t size) noexcept {
        if (size >= kHugePage) {
            munmap(block, size);
        } else {
            std::free(block);
        }
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
    Buffer(Buffer&& other) noexcept : arena_(std::move(other.arena_)), bytes_(other.bytes_), data_(other.data_) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(arena_, other.arena_);
        std::swap(bytes_, other.bytes_);
        std::swap(data_, other.data_);
        return *this;
    }
    ~Buffer() {
        if (arena_ != nullptr) {
            arena_->give(data_, bytes_);
        }
    }

    T* data() const { return data_; }
    T& operator[](size_t i) const { return data_[i]; }
    T* row(size_t i, size_t n) const { return data_ + i * n; }

private:
    std::shared_ptr<Arena> arena_;
    size_t bytes_;
    T* data_;
};

}  // namespace vx
