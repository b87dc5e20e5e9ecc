// Reads what queries compare into the system's cache, behind the first of them.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/env.hpp"

namespace rve {

// One piece at a time, each waited for: the device serves a query's own pages in between. Asked for
// all at once, 48 MiB kept the first answer waiting (a million vectors: 124 ms, 56 without).
// Neither locks nor pins: what lies in a range may have changed when it is read.
class WarmUp {
 public:
  // `file` must outlive it. Starts the thread.
  WarmUp(File* file, std::vector<FileRange> ranges);
  ~WarmUp() { stop(); }
  WarmUp(const WarmUp&) = delete;
  WarmUp& operator=(const WarmUp&) = delete;

  // Waits for the piece in hand.
  void stop();
  // Read so far. Any thread.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  void run();
  bool isStoppedWithin(std::chrono::milliseconds pause);

  File* file_;
  std::vector<FileRange> ranges_;
  std::mutex mutex_;
  std::condition_variable wakeup_;
  bool stopping_ = false;
  std::atomic<uint64_t> bytes_{0};
  std::thread thread_;
};

}  // namespace rve
