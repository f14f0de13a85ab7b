// The block emulator: CUDA's execution model for kernels that use block barriers and no atomics.
//
// Blocks run one after another and threads of a block as fibers that change at barriers. One schedule is enough: whether
// two accesses conflict is decided by their threads, their blocks and the barriers between them, from a shadow cell for
// every byte or four, and not by the order in which they happened to run. Two accesses to the same cell, one of them a
// write, by different threads conflict when they are in different blocks, or in one block with no barrier between them.
#include "emulator.hpp"

#include <ucontext.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

// The image of this library: constants may be read there. Hidden, or the interpreter's own would be found.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[], _end[];
// The section of shared arrays, if there are any: what is in it and in no array is out of bounds.
extern "C" __attribute__((weak, visibility("hidden"))) const char __start_vx_shared[], __stop_vx_shared[];

namespace vx::emulate {

Dim thread_index, block_index, block_size, grid_size;

namespace {

constexpr size_t stack_bytes = 256 << 10;
constexpr uint32_t many = ~0u;

// Numbers of blocks, threads and epochs count from 1; 0 is nobody.
struct Mark {
    uint32_t block = 0, thread = 0, epoch = 0;
};
struct Cell {
    Mark writer, reader;
};
struct Region {
    const char* begin;
    size_t size;
    bool shared;
    int number;
    size_t granule;  // bytes a cell: what the smallest access to it has
    std::vector<Cell> cells;
};
struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[stack_bytes]};
    int waiting = 0;  // the line of its barrier
    bool done = false;
};

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Region> regions;
ucontext_t scheduler;
const Kernel* kernel;
void** kernel_arguments;
uint32_t current_thread, current_block, epoch;
std::string message;
bool failed;

Region* find(const char* address, size_t size) {
    for (auto& region : regions) {
        if (address >= region.begin && address + size <= region.begin + region.size) return &region;
    }
    return nullptr;
}

bool allowed_elsewhere(const char* address, bool write) {
    const char* stack = fibers[current_thread - 1]->stack.get();
    if (address >= stack && address < stack + stack_bytes) return true;
    if (address >= __start_vx_shared && address < __stop_vx_shared) return false;
    return !write && address >= __ehdr_start && address < _end;
}

const Region* nearest(const char* address) {
    const Region* best = nullptr;
    size_t distance = ~size_t{0};
    for (const auto& region : regions) {
        const char* end = region.begin + region.size;
        const size_t away = address < region.begin ? region.begin - address : address - end;
        if (away <= distance) best = &region, distance = away;
    }
    return best;
}

const char* kind(const Region& region) { return region.shared ? "shared array" : "array argument"; }

[[noreturn]] void out_of_bounds(const char* address, size_t size, bool write) {
    const Region* region = nearest(address);
    if (!region) fail("out of bounds: %s %zu bytes, and the kernel was given no array", write ? "writes" : "reads", size);
    fail("out of bounds: %s %zu bytes at offset %td of %s %d of %zu bytes", write ? "writes" : "reads", size,
         address - region->begin, kind(*region), region->number, region->size);
}

bool conflicts(const Mark& mark, bool shared) {
    if (!mark.block) return false;
    if (mark.block != current_block) return !shared;
    return mark.epoch == epoch && mark.thread != current_thread;
}

[[noreturn]] void race(const Region& region, size_t cell, const Mark& other, const char* verbs) {
    fail("race: %s at offset %zu of %s %d, with thread %d of block %d", verbs, cell * region.granule, kind(region),
         region.number, (int)other.thread - 1, (int)other.block - 1);
}

void note(Mark& mark) {
    const bool same_block = mark.block == 0 || mark.block == current_block;
    const bool same_thread = mark.thread == current_thread || mark.epoch != epoch || !mark.block;
    mark = {same_block ? current_block : many, same_thread ? current_thread : many, epoch};
}

void touch(Region& region, size_t index, bool write) {
    Cell& cell = region.cells[index];
    if (region.shared && cell.writer.block && cell.writer.block != current_block) cell = {};
    if (region.shared && cell.reader.block && cell.reader.block != current_block) cell = {};
    if (!write) {
        if (conflicts(cell.writer, region.shared)) race(region, index, cell.writer, "reads what another thread writes");
        if (region.shared && !cell.writer.block) fail("reads shared array %d at offset %zu, never written", region.number, index * region.granule);
        note(cell.reader);
        return;
    }
    if (conflicts(cell.writer, region.shared)) race(region, index, cell.writer, "writes what another thread writes");
    if (conflicts(cell.reader, region.shared)) race(region, index, cell.reader, "writes what another thread reads");
    cell.writer = {current_block, current_thread, epoch};
}

void body() {
    kernel->call(kernel_arguments);
    Fiber& self = *fibers[current_thread - 1];
    self.done = true;
    swapcontext(&self.context, &scheduler);
}

void resume(uint32_t thread) {
    current_thread = thread + 1;
    const uint32_t x = block_size.x, y = block_size.y;
    thread_index = {thread % x, thread / x % y, thread / (x * y)};
    fibers[thread]->waiting = 0;
    swapcontext(&scheduler, &fibers[thread]->context);
}

