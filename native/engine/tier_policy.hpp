// Which tier a record belongs in, by its heat, and how a byte budget moves the bounds (DESIGN.md
// section 7).
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "codecs/tier.hpp"
#include "engine/heat.hpp"
#include "rve/engine.hpp"

namespace rve {

Tier lowestTier(Profile profile);

struct TierBounds {
  // A record of at least this heat belongs in hot, warm, cool, cold; below the last: archive.
  // Falling.
  std::array<float, kTierCount - 1> lower{0.8f, 0.4f, 0.1f, 0.01f};
  // Leaves a tier upwards above this times the tier's upper bound (at most 0.99).
  float promotion = 1.5f;
  float demotion = 0.5f;   // leaves it downwards below this times its lower bound
};

// Heat is looked at in bins of one eighth of a halving: 2^(-bin / 8) and colder. The last bin takes
// the rest.
inline constexpr uint32_t kHeatBins = 256;
using HeatHistogram = std::array<uint64_t, kHeatBins>;
uint32_t heatBin(float heat);
uint32_t heatBin(const HeatScale& scale, int64_t moment, uint64_t now_ms);

class TierPolicy {
 public:
  TierPolicy() : TierPolicy(TierBounds(), Tier::kArchive) {}
  TierPolicy(const TierBounds& bounds, Tier lowest) : bounds_(bounds), lowest_(lowest) {}

  // Where a record of this heat goes that stands in `now`: `now` itself within the dead band
  // between the bounds, so that a record at a border does not travel back and forth.
  Tier next(Tier now, float heat) const;
  // Where one goes that stands nowhere yet.
  Tier fresh(float heat) const;

  // Makes every heat count as `share` times itself: below 1 the colder end of the scale moves up
  // into the memory, above 1 the finer tiers reach down.
  void setShare(float share) { share_ = share; }
  float share() const { return share_; }

  // The largest share at which records of these heats, each in its fresh tier, take at most
  // `budget` bytes; the smallest there is where none does. bytes_of: bytes a record in each tier.
  // At most 1, or, if it `fills` the budget, as large as that allows.
  // Cost: some 10 additions a bin that is in use.
  float shareFor(const HeatHistogram& heats, std::span<const double, kTierCount> bytes_of,
                 double budget, bool fills) const;

 private:
  TierBounds bounds_;
  Tier lowest_;
  float share_ = 1.0f;
};

}  // namespace rve
