// SplitMix64 (Steele, Lea & Flood 2014): a seed in, the same stream of u64 on every machine out.
// For what must be repeatable from a stored seed (rotation signs, graph levels); not for secrets.
#pragma once
#include <cstdint>

namespace rve {

// One output by position: a stateless hash of its argument.
constexpr uint64_t splitMix(uint64_t state) {
  uint64_t z = state + 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

class SplitMix {
 public:
  explicit constexpr SplitMix(uint64_t seed) : state_(seed) {}
  constexpr uint64_t next() {
    const uint64_t out = splitMix(state_);
    state_ += 0x9E3779B97F4A7C15ull;
    return out;
  }
  // Uniform in [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

}  // namespace rve
