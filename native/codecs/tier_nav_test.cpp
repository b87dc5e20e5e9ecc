// TierNav against TierCodec, on seeded random data.
#include <cmath>
#include <limits>
#include <vector>

#include "codecs/tier_nav.hpp"
#include "kernels/split_mix.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

constexpr DistanceKind kKinds[] = {DistanceKind::kCosine, DistanceKind::kL2, DistanceKind::kIp};

float gaussian(SplitMix& random) {
  double sum = -6;
  for (int part = 0; part < 12; ++part) sum += random.uniform();
  return static_cast<float>(sum);
}

struct Choice {
  Tier tier;
  float bits;
};
// Every kind of grid: looked up with and without fine coordinates, by a third plane, and beyond.
constexpr Choice kChoices[] = {{Tier::kWarm, 0},    {Tier::kCool, 8},    {Tier::kCool, 6.5f},
                               {Tier::kCool, 4.5f}, {Tier::kCold, 4.5f}, {Tier::kCold, 4},
                               {Tier::kCold, 3},    {Tier::kCold, 2.3f}, {Tier::kArchive, 0}};

// Rows about ten centres; the last one is the query. Records of a codec for all but that.
struct Case {
  std::shared_ptr<const TierCodebook> book;
  TierCodec codec;
  std::vector<float> query;
  std::vector<std::vector<std::byte>> records;
  std::vector<const std::byte*> at;

  static std::vector<float> draw(SplitMix& random, DistanceKind kind, uint32_t dims, size_t rows,
                                 float scale) {
    std::vector<float> centres(size_t{10} * dims);
    for (float& x : centres) x = 0.5f + gaussian(random);
    std::vector<float> out(rows * dims);
    for (size_t row = 0; row < rows; ++row) {
      const size_t centre = random.next() % 10;
      double norm2 = 0;
      for (uint32_t i = 0; i < dims; ++i) {
        float& x = out[row * dims + i];
        x = scale * (centres[centre * dims + i] + 0.6f * gaussian(random));
        norm2 += double{x} * x;
      }
      if (kind != DistanceKind::kCosine) continue;
      const auto norm = static_cast<float>(std::sqrt(norm2));
      for (uint32_t i = 0; i < dims; ++i) out[row * dims + i] /= norm;
    }
    return out;
  }

  static std::shared_ptr<const TierCodebook> train(const std::vector<float>& rows,
                                                   DistanceKind kind, uint32_t dims) {
    return TierCodebook::train({.id = 1, .dims = dims, .kind = kind, .seed = 9}, rows.data(),
                               rows.size() / dims - 1);
  }

  Case(const std::vector<float>& rows, std::shared_ptr<const TierCodebook> of,
       const Choice& choice)
      : book(std::move(of)),
        codec(book, choice.tier, choice.bits),
        query(rows.end() - book->dims(), rows.end()) {
    const uint32_t dims = book->dims();
    std::vector<float> rotated(book->paddedDims());
    for (size_t row = 0; row + 1 < rows.size() / dims; ++row) {
      const float* x = rows.data() + row * dims;
      book->rotation().apply(x, rotated.data());
      records.emplace_back(codec.recordBytes());
      codec.encode(x, rotated.data(), records.back().data());
      at.push_back(records.back().data());
    }
  }

  void prepare(TierNavQuery* out) const { prepare(query.data(), out); }

  void prepare(const float* q, TierNavQuery* out) const {
    std::vector<float> rotated(book->paddedDims());
    book->rotation().apply(q, rotated.data());
    prepareTierNavQuery(*book, q, rotated.data(), out);
  }
};

TEST(full_distances_are_those_of_the_codec_within_the_stated_bound) {
  SplitMix random(test::seed());
  TierNavQuery query;
  for (const DistanceKind kind : kKinds) {
    for (const uint32_t dims : {5u, 40u, 100u, 128u, 264u, 784u}) {
      const std::vector<float> rows = Case::draw(random, kind, dims, 120, 1);
      const auto book = Case::train(rows, kind, dims);
      for (const Choice& choice : kChoices) {
        const Case c(rows, book, choice);
        c.prepare(&query);
        const TierNav nav(c.codec);
        std::vector<float> got(c.at.size());
        nav.fullDistances(&query, c.at.data(), c.at.size(), got.data());
        for (size_t i = 0; i < c.at.size(); ++i) {
          const float want = c.codec.distance(&query.exact, c.at[i]);
          // A hundredth of the record's own bound, and the rounding of float sums.
          const float bound = 0.01f * c.codec.errorBound(&query.exact, c.at[i]);
          CHECK(std::abs(got[i] - want) <= bound + 2e-5f * (1 + std::abs(want)));
        }
      }
    }
  }
}

// What the walk's distances were off by, beside what they said: sums over queries and records. The
// errors of one query have a common part where the query is rounded, and the few largest of its
// coordinates carry most of that, so one query alone says little about the deviation.
struct Deviation {
  double off2 = 0;
  double off_sum = 0;
  double said2 = 0;
  double n = 0;

  void add(const Case& c, const TierNav& nav, TierNavQuery* query) {
    std::vector<float> got(c.at.size());
    nav.navDistances(query, c.at.data(), c.at.size(), got.data());
    for (size_t i = 0; i < c.at.size(); ++i) {
      const double off = double{got[i]} - c.codec.distance(&query->exact, c.at[i]);
      const double said = nav.navDeviation(*query, c.at[i]);
      off2 += off * off;
      off_sum += off;
      said2 += said * said + 1e-10 * (1 + double{got[i]} * got[i]);
      n += 1;
    }
  }
};

