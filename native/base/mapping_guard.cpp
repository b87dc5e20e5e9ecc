#include "base/mapping_guard.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace rve {
namespace {

// `end` is written last and cleared first, so that the handler never sees half a range.
struct Range {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};  // 0: the slot is free
  std::atomic<uint64_t> faults{0};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

Range ranges[kGuardedRangesMax];
std::mutex ranges_mutex;  // Orders add and remove; the handler does not take it.
struct sigaction previous_action;
uintptr_t page_bytes = 0;

Range* rangeOf(uintptr_t address) {
  for (Range& range : ranges) {
    const uintptr_t end = range.end.load(std::memory_order_acquire);
    if (address < end && address >= range.begin.load(std::memory_order_relaxed)) return &range;
  }
  return nullptr;
}

// Hands a fault that is not ours to whoever stood there before us.
void chain(int signal_number, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
  } else {
    // The default action, at the same instruction when it runs again: a core dump that points at
    // it.
    // A SIGBUS that was sent (kill) does not come again by itself, so it is raised once more.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal_number, &standard, nullptr);
    if (info->si_code <= 0) raise(signal_number);
  }
}

// Puts a page of zeros at `page`. The bare system call: async-signal-safe by nature, and out of
// sight of
// ThreadSanitizer, which takes mmap() for a write and so for a race with the threads that read
// here.
bool mapZeros(void* page) {
  const long result = syscall(SYS_mmap, page, page_bytes, PROT_READ,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
  return result != -1;
}

// Async-signal-safe: atomics and system calls only. Keeps errno.
void onBusError(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  // si_code <= 0 was sent by a process: its address field means nothing.
  const uintptr_t address = addressOf(info->si_addr);
  Range* range = info->si_code > 0 ? rangeOf(address) : nullptr;
  bool mended = false;
  if (range != nullptr) {
    void* page = static_cast<std::byte*>(info->si_addr) - (address & (page_bytes - 1));
    mended = mapZeros(page);
    if (mended) range->faults.fetch_add(1, std::memory_order_release);
  }
  if (!mended) chain(signal_number, info, context);
  errno = saved_errno;
}

void install() {
  page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  RVE_ASSERT(sigaction(SIGBUS, &action, &previous_action) == 0);
}

}  // namespace

int MappingGuard::add(const void* base, size_t bytes) {
  const std::lock_guard<std::mutex> lock(ranges_mutex);
  static const bool installed = (install(), true);
  (void)installed;
  for (int slot = 0; slot < kGuardedRangesMax; ++slot) {
    Range& range = ranges[slot];
    if (range.end.load(std::memory_order_relaxed) != 0) continue;
    range.faults.store(0, std::memory_order_relaxed);
    range.begin.store(addressOf(base), std::memory_order_relaxed);
    range.end.store(addressOf(base) + bytes, std::memory_order_release);
    return slot;
  }
  return -1;
}

void MappingGuard::remove(int slot) {
  RVE_ASSERT(slot >= 0 && slot < kGuardedRangesMax);
  const std::lock_guard<std::mutex> lock(ranges_mutex);
  ranges[slot].end.store(0, std::memory_order_release);
}

uint64_t MappingGuard::faults(int slot) {
  RVE_ASSERT(slot >= 0 && slot < kGuardedRangesMax);
  return ranges[slot].faults.load(std::memory_order_acquire);
}

}  // namespace rve
