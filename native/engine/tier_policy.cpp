#include "engine/tier_policy.hpp"

#include <algorithm>
#include <cmath>

namespace rve {
namespace {

constexpr float kBinsPerHalving = 8.0f;
constexpr float kPromotionMax = 0.99f;  // Heat ends at 1: a bound above it could never be passed.

Tier tierOf(uint32_t number) { return static_cast<Tier>(number); }
uint32_t numberOf(Tier tier) { return static_cast<uint32_t>(tier); }

// Bins below 0 are shares above 1.
float heatOfBin(int bin) { return std::exp2(-static_cast<float>(bin) / kBinsPerHalving); }

}  // namespace

Tier lowestTier(Profile profile) {
  switch (profile) {
    case Profile::kPrecise: return Tier::kWarm;
    case Profile::kBalanced: return Tier::kCool;
    case Profile::kEdge: return Tier::kArchive;
  }
  return Tier::kArchive;
}

uint32_t heatBin(float heat) {
  if (!(heat > 0)) return kHeatBins - 1;
  const float bin = -std::log2(std::min(heat, 1.0f)) * kBinsPerHalving;
  return static_cast<uint32_t>(std::min(bin, static_cast<float>(kHeatBins - 1)));
}

uint32_t heatBin(const HeatScale& scale, int64_t moment, uint64_t now_ms) {
  const double age_ms = static_cast<double>(now_ms) - static_cast<double>(moment);
  const double bin = age_ms / scale.half_life_ms * double{kBinsPerHalving};
  return static_cast<uint32_t>(std::clamp(bin, 0.0, static_cast<double>(kHeatBins - 1)));
}

Tier TierPolicy::fresh(float heat) const {
  const float h = heat * share_;
  uint32_t tier = 0;
  while (tier < numberOf(lowest_) && h < bounds_.lower[tier]) ++tier;
  return tierOf(tier);
}

Tier TierPolicy::next(Tier now, float heat) const {
  const float h = heat * share_;
  uint32_t tier = std::min(numberOf(now), numberOf(lowest_));
  // A tier's upper bound is the lower bound of the one above it.
  while (tier > 0) {
    const float bound = bounds_.lower[tier - 1];
    // Never above what fresh() would choose: a share that the budget took stays taken.
    if (h < bound || h <= std::min(kPromotionMax * share_, bounds_.promotion * bound)) break;
    --tier;
  }
  while (tier < numberOf(lowest_) && h < bounds_.demotion * bounds_.lower[tier]) ++tier;
  return tierOf(tier);
}

float TierPolicy::shareFor(const HeatHistogram& heats, std::span<const double, kTierCount> bytes_of,
                           double budget, bool fills) const {
  double rows[kHeatBins];
  float heat[kHeatBins];
  size_t used = 0;
  for (uint32_t bin = 0; bin < kHeatBins; ++bin) {
    if (heats[bin] == 0) continue;
    rows[used] = static_cast<double>(heats[bin]);
    heat[used++] = heatOfBin(static_cast<int>(bin));
  }
  TierPolicy trial(bounds_, lowest_);
  const auto bytesAt = [&](float share) {
    trial.setShare(share);
    double bytes = 0;
    for (size_t i = 0; i < used; ++i) bytes += rows[i] * bytes_of[numberOf(trial.fresh(heat[i]))];
    return bytes;
  };
  constexpr int kLowest = static_cast<int>(kHeatBins);
  const int highest = fills ? -kLowest : 0;
  if (used == 0) return 1.0f;
  if (bytesAt(heatOfBin(highest)) <= budget) return heatOfBin(highest);
  // Bytes never grow as the share falls, so the border is found by halving, in bins.
  int fits = kLowest, over = highest;
  while (fits - over > 1) {
    const int middle = (fits + over + 2 * kLowest) / 2 - kLowest;  // rounded down below 0 too
    (bytesAt(heatOfBin(middle)) <= budget ? fits : over) = middle;
  }
  return heatOfBin(fits);
}

}  // namespace rve
