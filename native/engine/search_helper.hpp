// A thread that does a part of a query beside the query's own thread. Late or busy, it costs the
// query nothing but the offer: what has not been begun is taken back.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace rve {

// Stays where it is between offer() and takeBack().
class SearchPart {
 public:
  virtual ~SearchPart() = default;
  virtual void run() = 0;
};

class SearchHelper {
 public:
  SearchHelper();
  // Requires that every offer was taken back.
  ~SearchHelper();

  // Any thread. False: the helper has something to do, and the part is the caller's.
  bool offer(SearchPart* part);
  // Once after each offer() that was accepted. True: it was not begun, and is the caller's again.
  // False: the helper has run it; waits until it has.
  bool takeBack(SearchPart* part);
  // Parts that the helper has run.
  uint64_t ran() const { return ran_.load(std::memory_order_relaxed); }

 private:
  void threadMain();
  void moveElsewhere();

  std::mutex mutex_;
  std::condition_variable wakeup_;
  SearchPart* offered_ = nullptr;
  std::atomic<SearchPart*> running_{nullptr};  // set under the mutex
  std::atomic<uint64_t> ran_{0};
  bool stopping_ = false;
  int avoided_ = -1;  // processor that the thread is kept off
  std::thread thread_;
};

}  // namespace rve