TEST(navigation_distances_are_unbiased_and_deviate_as_much_as_they_say) {
  constexpr size_t kQueries = 16;
  SplitMix random(test::seed());
  TierNavQuery query;
  for (const DistanceKind kind : kKinds) {
    for (const uint32_t dims : {128u, 264u, 784u}) {
      // The first rows are the queries: no record is made of them.
      const std::vector<float> all = Case::draw(random, kind, dims, kQueries + 101, 1);
      const std::vector<float> rows(all.begin() + kQueries * dims, all.end());
      const auto book = Case::train(rows, kind, dims);
      for (const Choice& choice : kChoices) {
        const Case c(rows, book, choice);
        for (const NavDepth depth : {NavDepth::kWhole, NavDepth::kLeading}) {
          const TierNav nav(c.codec, depth);
          CHECK(nav.navBytes() <= c.codec.recordBytes());
          Deviation sum;
          for (size_t i = 0; i < kQueries; ++i) {
            c.prepare(all.data() + i * dims, &query);
            sum.add(c, nav, &query);
          }
          CHECK(sum.off2 < 1.6 * 1.6 * sum.said2);
          CHECK(std::abs(sum.off_sum / sum.n) < 0.3 * std::sqrt(sum.said2 / sum.n));
        }
      }
    }
  }
}

TEST(the_leading_planes_of_a_finer_code_find_more_than_an_archive_code) {
  SplitMix random(20260401);
  const std::vector<float> rows = Case::draw(random, DistanceKind::kL2, 128, 400, 1);
  const auto book = Case::train(rows, DistanceKind::kL2, 128);
  TierNavQuery query;
  double last = std::numeric_limits<double>::max();
  for (const Choice& choice : {Choice{Tier::kArchive, 0}, Choice{Tier::kCool, 8}}) {
    const Case c(rows, book, choice);
    c.prepare(&query);
    std::vector<float> got(c.at.size());
    const TierNav nav(c.codec, NavDepth::kLeading);
    nav.navDistances(&query, c.at.data(), c.at.size(), got.data());
    double error2 = 0;
    for (size_t i = 0; i < c.at.size(); ++i) {
      double exact = 0;
      for (uint32_t j = 0; j < 128; ++j) {
        const double off = double{rows[i * 128 + j]} - c.query[j];
        exact += off * off;
      }
      error2 += (got[i] - exact) * (got[i] - exact);
    }
    CHECK(error2 < 0.5 * last);
    last = error2;
  }
}

TEST(any_bytes_at_any_address_have_the_distance_of_their_codec_or_none) {
  SplitMix random(test::seed());
  TierNavQuery query;
  for (const DistanceKind kind : kKinds) {
    for (const uint32_t dims : {1u, 8u, 60u, 136u, 400u}) {
      const std::vector<float> rows = Case::draw(random, kind, dims, 70, 1);
      const auto book = Case::train(rows, kind, dims);
      for (const Choice& choice : kChoices) {
        const Case c(rows, book, choice);
        c.prepare(&query);
        const TierNav nav(c.codec);
        for (int turn = 0; turn < 20; ++turn) {
          // Ends with its buffer: a sanitizer sees a read beyond.
          std::vector<std::byte> bytes(c.codec.recordBytes() + 1);
          for (std::byte& b : bytes) b = static_cast<std::byte>(random.next());
          const std::byte* record = bytes.data() + 1;
          float got;
          nav.navDistances(&query, &record, 1, &got);
          nav.fullDistances(&query, &record, 1, &got);
          const float want = c.codec.distance(&query.exact, record);
          if (!std::isfinite(want) || !std::isfinite(got)) continue;
          const float bound = 0.01f * c.codec.errorBound(&query.exact, record);
          CHECK(std::abs(got - want) <= bound + 1e-4f * (1 + std::abs(want)));
        }
      }
    }
  }
}

TEST(warm_distances_hold_where_squares_leave_the_range_of_floats) {
  SplitMix random(test::seed());
  TierNavQuery query;
  for (const float scale : {1e-30f, 1e-12f, 1e12f, 1e17f}) {
    const std::vector<float> rows = Case::draw(random, DistanceKind::kL2, 24, 20, scale);
    const Case c(rows, Case::train(rows, DistanceKind::kL2, 24), {Tier::kWarm, 0});
    c.prepare(&query);
    std::vector<float> got(c.at.size());
    TierNav(c.codec).navDistances(&query, c.at.data(), c.at.size(), got.data());
    for (size_t i = 0; i < c.at.size(); ++i) {
      const float want = c.codec.distance(&query.exact, c.at[i]);
      CHECK(got[i] == want || std::abs(got[i] - want) <= 1e-5f * want);
    }
  }
}

TEST(a_zero_query_has_a_distance_to_every_record) {
  SplitMix random(test::seed());
  std::vector<float> rows = Case::draw(random, DistanceKind::kL2, 64, 5, 1);
  std::fill(rows.end() - 64, rows.end(), 0.0f);
  const auto book = Case::train(rows, DistanceKind::kL2, 64);
  TierNavQuery query;
  for (const Choice& choice : kChoices) {
    const Case c(rows, book, choice);
    c.prepare(&query);
    std::vector<float> got(c.at.size());
    TierNav(c.codec).navDistances(&query, c.at.data(), c.at.size(), got.data());
    for (const float d : got) CHECK(std::isfinite(d));
  }
}

}  // namespace
}  // namespace rve
