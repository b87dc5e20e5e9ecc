// Rows of windows in an order that puts near ones near each other, and nothing else about them.
#include "engine/row_order.hpp"

#include <algorithm>

#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kDims = 32, kClusters = 50, kRows = 4000, kWindow = 500;
// The first rows are of another tier.
constexpr uint32_t kWarmRows = 900;

struct Crowd {
  Crowd() : rng(seed()) {
    std::vector<float> centres(kClusters * kDims);
    for (float& x : centres) x = noise(2);
    std::vector<RowRef> all;
    for (uint32_t row = 0; row < kRows; row++) {
      cluster.push_back(static_cast<uint32_t>(rng.below(kClusters)));
      for (uint32_t d = 0; d < kDims; d++) {
        matrix.push_back(centres[cluster[row] * kDims + d] + noise(0.1f));
      }
      rows.push_back({1, row, row < kWarmRows ? Tier::kWarm : Tier::kCold});
    }
    codebook = TierCodebook::train({1, kDims, DistanceKind::kL2, 7}, matrix.data(), kRows);
  }
  float noise(float width) {
    return width * (static_cast<float>(rng.below(2001)) / 1000.0f - 1.0f);
  }
  Status order(uint32_t window, uint32_t threads, std::vector<RowRef>* out) const {
    *out = rows;
    const auto vector_of = [&](const RowRef& ref, float* to) {
      std::copy_n(matrix.data() + size_t{ref.row} * kDims, kDims, to);
      return ref.row != damaged;
    };
    return orderByNearness(*codebook, vector_of, window, threads, [] { return true; }, out);
  }
  // Neighbours in the file that are of one cluster.
  uint32_t pairs(const std::vector<RowRef>& order) const {
    uint32_t same = 0;
    for (size_t i = 1; i < order.size(); i++) {
      same += cluster[order[i].row] == cluster[order[i - 1].row];
    }
    return same;
  }

  SimRng rng;
  std::vector<uint32_t> cluster;
  std::vector<float> matrix;
  std::vector<RowRef> rows;
  std::shared_ptr<const TierCodebook> codebook;
  uint32_t damaged = kWarmRows + 5;
};

std::vector<uint32_t> numbers(const std::vector<RowRef>& rows) {
  std::vector<uint32_t> out;
  for (const RowRef& row : rows) out.push_back(row.row);
  return out;
}

TEST(near_rows_come_to_stand_side_by_side_and_no_row_leaves_its_window) {
  const Crowd crowd;
  std::vector<RowRef> ordered;
  REQUIRE_OK(crowd.order(kWindow, 1, &ordered));
  REQUIRE_EQ(ordered.size(), crowd.rows.size());
  CHECK(crowd.pairs(crowd.rows) < kRows / 10);
  CHECK(crowd.pairs(ordered) > kRows / 2);
  std::vector<uint32_t> got = numbers(ordered), wanted = numbers(crowd.rows);
  // Less than two windows of warm rows stay as they are; those of a window are its own.
  CHECK(std::equal(got.begin(), got.begin() + kWarmRows, wanted.begin()));
  for (uint32_t first = kWarmRows; first < kRows; first += kWindow) {
    const uint32_t end = std::min(kRows, first + kWindow);
    CHECK(std::is_permutation(got.begin() + first, got.begin() + end, wanted.begin() + first));
  }
  for (uint32_t i = 0; i < kRows; i++) CHECK(ordered[i].tier == crowd.rows[i].tier);
}

TEST(the_order_of_rows_is_that_of_one_thread_whatever_their_number) {
  const Crowd crowd;
  std::vector<RowRef> one, three;
  REQUIRE_OK(crowd.order(kWindow, 1, &one));
  REQUIRE_OK(crowd.order(kWindow, 3, &three));
  CHECK(numbers(one) == numbers(three));
}

TEST(rows_stay_as_they_are_without_a_window_and_end_with_the_job) {
  const Crowd crowd;
  std::vector<RowRef> rows;
  REQUIRE_OK(crowd.order(0, 1, &rows));
  CHECK(numbers(rows) == numbers(crowd.rows));
  const auto vector_of = [](const RowRef&, float*) { return false; };
  CHECK(orderByNearness(*crowd.codebook, vector_of, kWindow, 1, [] { return false; }, &rows)
            .code() == Code::kAborted);
  const auto blind = TierCodebook::dataFree({0, kDims, DistanceKind::kL2, 7});
  REQUIRE_OK(orderByNearness(*blind, vector_of, kWindow, 1, [] { return true; }, &rows));
  CHECK(numbers(rows) == numbers(crowd.rows));
}

}  // namespace
}  // namespace rve::test
