// Uninitialised memory: aligned to cache lines, and in huge pages where it is large (a fault for every 4 KiB of a fresh
// 32 MiB array would cost as much as a million field products).
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace vx {

// To be freed by `std::free`.
inline void* allocate(size_t bytes) {
    constexpr size_t line = 64, huge = (size_t)1 << 21;
    const size_t alignment = bytes >= huge ? huge : line;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
    if (!memory) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (alignment == huge) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: refused, it costs time only
#endif
    return memory;
}

template <class T>
class Buffer {
public:
    explicit Buffer(size_t count) : data_(static_cast<T*>(allocate(count * sizeof(T)))) {}
    Buffer(Buffer&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        return *this;
    }
    ~Buffer() { std::free(data_); }
    T* get() const { return data_; }
    T& operator[](size_t i) const { return data_[i]; }

private:
    T* data_;
};

}  // namespace vx
