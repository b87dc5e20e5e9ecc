// A small pool of threads for queries and other reads, with a bounded queue.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.hpp"

namespace rve {

class QueryPool {
 public:
  static constexpr size_t kJobsMax = 65536;  // beyond it the caller is told kBusy

  explicit QueryPool(uint32_t threads);
  ~QueryPool() { stop(); }
  Status submit(std::function<void()> job);
  // Runs what is queued, then ends. Idempotent.
  void stop();

 private:
  void threadMain();

  std::mutex mutex_;
  std::condition_variable wakeup_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rve
