#include "engine/search_helper.hpp"

#include <pthread.h>
#include <sched.h>

namespace rve {

SearchHelper::SearchHelper() : thread_([this] { threadMain(); }) {}

SearchHelper::~SearchHelper() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_one();
  thread_.join();
}

bool SearchHelper::offer(SearchPart* part) {
  {
    std::lock_guard lock(mutex_);
    if (offered_ != nullptr || running_.load(std::memory_order_relaxed) != nullptr) return false;
    offered_ = part;
    moveElsewhere();
  }
  wakeup_.notify_one();
  return true;
}

// A scheduler likes to run whom it wakes where the waker runs, which would then stand still.
void SearchHelper::moveElsewhere() {
  const int cpu = sched_getcpu();
  if (cpu < 0 || cpu == avoided_) return;
  avoided_ = cpu;
  // As the caller may run now: whoever bound the process to some processors is obeyed.
  cpu_set_t others;
  if (sched_getaffinity(0, sizeof others, &others) != 0) return;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0) return;
  // Refused, it still runs, if later.
  static_cast<void>(pthread_setaffinity_np(thread_.native_handle(), sizeof others, &others));
}

bool SearchHelper::takeBack(SearchPart* part) {
  {
    std::lock_guard lock(mutex_);
    if (offered_ == part) {
      offered_ = nullptr;
      return true;
    }
  }
  while (running_.load(std::memory_order_acquire) == part) {
    running_.wait(part, std::memory_order_acquire);
  }
  return false;
}

void SearchHelper::threadMain() {
  for (;;) {
    SearchPart* part = nullptr;
    {
      std::unique_lock lock(mutex_);
      wakeup_.wait(lock, [this] { return stopping_ || offered_ != nullptr; });
      if (offered_ == nullptr) return;
      part = offered_;
      offered_ = nullptr;
      running_.store(part, std::memory_order_relaxed);
    }
    part->run();
    ran_.fetch_add(1, std::memory_order_relaxed);
    // The part may be gone from here on.
    running_.store(nullptr, std::memory_order_release);
    running_.notify_all();
  }
}

}  // namespace rve
