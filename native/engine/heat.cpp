#include "engine/heat.hpp"

#include <algorithm>
#include <cmath>
#include <new>

namespace rve {

float HeatScale::at(int64_t moment, uint64_t now_ms) const {
  const double age_ms = static_cast<double>(now_ms) - static_cast<double>(moment);
  if (age_ms <= 0) return 1.0f;
  return static_cast<float>(std::exp2(-age_ms / half_life_ms));
}

int64_t HeatScale::touched(int64_t moment, uint64_t now_ms) const {
  const double heat = at(moment, now_ms);
  const double after = heat + (1.0 - heat) / 4.0;
  const double back_ms = half_life_ms * std::log2(after);  // zero or negative
  return std::max(moment,
                  static_cast<int64_t>(std::llround(static_cast<double>(now_ms) + back_ms)));
}

bool HeatTable::reset(uint32_t rows, int64_t moment) {
  steps_.reset(new (std::nothrow) std::atomic<uint32_t>[rows]);
  rows_ = steps_ == nullptr ? 0 : rows;
  for (uint32_t row = 0; row < rows_; ++row) set(row, moment);
  return steps_ != nullptr;
}

void HeatTable::set(uint32_t row, int64_t moment) {
  // Towards minus infinity, so that a moment before the origin does not gain a step.
  const int64_t steps = moment >= 0 ? moment / kStepMs : -((-moment + kStepMs - 1) / kStepMs);
  const int64_t biased = std::clamp<int64_t>(steps + kBias, 0, UINT32_MAX);
  steps_[row].store(static_cast<uint32_t>(biased), std::memory_order_relaxed);
}

}  // namespace rve
