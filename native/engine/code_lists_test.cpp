// Rows that wait for their graph in lists: found as well as by a look at every row, and what a
// foreign file says of lists.
#include "engine/code_lists.hpp"

#include "engine/live_state.hpp"
#include "engine/test_kit.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kRows = 3000, kDims = 32;

// All rows sealed, none linked; by `each` a freeze.
struct Waiting : TestStore {
  explicit Waiting(uint32_t lists_from, Metric metric = Metric::kL2)
      : TestStore(metric, kDims, seed()) {
    options.tuning.code_list_rows = lists_from;
  }
  Status fill(uint32_t each) {
    RVE_TRY(open());
    for (uint32_t rows = 0; rows < kRows; rows += each) {
      RVE_TRY(insert(each, "pump"));
      RVE_TRY(job(Job::kFreeze));
    }
    return {};
  }
  double recall(const Filter& filter, float wanted, uint32_t queries = 40) {
    double found = 0, all = 0;
    for (uint32_t q = 0; q < queries; q++) {
      QueryRequest request;
      request.vectors = randomVector();
      request.k = 10;
      request.recall = wanted;
      request.filter = filter;
      QueryResult result;
      CHECK_OK(engine->query(request, nullptr, &result));
      CHECK(!result.degraded);
      const auto truth = refQuery(reference, options.metric, request.vectors, 10, filter);
      for (const int64_t id : truth) {
        all++;
        found += static_cast<double>(std::count(result.ids.begin(), result.ids.end(), id));
      }
    }
    return found / all;
  }
};

TEST(rows_that_wait_in_lists_are_found) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    Waiting s(500, metric);
    REQUIRE_OK(s.fill(1000));
    CHECK(s.recall({}, 0) > 0.97);
    std::vector<uint64_t> dead;
    for (uint64_t id = 0; id < kRows; id += 3) dead.push_back(id);
    REQUIRE_OK(s.forget(dead));
    CHECK(s.recall({}, 0) > 0.97);
    CHECK_EQ(s.differs(1e-5f), "");
    s.crash();
    REQUIRE_OK(s.open());
    CHECK(s.recall({}, 0) > 0.97);
    CHECK_EQ(s.differs(1e-5f), "");
    REQUIRE_OK(s.job(Job::kLink));
    CHECK(s.recall({}, 0) > 0.97);
  }
}

// A filter, and a recall that the near lists do not hold, take in all lists.
TEST(a_filter_or_a_high_recall_looks_into_every_list) {
  Waiting s(500);
  REQUIRE_OK(s.fill(1000));
  Filter filter;
  filter.labels = {"idle", "busy"};
  CHECK(s.recall(filter, 0) > 0.995);
  CHECK(s.recall({}, 0.999f) > 0.995);
}

// Near the query are 40 rows, in lists of their own.
TEST(a_query_for_more_than_its_near_lists_hold_gets_all_it_asked_for) {
  Waiting s(500);
  REQUIRE_OK(s.open());
  for (const float at : {0.0f, 50.0f}) {
    InsertBatch batch;
    batch.count = at == 0 ? 40 : 2000;
    for (uint32_t i = 0; i < batch.count; i++) {
      for (const float x : s.randomVector()) batch.matrix.push_back(x + at);
    }
    InsertResult inserted;
    REQUIRE_OK(s.insertBatch(std::move(batch), &inserted));
  }
  REQUIRE_OK(s.job(Job::kFreeze));
  QueryRequest request;
  request.vectors = s.randomVector();
  request.k = 300;
  QueryResult result;
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  CHECK_EQ(result.counts[0], 300u);
}

TEST(lists_are_written_where_there_are_rows_enough) {
  const auto bytesOfSeal = [](uint32_t lists_from) {
    Waiting s(lists_from);
    CHECK_OK(s.fill(kRows));
    return s.engine->stats().bytes_written_ingest;
  };
  CHECK(bytesOfSeal(kRows) > bytesOfSeal(kRows + 1) + kRows * 4);
  CHECK_EQ(bytesOfSeal(0), bytesOfSeal(kRows + 1));
}

// Lists as they are stored, and a context to open them in.
struct Stored {
  Stored() : rotation(kDims, 9), rng(seed()) {
    context.kind = DistanceKind::kL2;
    context.dims = kDims;
    context.rotation = &rotation;
    context.shelf = &shelf;
    std::vector<float> rows(size_t{400} * rotation.paddedDims());
    for (float& x : rows) x = static_cast<float>(rng.below(2001)) / 1000.0f - 1.0f;
    quantizer = CoarseQuantizer::train(context.kind, rotation, rows.data(), 400, 1);
    for (uint32_t row = 0; row < 400; row++) {
      list_of.push_back(quantizer->nearest(rows.data() + size_t{row} * rotation.paddedDims()));
    }
    bytes = CodeLists::encode(*quantizer, list_of, &code_of);
  }
  Status open(std::unique_ptr<CodeLists>* out) {
    return CodeLists::open(context, bytes, 400, out);
  }

  Rotation rotation;
  CodebookShelf shelf;
  SegmentContext context;
  SimRng rng;
  std::shared_ptr<const CoarseQuantizer> quantizer;
  std::vector<uint32_t> list_of, code_of;
  std::vector<std::byte> bytes;
};

TEST(lists_that_were_stored_name_each_row_once_where_its_code_stands) {
  Stored stored;
  std::unique_ptr<CodeLists> lists, again;
  REQUIRE_OK(stored.open(&lists));
  REQUIRE_EQ(lists->quantizer().lists(), stored.quantizer->lists());
  CHECK_EQ(lists->codes(), CodeLists::codesFor(*stored.quantizer, stored.list_of));
  uint32_t named = 0;
  for (uint32_t list = 0; list < stored.quantizer->lists(); list++) {
    const CodeLists::List& one = lists->list(list);
    CHECK_EQ(one.first_code % kBinaryBlockRows, 0u);
    for (uint32_t i = 0; i < one.rows.size(); i++, named++) {
      CHECK_EQ(stored.list_of[one.rows[i]], list);
      CHECK_EQ(stored.code_of[one.rows[i]], one.first_code + i);
    }
  }
  CHECK_EQ(named, 400u);
  REQUIRE_OK(stored.open(&again));
  CHECK_EQ(&lists->quantizer(), &again->quantizer());
}

TEST(impossible_lists_are_refused) {
  Stored stored;
  std::unique_ptr<CodeLists> lists;
  const std::vector<std::byte> whole = stored.bytes;
  for (const size_t bytes : {size_t{0}, size_t{7}, size_t{40}, whole.size() - 1}) {
    stored.bytes.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    CHECK_EQ(stored.open(&lists).code(), Code::kCorrupt);
  }
  for (const uint32_t word : {0u, 8u, 12u}) {  // lists, and the rows of the first two
    for (const uint32_t value : {0u, 65u, 401u, 0xFFFFFFFFu}) {
      stored.bytes = whole;
      if (load<uint32_t>(stored.bytes, word) == value) continue;
      std::memcpy(stored.bytes.data() + word, &value, 4);
      CHECK_EQ(stored.open(&lists).code(), Code::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace rve::test
