// Uninitialised memory aligned to cache lines, freed at the end of its scope.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace vx {

template <class T>
class Buffer {
public:
    explicit Buffer(size_t count) : data_(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 127) / 64 * 64))) {
        if (!data_) throw std::bad_alloc();
    }
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
