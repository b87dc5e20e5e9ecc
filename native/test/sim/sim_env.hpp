// Simulated clock and random numbers: what happens is a function of the seed alone.
#pragma once
#include <cstdint>

#include "base/env.hpp"

namespace rve::test {

// splitmix64 (Steele, Lea, Flood 2014): full period, every seed is good, one multiply chain a
// number.
class SimRng final : public Rng {
 public:
  explicit SimRng(uint64_t seed) : state_(seed) {}
  uint64_t next() override {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound). The bias of the remainder (below bound / 2^64) does not matter to tests.
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  // True in `percent` of 100 calls.
  bool chance(uint32_t percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

// Moves only when told to.
class SimClock final : public Clock {
 public:
  int64_t wallMs() override { return wall_ms_; }
  uint64_t monotonicNs() override { return monotonic_ns_; }
  void advanceMs(uint64_t ms) {
    wall_ms_ += static_cast<int64_t>(ms);
    monotonic_ns_ += ms * 1'000'000;
  }
  void stepWallMs(int64_t ms) { wall_ms_ += ms; }

 private:
  int64_t wall_ms_ = 1'700'000'000'000;
  uint64_t monotonic_ns_ = 5'000'000'000;
};

}  // namespace rve::test