// Threads that arrived at a barrier go on only if all of the block arrived at the same one.
bool all_done_or_released(uint32_t threads) {
    uint32_t done = 0;
    int line = 0;
    for (uint32_t i = 0; i < threads; ++i) {
        done += fibers[i]->done;
        if (!fibers[i]->waiting) continue;
        if (line && fibers[i]->waiting != line) {
            fail("divergent barrier: threads wait at line %d and at line %d", line, fibers[i]->waiting);
        }
        line = fibers[i]->waiting;
    }
    if (line && done) fail("divergent barrier: %u of %u threads left before the one at line %d", done, threads, line);
    ++epoch;
    return done == threads;
}

void run_block(uint32_t threads) {
    for (uint32_t i = 0; i < threads; ++i) {
        Fiber& fiber = *fibers[i];
        fiber.done = false, fiber.waiting = 0;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = stack_bytes;
        makecontext(&fiber.context, body, 0);
    }
    epoch = 1;
    do {
        for (uint32_t i = 0; i < threads && !failed; ++i) {
            if (!fibers[i]->done) resume(i);
        }
        current_thread = 0;
    } while (!failed && !all_done_or_released(threads));
}

void add_regions(void* const* begins, const size_t* sizes, const size_t* granules, int count, bool shared) {
    for (int i = 0; i < count; ++i) {
        regions.push_back({static_cast<const char*>(begins[i]), sizes[i], shared, i, granules[i], {}});
        regions.back().cells.resize((sizes[i] + granules[i] - 1) / granules[i]);
    }
}

struct Stop {};

}  // namespace

void fail(const char* format, ...) {
    char text[512];
    va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    failed = true;
    message = std::string(kernel->name) + ", block (" + std::to_string(block_index.x) + ", " +
              std::to_string(block_index.y) + ", " + std::to_string(block_index.z) + ")";
    if (!current_thread) {
        message += std::string(": ") + text;
        throw Stop{};
    }
    message += ", thread " + std::to_string(current_thread - 1) + ": " + text;
    setcontext(&scheduler);  // the fiber is left where it stands
    __builtin_unreachable();
}

void barrier(int line) {
    Fiber& self = *fibers[current_thread - 1];
    self.waiting = line;
    swapcontext(&self.context, &scheduler);
}

void access(const void* pointer, size_t size, bool write) {
    const char* address = static_cast<const char*>(pointer);
    Region* region = find(address, size);
    if (!region) {
        if (!allowed_elsewhere(address, write)) out_of_bounds(address, size, write);
        return;
    }
    const size_t first = (address - region->begin) / region->granule;
    const size_t last = (address + size - 1 - region->begin) / region->granule;
    for (size_t i = first; i <= last; ++i) touch(*region, i, write);
}

}  // namespace vx::emulate

using namespace vx::emulate;

// Runs a kernel over a grid. `arrays` are the global buffers it may touch, `shared` the shared arrays of the library.
// Returns 0, or 1 with what went wrong in `text`.
extern "C" int vx_launch(const char* name, const uint32_t* shape, void** arguments, int argument_count,
                         void* const* arrays, const size_t* array_sizes, const size_t* array_granules, int array_count,
                         void* const* shared, const size_t* shared_sizes, const size_t* shared_granules, int shared_count, char* text, size_t text_size) {
    kernel = vx_kernels;
    while (kernel->name && std::strcmp(kernel->name, name) != 0) ++kernel;
    if (!kernel->name || kernel->arguments != argument_count) {
        std::snprintf(text, text_size, kernel->name ? "%s takes another number of arguments" : "no kernel %s", name);
        return 1;
    }
    grid_size = {shape[0], shape[1], shape[2]};
    block_size = {shape[3], 1, 1};
    kernel_arguments = arguments;
    regions.clear();
    add_regions(arrays, array_sizes, array_granules, array_count, false);
    add_regions(shared, shared_sizes, shared_granules, shared_count, true);
    while (fibers.size() < block_size.x) fibers.push_back(std::make_unique<Fiber>());
    failed = false;
    current_block = 0;
    try {
        for (uint32_t z = 0; z < grid_size.z && !failed; ++z) {
            for (uint32_t y = 0; y < grid_size.y && !failed; ++y) {
                for (uint32_t x = 0; x < grid_size.x && !failed; ++x) {
                    block_index = {x, y, z};
                    ++current_block;
                    run_block(block_size.x);
                }
            }
        }
    } catch (const Stop&) {
    }
    if (failed) std::snprintf(text, text_size, "%s", message.c_str());
    return failed;
}

// What g++ -fsanitize=thread calls before every access to memory that is not a thread's own.
#define VX_HOOKS(size)                                                              \
    extern "C" void __tsan_read##size(void* p) { access(p, size, false); }          \
    extern "C" void __tsan_write##size(void* p) { access(p, size, true); }          \
    extern "C" void __tsan_unaligned_read##size(void* p) { access(p, size, false); } \
    extern "C" void __tsan_unaligned_write##size(void* p) { access(p, size, true); }
VX_HOOKS(1)
VX_HOOKS(2)
VX_HOOKS(4)
VX_HOOKS(8)
VX_HOOKS(16)
extern "C" void __tsan_read_range(void* p, size_t size) { access(p, size, false); }
extern "C" void __tsan_write_range(void* p, size_t size) { access(p, size, true); }
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}
