// What the tests of this room share. The records are written here by a plain 4-bit encoder, since
// graph/ may not use codecs/: squared distance of vectors on a fixed grid.
#pragma once
#include <algorithm>
#include <vector>

#include "graph/audit.hpp"
#include "graph/builder.hpp"
#include "graph/search.hpp"
#include "graph/view.hpp"
#include "kernels/split_mix.hpp"
#include "test/test.hpp"

namespace rve::graph_test {

inline constexpr uint32_t kDims = 64;

// Codes 0..15 a dimension stand for the vector code - 7.5; distances between rows are then exact.
struct Grid {
  std::vector<std::byte> records;
  uint32_t rows = 0;

  static constexpr size_t kStride = navRecordBytes(kDims);

  void add(const uint8_t* code) {
    records.resize(records.size() + kStride);
    const MutableBytes record{records.data() + rows * kStride, kStride};
    float norm2 = 0;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < kDims; ++i) {
      const float x = static_cast<float>(code[i]) - 7.5f;
      norm2 += x * x;
      sum += code[i];
    }
    for (uint32_t i = 0; i < kDims / 2; ++i) {
      record[i] = static_cast<std::byte>(code[i] | (code[kDims / 2 + i] << 4));
    }
    store(record, kDims / 2, NavFactors{norm2, -2.0f, sum, 0});
    ++rows;
  }

  void addCopy(const Grid& from, uint32_t row) {
    records.insert(records.end(), from.records.begin() + static_cast<long>(row * kStride),
                   from.records.begin() + static_cast<long>((row + 1) * kStride));
    ++rows;
  }

  NavSpace space() const { return {records.data(), rows, kDims, 0.0f, -0.5f}; }
};

// Clusters in 8 latent dimensions, as embeddings of a machine's states would lie.
inline Grid clustered(SplitMix& random, uint32_t rows) {
  constexpr uint32_t kLatent = 8;
  std::vector<double> basis(kLatent * kDims);
  for (double& x : basis) x = random.uniform() * 2 - 1;
  std::vector<double> centres(20 * kLatent);
  for (double& x : centres) x = random.uniform() * 3 - 1.5;
  Grid grid;
  for (uint32_t row = 0; row < rows; ++row) {
    const double* centre = centres.data() + random.next() % 20 * kLatent;
    double latent[kLatent];
    for (uint32_t j = 0; j < kLatent; ++j) latent[j] = centre[j] + random.uniform() * 2 - 1;
    uint8_t code[kDims];
    for (uint32_t i = 0; i < kDims; ++i) {
      double x = 7.5 + random.uniform();
      for (uint32_t j = 0; j < kLatent; ++j) x += latent[j] * basis[j * kDims + i];
      code[i] = static_cast<uint8_t>(std::clamp(x, 0.0, 15.0));
    }
    grid.add(code);
  }
  return grid;
}

inline LargeBytes build(const NavSpace& space, const GraphParams& params) {
  GraphBuilder builder;
  CHECK_OK(builder.begin(space, params));
  while (!builder.done()) builder.step(97, nullptr);
  return builder.finish();
}

inline GraphView open(const LargeBytes& graph) {
  GraphView view;
  CHECK_OK(GraphView::open(graph.view(), &view));
  return view;
}

struct Answer {
  std::vector<Scored> rows;
  GraphSearchStats stats;
};

inline Answer search(const GraphView& view, const NavSpace& space, const NavQueryView& query,
              const GraphSearchParams& params) {
  GraphScratch scratch;
  CHECK_OK(scratch.reserve(view.rows(), params.poolMax()));
  Answer out;
  out.rows.resize(params.ef);
  out.rows.resize(
      searchGraph(view, space, query, params, &scratch, out.rows.data(), &out.stats));
  return out;
}

struct EvenRows {
  static bool accept(const void*, uint32_t row) { return row % 2 == 0; }
};

// Share of the 10 nearest accepted rows that a search finds; rows of the grid are the queries.
inline double recall(const GraphView& view, const NavSpace& space,
                     const GraphSearchParams& params) {
  std::vector<int8_t> values(kDims);
  size_t found = 0;
  size_t wanted = 0;
  for (uint32_t q = 0; q < space.rows; q += space.rows / 100) {
    const NavQueryView query = navQueryFromRow(space, q, values.data());
    TopRows top;
    top.reset(10);
    CHECK_EQ(scanRecords(space, query, 0, space.rows, params.filter, {}, &top), 0u);
    const float farthest = top.sorted().back().distance;
    const Answer answer = search(view, space, query, params);
    // By distance, not by id: rows at equal distance are equally right.
    for (size_t i = 0; i < answer.rows.size() && i < 10; ++i) {
      found += answer.rows[i].distance <= farthest;
    }
    wanted += top.size();
  }
  return static_cast<double>(found) / static_cast<double>(wanted);
}

inline GraphSearchParams withEf(uint32_t ef) {
  GraphSearchParams params;
  params.ef = ef;
  return params;
}

struct Pages {
  std::vector<std::atomic<uint64_t>> verified = std::vector<std::atomic<uint64_t>>(64);
  std::vector<uint32_t> asked = std::vector<uint32_t>(64 * 64);
  std::vector<uint8_t> fetched = std::vector<uint8_t>(64 * 64);
  uint32_t waited_for = 0;  // pages that were touched before anybody had them read
  uint64_t bad = ~uint64_t{0};

  static void fetch(void* context, uint64_t page, uint64_t count) {
    for (uint64_t p = page; p < page + count; ++p) static_cast<Pages*>(context)->fetched[p] = 1;
  }
  static bool verify(void* context, uint64_t page, uint64_t count) {
    auto* self = static_cast<Pages*>(context);
    for (uint64_t p = page; p < page + count; ++p) {
      ++self->asked[p];
      self->waited_for += self->fetched[p] == 0;
      if (p == self->bad) return false;
      self->verified[p / 64].fetch_or(uint64_t{1} << (p % 64), std::memory_order_release);
    }
    return true;
  }
  PageGuard guard(uint64_t offset) { return {verified.data(), verify, fetch, this, offset}; }
};

}  // namespace rve::graph_test
