#include "engine/query_pool.hpp"

#include <utility>

namespace rve {

QueryPool::QueryPool(uint32_t threads) {
  for (uint32_t i = 0; i < threads; i++) threads_.emplace_back([this] { threadMain(); });
}

Status QueryPool::submit(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return Status(Code::kClosed);
    if (jobs_.size() >= kJobsMax) return Status(Code::kBusy, "the query queue is full");
    jobs_.push_back(std::move(job));
  }
  wakeup_.notify_one();
  return {};
}

void QueryPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void QueryPool::threadMain() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wakeup_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace rve
