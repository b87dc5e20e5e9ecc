// Heat and the choice of tiers: pure functions of numbers.
#include "engine/tier_policy.hpp"

#include <cmath>

#include "engine/heat.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

constexpr uint64_t kHourMs = 3'600'000;

TEST(heat_halves_with_each_half_life_and_needs_no_write_for_it) {
  const HeatScale scale{static_cast<double>(kHourMs)};
  const int64_t moment = HeatScale::arrived(10 * kHourMs);
  CHECK_EQ(scale.at(moment, 10 * kHourMs), 1.0f);
  CHECK(std::fabs(scale.at(moment, 11 * kHourMs) - 0.5f) < 1e-6f);
  CHECK(std::fabs(scale.at(moment, 13 * kHourMs) - 0.125f) < 1e-6f);
  CHECK_EQ(scale.at(moment, 9 * kHourMs), 1.0f);  // a clock that stood still cannot heat
}

TEST(an_access_adds_a_quarter_of_what_is_missing) {
  const HeatScale scale{static_cast<double>(kHourMs)};
  for (const float before : {0.0001f, 0.1f, 0.5f, 0.9f}) {
    const uint64_t now = 100 * kHourMs;
    const auto moment = static_cast<int64_t>(now + scale.half_life_ms * std::log2(before));
    const float after = scale.at(scale.touched(moment, now), now);
    CHECK(std::fabs(after - (before + (1 - before) / 4)) < 1e-4f);
  }
  CHECK(scale.touched(500, 400) >= 500);
}

TEST(a_heat_table_keeps_each_rows_moment_within_a_step_even_before_the_origin) {
  HeatTable table;
  REQUIRE(table.reset(5, 1'000'000));
  CHECK_EQ(table.rows(), 5u);
  const int64_t moments[] = {0, 1, -1, -123'456'789, 400'000'000'000};
  for (uint32_t row = 0; row < 5; ++row) table.set(row, moments[row]);
  for (uint32_t row = 0; row < 5; ++row) {
    CHECK(table.moment(row) <= moments[row]);
    CHECK(table.moment(row) > moments[row] - HeatTable::kStepMs);
  }
  table.set(0, INT64_MIN / 2);
  table.set(1, INT64_MAX / 2);
  CHECK(table.moment(0) < table.moment(1));
  const HeatScale scale;
  table.set(2, 0);
  table.touch(2, scale, 100 * kHourMs);
  CHECK(scale.at(table.moment(2), 100 * kHourMs) > 0.24f);
}

TEST(a_fresh_record_goes_where_its_heat_says_and_no_lower_than_the_profile) {
  const TierPolicy edge(TierBounds{}, lowestTier(Profile::kEdge));
  CHECK(edge.fresh(1.0f) == Tier::kHot);
  CHECK(edge.fresh(0.79f) == Tier::kWarm);
  CHECK(edge.fresh(0.39f) == Tier::kCool);
  CHECK(edge.fresh(0.09f) == Tier::kCold);
  CHECK(edge.fresh(0.0f) == Tier::kArchive);
  CHECK(TierPolicy(TierBounds{}, lowestTier(Profile::kBalanced)).fresh(0.0f) == Tier::kCool);
  CHECK(TierPolicy(TierBounds{}, lowestTier(Profile::kPrecise)).fresh(0.0f) == Tier::kWarm);
}

TEST(between_the_bounds_a_record_stays_where_it_is) {
  const TierPolicy policy(TierBounds{}, Tier::kArchive);
  for (const float heat : {0.41f, 0.5f, 0.79f}) CHECK(policy.next(Tier::kHot, heat) == Tier::kHot);
  CHECK(policy.next(Tier::kHot, 0.39f) == Tier::kWarm);  // half of 0.8 passed, half of 0.4 not
  for (const float heat : {0.21f, 0.8f, 0.98f}) {
    CHECK(policy.next(Tier::kWarm, heat) == Tier::kWarm);
  }
  CHECK(policy.next(Tier::kWarm, 0.995f) == Tier::kHot);
  CHECK(policy.next(Tier::kCool, 0.59f) == Tier::kCool);
  CHECK(policy.next(Tier::kCool, 0.61f) == Tier::kWarm);
  CHECK(policy.next(Tier::kArchive, 1.0f) == Tier::kHot);
  CHECK(policy.next(Tier::kHot, 0.0f) == Tier::kArchive);
  // Where it goes it stays: no heat moves a record twice.
  for (uint32_t now = 0; now < kTierCount; ++now) {
    for (float heat = 1.0f; heat > 1e-4f; heat *= 0.97f) {
      const Tier next = policy.next(static_cast<Tier>(now), heat);
      CHECK(policy.next(next, heat) == next);
    }
  }
}

TEST(a_budget_keeps_the_hottest_precise_and_is_kept) {
  const std::array<double, kTierCount> bytes{512, 258, 136, 72, 24};
  HeatHistogram heats{};
  double rows = 0;
  for (uint32_t bin = 0; bin < 100; ++bin) {
    heats[bin] = 1000;
    rows += 1000;
  }
  TierPolicy policy(TierBounds{}, Tier::kArchive);
  float last_share = 2.0f;
  for (const double ratio : {1.0, 0.30, 0.17, 0.11, 0.07}) {
    const double budget = ratio * 512 * rows;
    const float share = policy.shareFor(heats, bytes, budget, false);
    policy.setShare(share);
    double total = 0;
    Tier before = Tier::kHot;
    for (uint32_t bin = 0; bin < 100; ++bin) {
      const Tier tier = policy.fresh(std::exp2(-static_cast<float>(bin) / 8.0f));
      CHECK(tier >= before);
      before = tier;
      total += 1000 * bytes[static_cast<size_t>(tier)];
    }
    CHECK(total <= budget);
    CHECK(share <= last_share);
    last_share = share;
  }
  // Where all would fit, a budget that is to be filled reaches down the scale.
  CHECK_EQ(policy.shareFor(heats, bytes, 1000 * rows, false), 1.0f);
  policy.setShare(policy.shareFor(heats, bytes, 1000 * rows, true));
  CHECK(policy.fresh(1e-4f) == Tier::kHot);
  policy.setShare(policy.shareFor(heats, bytes, 0.9 * 512 * rows, true));
  CHECK(policy.share() > 1.0f);
  CHECK(policy.fresh(1.0f) == Tier::kHot);
  // No share fits: the smallest, not an endless search.
  CHECK(policy.shareFor(heats, bytes, 1.0, false) > 0.0f);
  CHECK_EQ(policy.shareFor(HeatHistogram{}, bytes, 0.0, true), 1.0f);
}

}  // namespace
}  // namespace rve
