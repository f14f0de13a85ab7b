// What a call of a kernel works with: memory that earlier calls of its engine have used, and some of its threads.
#pragma once
#include "arena.hpp"
#include "parallel.hpp"

namespace vx {

// What the kernels of one engine share between calls.
struct Resources {
    std::shared_ptr<Arena> arena = std::make_shared<Arena>(size_t{128} << 20);
    Pool pool{0};
};

class Run {
public:
    // threads = 0 means one a processor.
    Run(Resources& resources, unsigned threads)
        : resources_(resources), threads_(threads == 0 ? resources.pool.size() : threads) {}

    unsigned threads() const { return threads_; }
    // body(task) for every task below count.
    template <class Body>
    void parallel(size_t count, const Body& body) const {
        resources_.pool.run(threads_, count, [&](size_t task, unsigned) { body(task); });
    }
    // body(from, count) over consecutive blocks of n things.
    template <class Body>
    void blocks(size_t n, size_t block, const Body& body) const {
        parallel((n + block - 1) / block, [&](size_t i) { body(i * block, n - i * block < block ? n - i * block : block); });
    }
    // Keeps the threads of this call awake between its jobs for as long as what is returned lives.
    Pool::Watch watch() const { return {resources_.pool, threads_}; }
    // Aligned to pages, not cleared.
    template <class T>
    Buffer<T> buffer(size_t count) const {
        return Buffer<T>(resources_.arena, count);
    }

private:
    Resources& resources_;
    unsigned threads_;
};

}  // namespace vx
