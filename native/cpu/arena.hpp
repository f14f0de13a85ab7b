// Memory that is used again: rows of residues are megabytes, and fresh pages cost more than the arithmetic on them.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "vortex/config.hpp"

namespace vx {

// Keeps what was freed, up to a limit, whole or in pieces, for takers of any size; the rest goes back to the system, and
// not to the allocator of the process, whose holes between long-lived arrays would add up. Thread-safe.
//
// Memory is mapped in regions that grow with what there is, so that free pieces lie side by side and join. A taker gets the
// end of the last piece that is large enough: what is free gathers at low addresses, and is given back from there.
class Arena {
public:
    explicit Arena(size_t keep_bytes) : keep_(keep_bytes) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena() {
        for (const auto& [start, size] : free_) {
            munmap(address(start), size);
        }
    }

    // Aligned to pages, not cleared.
    void* take(size_t bytes) {
        const size_t size = rounded(bytes, kPage);
#if defined(__SANITIZE_ADDRESS__)
        void* block = std::aligned_alloc(kPage, size);  // whose ends and lifetime the sanitizer watches
        if (block == nullptr) {
            throw std::bad_alloc();
        }
        return block;
#else
        std::lock_guard<std::mutex> lock(mutex_);
        const auto last = std::find_if(free_.rbegin(), free_.rend(), [size](const auto& each) { return each.second >= size; });
        const auto piece = last == free_.rend() ? grow(size) : std::prev(last.base());
        held_ -= size;
        piece->second -= size;
        const uintptr_t start = piece->first + piece->second;
        if (piece->second == 0) {
            free_.erase(piece);
        }
        return address(start);
#endif
    }

    void give(void* block, size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
        (void)bytes;
        std::free(block);
#else
        const size_t size = rounded(bytes, kPage);
        std::lock_guard<std::mutex> lock(mutex_);
        if (!keep(reinterpret_cast<uintptr_t>(block), size)) {
            munmap(block, size);
        }
        while (held_ > keep_) {
            release_some();
        }
#endif
    }

private:
    using Pieces = std::map<uintptr_t, size_t>;  // by where they start, none next to another

    static constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20, kLargestRegion = size_t{256} << 20;
    static size_t rounded(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }
    static void* address(uintptr_t start) { return reinterpret_cast<void*>(start); }

    // Remembers a free piece; false if there is no room for that.
    bool keep(uintptr_t start, size_t size) noexcept {
        auto after = free_.lower_bound(start);
        const bool joins_after = after != free_.end() && after->first == start + size;
        if (after != free_.begin() && std::prev(after)->first + std::prev(after)->second == start) {
            auto before = std::prev(after);
            before->second += size;
            if (joins_after) {
                before->second += after->second;
                free_.erase(after);
            }
        } else {
            try {
                after = free_.emplace_hint(after, start, size);
            } catch (const std::bad_alloc&) {
                return false;
            }
            if (joins_after) {
                const auto next = std::next(after);
                after->second += next->second;
                free_.erase(next);
            }
        }
        held_ += size;
        return true;
    }

    // A new region with room for a block: a piece that holds it.
    Pieces::iterator grow(size_t size) {
        const size_t region = rounded(std::max(size, std::min(mapped_, kLargestRegion)), kHugePage);
        const uintptr_t start = map(region);
        if (!keep(start, region)) {
            munmap(address(start), region);
            throw std::bad_alloc();
        }
        mapped_ += region;
        return std::prev(free_.upper_bound(start));
    }

    // Gives back what is too much of the first piece that has whole huge pages, or all of the first piece.
    void release_some() noexcept {
        const auto whole = [](const auto& each) {
            return rounded(each.first, kHugePage) + kHugePage <= each.first + each.second;
        };
        auto piece = std::find_if(free_.begin(), free_.end(), whole);
        size_t before = 0, released = 0;
        if (piece == free_.end()) {
            piece = free_.begin();
            released = piece->second;
        } else {
            before = rounded(piece->first, kHugePage) - piece->first;
            released = std::min((piece->second - before) / kHugePage * kHugePage, rounded(held_ - keep_, kHugePage));
        }
        const uintptr_t first = piece->first + before, rest = first + released;
        const size_t after = piece->second - before - released;
        munmap(address(first), released);
        mapped_ -= released;
        held_ -= released + after;
        piece->second = before;
        if (before == 0) {
            free_.erase(piece);
        }
        if (after != 0 && !keep(rest, after)) {
            munmap(address(rest), after);
        }
    }

    // Starts at a huge page; what was mapped around it to get there is given back.
    static uintptr_t map(size_t size) {
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
        return reinterpret_cast<uintptr_t>(block);
    }

    const size_t keep_;
    std::mutex mutex_;
    Pieces free_;
    size_t held_ = 0, mapped_ = 0;
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
