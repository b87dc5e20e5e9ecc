// A clock of the caller's (Memory.open's `clock`) behind the engine's. The machine's clock goes on
// as it is and is pushed ahead where the caller's ran faster since open: an hour by which a
// ManualClock is advanced passes for heat and intervals at once. It is never behind the machine's,
// and a caller's step back is passed over: the engine's time does not run backwards.
#pragma once
#include <algorithm>
#include <atomic>

#include "base/env.hpp"

namespace rve::binding {

class CallerClock final : public Clock {
 public:
  explicit CallerClock(double now_ms)
      : machine_(makePosixClock()), origin_ms_(now_ms), origin_ns_(machine_->monotonicNs()) {}

  // What the caller's clock shows, ms since 1970. One thread.
  void tell(double now_ms) {
    const uint64_t passed_ns = machine_->monotonicNs() - origin_ns_;
    const double ahead_ns = (now_ms - origin_ms_) * 1e6 - static_cast<double>(passed_ns);
    const double known_ns = static_cast<double>(ahead_ns_.load(std::memory_order_relaxed));
    if (!(ahead_ns > known_ns)) return;
    ahead_ns_.store(static_cast<uint64_t>(std::min(ahead_ns, kAheadNsMax)),
                    std::memory_order_relaxed);
  }

  int64_t wallMs() override { return machine_->wallMs(); }
  uint64_t monotonicNs() override {
    return machine_->monotonicNs() + ahead_ns_.load(std::memory_order_relaxed);
  }
  // Of no boot: monotonicNs() means nothing to another process.
  BootId bootId() override { return {}; }

 private:
  // Thirty years: longer than heat lasts, and far from the end of 64 bits.
  static constexpr double kAheadNsMax = 1e18;

  std::unique_ptr<Clock> machine_;
  const double origin_ms_;
  const uint64_t origin_ns_;
  std::atomic<uint64_t> ahead_ns_{0};
};

}  // namespace rve::binding
