// Runs the kernels of native/cuda on a processor, block after block, one fiber a thread, every access to memory checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace vx::emulate {

struct Dim {
    uint32_t x, y, z;
};
extern Dim thread_index, block_index, block_size, grid_size;

// __syncthreads(), at that line of the source.
void barrier(int line);
// Must come before every access of translated code; compiled code gets the same from -fsanitize=thread, whose hooks
// emulator.cpp defines. Does not return when the access is out of bounds, races or reads shared memory never written.
void access(const void* address, size_t size, bool write);
// Ends the launch with that message.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// A kernel, and the call of it with pointers to its arguments.
struct Kernel {
    const char* name;
    void (*call)(void** arguments);
    int arguments;
};

// The arguments themselves are not the kernel's memory.
template <class... A, size_t... I>
__attribute__((no_sanitize_thread)) void unpack(void (*kernel)(A...), [[maybe_unused]] void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}
template <class... A>
constexpr int count(void (*)(A...)) {
    return sizeof...(A);
}
template <class... A>
__attribute__((no_sanitize_thread)) void apply(void (*kernel)(A...), void** arguments) {
    unpack(kernel, arguments, std::index_sequence_for<A...>{});
}

}  // namespace vx::emulate

// Defined by the translation unit of kernels; the last row has no name.
extern "C" const vx::emulate::Kernel vx_kernels[];
#define VX_ROW(kernel) \
    { #kernel, [](void** arguments) { vx::emulate::apply(kernel, arguments); }, vx::emulate::count(kernel) }
