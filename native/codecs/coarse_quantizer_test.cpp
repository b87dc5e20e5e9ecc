// The lists that a coarse quantizer names against a look at every row.
#include "codecs/coarse_quantizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernels.hpp"
#include "kernels/split_mix.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kDims = 64, kRows = 3000, kQueries = 100, kNearest = 10;

// Rows about forty centres, and queries drawn the same way; all rotated.
struct Cloud {
  Cloud() : random(seed()), rotation(kDims, seed()) {
    std::vector<float> centres(40 * kDims);
    for (float& x : centres) x = static_cast<float>(2 * random.uniform() - 1);
    for (uint32_t i = 0; i < kRows + kQueries; ++i) {
      const float* centre = &centres[random.next() % 40 * kDims];
      std::vector<float> row(kDims);
      for (uint32_t d = 0; d < kDims; ++d) {
        row[d] = centre[d] + static_cast<float>(random.uniform() - 0.5);
      }
      rotated.resize(rotated.size() + padded());
      rotation.apply(row.data(), rotated.data() + rotated.size() - padded());
    }
    quantizer = CoarseQuantizer::train(DistanceKind::kL2, rotation, rotated.data(), kRows, 5);
  }
  uint32_t padded() const { return rotation.paddedDims(); }
  const float* row(uint32_t i) const { return rotated.data() + size_t{i} * padded(); }
  const float* query(uint32_t i) const { return row(kRows + i); }
  std::vector<uint32_t> nearest(const float* query) const {
    std::vector<std::pair<float, uint32_t>> all;
    for (uint32_t i = 0; i < kRows; ++i) {
      all.push_back({kernels().l2F32(query, row(i), padded()), i});
    }
    std::partial_sort(all.begin(), all.begin() + kNearest, all.end());
    std::vector<uint32_t> rows;
    for (uint32_t i = 0; i < kNearest; ++i) rows.push_back(all[i].second);
    return rows;
  }

  SplitMix random;
  Rotation rotation;
  std::vector<float> rotated;
  std::shared_ptr<const CoarseQuantizer> quantizer;
};

TEST(the_lists_near_a_query_hold_what_is_nearest_and_are_few) {
  const Cloud cloud;
  const CoarseQuantizer& quantizer = *cloud.quantizer;
  std::vector<uint32_t> list_of(kRows), lists;
  std::vector<uint32_t> rows_in(quantizer.lists());
  for (uint32_t i = 0; i < kRows; ++i) rows_in[list_of[i] = quantizer.nearest(cloud.row(i))]++;
  uint32_t held = 0;
  uint64_t looked_at = 0;
  for (uint32_t q = 0; q < kQueries; ++q) {
    lists.resize(quantizer.choose(cloud.query(q), &lists));
    CHECK_EQ(lists.front(), quantizer.nearest(cloud.query(q)));
    for (const uint32_t list : lists) looked_at += rows_in[list];
    for (const uint32_t row : cloud.nearest(cloud.query(q))) {
      held += std::find(lists.begin(), lists.end(), list_of[row]) != lists.end();
    }
  }
  CHECK(held > 0.97 * kQueries * kNearest);
  CHECK(looked_at < uint64_t{kQueries} * kRows / 3);
}

TEST(a_quantizer_that_was_stored_chooses_as_before) {
  const Cloud cloud;
  const CoarseQuantizer& quantizer = *cloud.quantizer;
  const auto stored =
      CoarseQuantizer::decode(DistanceKind::kL2, cloud.rotation, quantizer.reach(),
                              quantizer.bytes());
  REQUIRE(stored != nullptr);
  REQUIRE_EQ(stored->lists(), quantizer.lists());
  std::vector<uint32_t> before, after;
  for (uint32_t q = 0; q < kQueries; ++q) {
    const uint32_t chosen = quantizer.choose(cloud.query(q), &before);
    CHECK_EQ(stored->choose(cloud.query(q), &after), chosen);
    CHECK(before == after);
  }
}

TEST(no_quantizer_is_made_of_what_is_not_a_number) {
  const Cloud cloud;
  const Bytes bytes = cloud.quantizer->bytes();
  const auto made = [&](float reach, Bytes centroids) {
    return CoarseQuantizer::decode(DistanceKind::kL2, cloud.rotation, reach, centroids) != nullptr;
  };
  CHECK(made(1, bytes));
  CHECK(!made(0.5f, bytes));
  CHECK(!made(std::numeric_limits<float>::quiet_NaN(), bytes));
  std::vector<std::byte> bad(bytes.begin(), bytes.end());
  const float infinite = std::numeric_limits<float>::infinity();
  std::memcpy(bad.data() + 400, &infinite, 4);
  CHECK(!made(1, bad));
}

TEST(rows_that_are_all_alike_have_their_list_chosen) {
  const Rotation rotation(kDims, 3);
  const std::vector<float> same(size_t{200} * rotation.paddedDims(), 0.25f);
  const auto quantizer =
      CoarseQuantizer::train(DistanceKind::kCosine, rotation, same.data(), 200, 1);
  std::vector<uint32_t> lists;
  lists.resize(quantizer->choose(same.data(), &lists));
  CHECK(std::find(lists.begin(), lists.end(), quantizer->nearest(same.data())) != lists.end());
  CHECK(quantizer->reach() >= 1);
}

}  // namespace
}  // namespace rve::test
