// A fixed set of threads for short parallel steps: the caller is worker 0 and takes part.
// run() returns when every worker has finished. Workers spin for a while after a step, because the next one usually
// follows within microseconds, then sleep. This is the only place in the project that starts native threads.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace bpetk {

inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
    asm volatile("yield");
#endif
}

class Pool {
  public:
    using Task = void (*)(void* context, int worker);

    explicit Pool(int workers) : workers_(workers < 1 ? 1 : workers) {
        try {
            for (int w = 1; w < workers_; ++w) threads_.emplace_back([this, w] { serve(w); });
        } catch (...) {
            stop();
            throw;
        }
    }
    ~Pool() { stop(); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int workers() const noexcept { return workers_; }

    // Calls task(context, w) once for each worker w. INVARIANT: one caller at a time; a task must not throw.
    void run(Task task, void* context) noexcept {
        if (workers_ == 1) {
            task(context, 0);
            return;
        }
        task_ = task;
        context_ = context;
        pending_.store(workers_ - 1, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_seq_cst);
        if (sleepers_.load(std::memory_order_seq_cst) > 0) {
            std::lock_guard<std::mutex> lock(mutex_);
            wake_.notify_all();
        }
        task(context, 0);
        for (int spins = 0; pending_.load(std::memory_order_acquire) != 0; ++spins) {
            if (spins < kSpins) cpu_relax();
            else std::this_thread::yield();
        }
    }

  private:
    static constexpr int kSpins = 2000;  // about 40 microseconds: longer than the gap between two big merges

    void stop() noexcept {
        stopping_.store(true);
        generation_.fetch_add(1);
        {
            std::lock_guard<std::mutex> lock(mutex_);
            wake_.notify_all();
        }
        for (auto& t : threads_) t.join();
        threads_.clear();
    }

    void serve(int worker) noexcept {
        uint64_t seen = 0;
        for (;;) {
            int spins = 0;
            while (generation_.load(std::memory_order_acquire) == seen) {
                if (++spins < kSpins) {
                    cpu_relax();
                    continue;
                }
                std::unique_lock<std::mutex> lock(mutex_);
                sleepers_.fetch_add(1, std::memory_order_seq_cst);
                wake_.wait(lock, [&] { return generation_.load(std::memory_order_seq_cst) != seen; });
                sleepers_.fetch_sub(1, std::memory_order_seq_cst);
            }
            ++seen;
            if (stopping_.load()) return;
            task_(context_, worker);
            pending_.fetch_sub(1, std::memory_order_release);
        }
    }

    int workers_;
    std::vector<std::thread> threads_;
    Task task_ = nullptr;
    void* context_ = nullptr;
    std::atomic<uint64_t> generation_{0};
    std::atomic<int> pending_{0};
    std::atomic<int> sleepers_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
};

}  // namespace bpetk
