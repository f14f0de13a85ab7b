// Threads over independent tasks: limbs, rows, blocks, windows.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vx {

// Processors this process may run on.
inline unsigned processors() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        return static_cast<unsigned>(CPU_COUNT(&set));
    }
#endif
    unsigned n = std::thread::hardware_concurrency();
    return n == 0 ? 1 : n;
}

// Tasks 0 .. count-1, an equal run of them for each worker and the rest of the others' for who is done: what a thread has
// written in one job it finds in its own caches in the next of as many tasks. The first exception of any of them is kept
// for the caller.
class TaskQueue {
public:
    TaskQueue(size_t count, unsigned workers, const std::function<void(size_t, unsigned)>& body)
        : body_(body), shares_(workers) {
        for (unsigned k = 0; k < workers; ++k) {
            shares_[k].next = count * k / workers;
            shares_[k].end = count * (k + 1) / workers;
        }
    }

    void work(unsigned worker) {
        const size_t workers = shares_.size();
        for (size_t k = 0; k < workers; ++k) {
            Share& share = shares_[(worker + k) % workers];
            for (size_t i = share.next.fetch_add(1); i < share.end; i = share.next.fetch_add(1)) {
                if (failed_.load(std::memory_order_relaxed)) {
                    return;
                }
                attempt(i, worker);
            }
        }
    }

    void rethrow() const {
        if (error_) {
            std::rethrow_exception(error_);
        }
    }

private:
    struct alignas(64) Share {  // a cache line each
        std::atomic<size_t> next;
        size_t end;
    };

    void attempt(size_t task, unsigned worker) {
        try {
            body_(task, worker);
        } catch (...) {
            std::lock_guard<std::mutex> lock(mutex_);
            if (!error_) {
                error_ = std::current_exception();
            }
            failed_ = true;
        }
    }

    const std::function<void(size_t, unsigned)>& body_;
    std::vector<Share> shares_;
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

// A crew of threads, for kernels too short to start threads of their own. Owned by the object whose kernels it runs.
// `run` may be called from several threads; jobs of more than one thread take turns. After a fork the child runs alone.
class Pool {
public:
    // threads = 0 means one a processor. Threads start with the first job that can use them.
    explicit Pool(unsigned threads) : size_(threads == 0 ? processors() : threads) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    ~Pool() {
        if (owner_ != getpid()) {
            for (std::thread& t : crew_) {
                t.detach();  // the threads stayed in the parent
            }
            return;
        }
        {
            std::lock_guard<std::mutex> lock(mutex_);
            closing_ = true;
        }
        wake_.notify_all();
        for (std::thread& t : crew_) {
            t.join();
        }
    }

    unsigned size() const { return size_; }

    // While one lives, threads of the last job look out for the next without going to sleep, and its caller for its end:
    // for kernels of many jobs with little between them. On one thread it asks for nothing.
    class Watch {
    public:
        Watch(Pool& pool, unsigned threads) : pool_(pool), one_(threads > 1 ? 1 : 0) { pool_.watches_ += one_; }
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        ~Watch() { pool_.watches_ -= one_; }

    private:
        Pool& pool_;
        const unsigned one_;
    };

    // body(task, worker) for every task below count; worker < size() names the thread's own scratch.
    void run(size_t count, const std::function<void(size_t, unsigned)>& body) { run(size_, count, body); }

    // The same on at most `threads` threads, be they more than size().
    void run(unsigned threads, size_t count, const std::function<void(size_t, unsigned)>& body) {
        const unsigned wanted = threads < count ? threads : static_cast<unsigned>(count);
        if (wanted < 2 || owner_ != getpid()) {
            for (size_t i = 0; i < count; ++i) {
                body(i, 0);
            }
            return;
        }
        TaskQueue queue(count, wanted, body);
        std::lock_guard<std::mutex> turn(turn_);
        while (crew_.size() + 1 < wanted) {
            unsigned worker = static_cast<unsigned>(crew_.size()) + 1;
            crew_.emplace_back([this, worker, seen = job_.load()] { serve(worker, seen); });
        }
        {
            std::lock_guard<std::mutex> lock(mutex_);
            queue_ = &queue;
            wanted_ = wanted;
            busy_ = wanted - 1;
            ++job_;
        }
        wake_.notify_all();
        queue.work(0);
        linger(true, [this] { return busy_.load() == 0; });
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return busy_ == 0; });
        lock.unlock();
        queue.rethrow();
    }

private:
    static constexpr std::chrono::microseconds kLinger{200}, kGlance{20};

    // Looks a while for what is about to happen, since sleeping and waking take longer than short jobs do, and than most
    // callers need from one to the next; for as long as there are watches if `watching`. Others may run.
    template <class Condition>
    void linger(bool watching, const Condition& condition) const {
        using Clock = std::chrono::steady_clock;
        for (const auto end = Clock::now() + (watching ? kLinger : kGlance); !condition();) {
            if (Clock::now() >= end && !(watching && watches_.load() != 0)) {
                return;
            }
            std::this_thread::yield();
        }
    }

    void serve(unsigned worker, size_t seen) {
        bool watching = false;
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            lock.unlock();
            linger(watching, [&] { return job_.load() != seen; });
            lock.lock();
            wake_.wait(lock, [&] { return closing_ || job_ != seen; });
            if (closing_) {
                return;
            }
            seen = job_;
            watching = worker < wanted_;
            if (!watching) {
                continue;
            }
            TaskQueue* queue = queue_;
            lock.unlock();
            queue->work(worker);
            lock.lock();
            if (--busy_ == 0) {
                done_.notify_one();
            }
        }
    }

    const unsigned size_;
    const pid_t owner_ = getpid();
    std::mutex turn_;  // one job at a time
    std::mutex mutex_;  // guards what follows
    std::condition_variable wake_, done_;
    std::vector<std::thread> crew_;
    TaskQueue* queue_ = nullptr;
    std::atomic<size_t> job_ = 0;
    std::atomic<unsigned> busy_ = 0;
    std::atomic<unsigned> watches_ = 0;
    unsigned wanted_ = 0;
    bool closing_ = false;
};

}  // namespace vx
