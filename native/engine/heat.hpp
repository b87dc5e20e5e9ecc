// Heat: how often a record is asked for, as a decayed access frequency in 0..1 (DESIGN.md section
// 7).
//
// With half-life T it decays as h(t) = h(t0) 2^(-(t - t0) / T); an access adds a quarter of what is
// missing: h <- h + (1 - h) / 4. Since all records share T, the moment z at which the curve passes
// 1,
//   z = t + T log2 h(t),    h(t) = 2^((z - t) / T),
// does not move while time passes: one number a record, and decay writes nothing.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace rve {

// Milliseconds of active time (the logical clock of group headers, which never runs backwards).
struct HeatScale {
  double half_life_ms = 3'600'000;

  // Of a record that arrives now: arrival is an access that finds everything missing.
  static int64_t arrived(uint64_t now_ms) { return static_cast<int64_t>(now_ms); }
  // Heat in 0..1 of `moment` at `now_ms`.
  float at(int64_t moment, uint64_t now_ms) const;
  // The moment after an access at `now_ms`. Never earlier than `moment`.
  int64_t touched(int64_t moment, uint64_t now_ms) const;
};

// The moments of the rows of one segment. 4 bytes a row: 256 ms steps from a base, which reaches 34
// years. Any thread may touch or read; of two touches at once one may be lost, which heat can bear.
class HeatTable {
 public:
  static constexpr int64_t kStepMs = 256;

  // All rows as old as the segment's base moment. False: no memory.
  [[nodiscard]] bool reset(uint32_t rows, int64_t moment);
  uint32_t rows() const { return rows_; }
  int64_t moment(uint32_t row) const {
    return (static_cast<int64_t>(steps_[row].load(std::memory_order_relaxed)) - kBias) * kStepMs;
  }
  void set(uint32_t row, int64_t moment);
  // In the file: steps of 65,536 ms, a fiftieth of the usual half-life.
  static uint64_t storedOf(int64_t moment) {
    return static_cast<uint64_t>(std::max(int64_t{0}, (moment >> kStoredShift) + kStoredBias));
  }
  static int64_t momentOfStored(uint64_t stored) {
    return (static_cast<int64_t>(stored & 0xFFFFFFFF) - kStoredBias) * (int64_t{1} << kStoredShift);
  }
  // What is nearly at its hottest is left alone: most touches then cost one load.
  void touch(uint32_t row, const HeatScale& scale, uint64_t now_ms) {
    const int64_t before = moment(row);
    const double age_ms = static_cast<double>(now_ms) - static_cast<double>(before);
    if (age_ms < scale.half_life_ms * kFreshShare) return;
    set(row, scale.touched(before, now_ms));
  }

 private:
  static constexpr double kFreshShare = 1.0 / 64;  // of a half-life: heat above 0.989
  // Moments before the memory began (a record that was cold from the start) are negative.
  static constexpr int64_t kBias = int64_t{1} << 30;
  static constexpr int kStoredShift = 16;
  static constexpr int64_t kStoredBias = kBias * kStepMs >> kStoredShift;
  uint32_t rows_ = 0;
  std::unique_ptr<std::atomic<uint32_t>[]> steps_;
};

}  // namespace rve
