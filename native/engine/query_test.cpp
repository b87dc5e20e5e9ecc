// Queries against a reference that looks at every row: filters, deletions, scores, wherever the
// rows stand.
#include "codecs/half.hpp"
#include "engine/live_state.hpp"
#include "engine/test_kit.hpp"
#include "kernels/kernels.hpp"

namespace rve::test {
namespace {

enum class Place { kTail, kFrozen, kLinked, kMixed };

// 900 rows of three sources and labels in the given place, some superseded, some deleted.
Status fillAt(TestStore* s, Place place) {
  RVE_TRY(s->open());
  for (int part = 0; part < 3; part++) {
    for (const char* source : {"pump", "arm", "gate"}) RVE_TRY(s->insert(100, source));
    const bool seal = place == Place::kMixed ? part < 2 : part == 2;
    const bool link = place == Place::kMixed ? part < 1 : place == Place::kLinked;
    if (place == Place::kTail || !seal) continue;
    RVE_TRY(s->job(Job::kFreeze));
    if (link) RVE_TRY(s->job(Job::kLink));
  }
  std::vector<uint64_t> dead;
  for (uint64_t id = 7; id < 900; id += 13) dead.push_back(id);
  return s->forget(dead);
}

std::vector<int64_t> ask(TestStore* s, const std::vector<float>& q, uint32_t k,
                         const Filter& filter, QueryResult* out = nullptr) {
  QueryRequest request;
  request.vectors = q;
  request.k = k;
  request.filter = filter;
  QueryResult result;
  CHECK_OK(s->engine->query(request, nullptr, &result));
  CHECK(!result.degraded);
  std::vector<int64_t> ids(result.ids.begin(), result.ids.begin() + result.counts[0]);
  if (out != nullptr) *out = std::move(result);
  return ids;
}

double overlap(const std::vector<int64_t>& got, const std::vector<int64_t>& wanted) {
  size_t same = 0;
  for (const int64_t id : wanted) same += std::count(got.begin(), got.end(), id) > 0 ? 1u : 0u;
  return wanted.empty() ? 1.0 : static_cast<double>(same) / static_cast<double>(wanted.size());
}

std::vector<Filter> someFilters(const TestStore& s) {
  const int64_t start = s.reference.begin()->second.time_ms;
  std::vector<Filter> filters(8);
  filters[0].has_source = true;
  filters[0].source = "arm";
  filters[1].labels = {"idle"};
  filters[2].labels = {"idle", "busy", "unknown"};
  filters[3].has_from = filters[3].has_to = true;
  filters[3].from_ms = start + 100'000;
  filters[3].to_ms = start + 160'000;
  filters[4] = filters[3];
  filters[4].to_ms = start + 600'000;
  filters[4].has_source = true;
  filters[4].source = "gate";
  filters[4].labels = {"busy"};
  filters[5].has_to = true;
  filters[5].to_ms = start + 1000;  // half-open: one row
  filters[6].has_source = true;
  filters[6].source = "nobody";
  filters[7].labels = {"unknown"};
  return filters;
}

TEST(filtered_queries_equal_a_look_at_every_row_wherever_the_rows_stand) {
  for (const Place place : {Place::kTail, Place::kFrozen, Place::kLinked, Place::kMixed}) {
    TestStore s;
    REQUIRE_OK(fillAt(&s, place));
    double sum = 0;
    int asked = 0;
    for (const Filter& filter : someFilters(s)) {
      for (int i = 0; i < 5; i++) {
        const std::vector<float> q = s.randomVector();
        const auto wanted = refQuery(s.reference, Metric::kL2, q, 10, filter);
        const auto got = ask(&s, q, 10, filter);
        REQUIRE_EQ(got.size(), wanted.size());
        for (const int64_t id : got) {
          REQUIRE(s.reference.contains(static_cast<uint64_t>(id)));
          CHECK(refMatches(s.reference.at(static_cast<uint64_t>(id)), filter));
        }
        sum += overlap(got, wanted);
        asked++;
      }
    }
    // The codes may miss one at the edge; the exact ranking orders the rest.
    CHECK(sum / asked > 0.99);
  }
}

TEST(k_results_come_whenever_k_match_even_when_the_true_best_are_deleted) {
  for (const Place place : {Place::kTail, Place::kFrozen, Place::kLinked, Place::kMixed}) {
    TestStore s;
    REQUIRE_OK(fillAt(&s, place));
    const std::vector<float> q = s.randomVector();
    std::vector<uint64_t> best;
    for (const int64_t id : refQuery(s.reference, Metric::kL2, q, 50, Filter{})) {
      best.push_back(static_cast<uint64_t>(id));
    }
    REQUIRE_OK(s.forget(best));
    const auto wanted = refQuery(s.reference, Metric::kL2, q, 10, Filter{});
    const auto got = ask(&s, q, 10, Filter{});
    CHECK_EQ(got.size(), 10u);
    CHECK(overlap(got, wanted) >= 0.9);
    for (const int64_t id : got) CHECK(s.reference.contains(static_cast<uint64_t>(id)));
    // All that are left, and no more.
    CHECK_EQ(ask(&s, q, 1024, Filter{}).size() >= std::min<size_t>(s.reference.size(), 500), true);
  }
}

TEST(scores_are_those_of_the_metric_and_come_nearest_first) {
  for (const Metric metric : {Metric::kL2, Metric::kIp, Metric::kCosine}) {
    TestStore s(metric);
    REQUIRE_OK(fillAt(&s, Place::kMixed));
    for (int i = 0; i < 10; i++) {
      const std::vector<float> q = s.randomVector();
      QueryResult result;
      const auto got = ask(&s, q, 10, Filter{}, &result);
      REQUIRE_EQ(got.size(), 10u);
      for (size_t j = 0; j < got.size(); j++) {
        const RefRow& row = s.reference.at(static_cast<uint64_t>(got[j]));
        CHECK(std::fabs(result.scores[j] - refScore(metric, q, row.vector)) < 1e-4);
        if (j == 0) continue;
        CHECK(metric == Metric::kL2 ? result.scores[j] >= result.scores[j - 1]
                                    : result.scores[j] <= result.scores[j - 1]);
      }
      CHECK(overlap(got, refQuery(s.reference, metric, q, 10, Filter{})) >= 0.8);
    }
  }
}

TEST(missing_results_are_padded_and_embeddings_are_what_get_gives) {
  TestStore s(Metric::kCosine);
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(3, "a"));
  QueryRequest request;
  request.count = 2;
  request.k = 5;
  for (int i = 0; i < 2; i++) {
    const std::vector<float> v = s.randomVector();
    request.vectors.insert(request.vectors.end(), v.begin(), v.end());
  }
  request.with_embeddings = true;
  QueryResult result;
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  for (size_t row = 0; row < 2; row++) {
    CHECK_EQ(result.counts[row], 3u);
    for (size_t j = 0; j < 5; j++) {
      const int64_t id = result.ids[row * 5 + j];
      CHECK_EQ(id >= 0, j < 3);
      CHECK_EQ(std::isnan(result.scores[row * 5 + j]), j >= 3);
      if (id < 0) continue;
      std::vector<Record> records;
      REQUIRE_OK(s.engine->get({static_cast<uint64_t>(id)}, &records));
      const float* got = result.embeddings.data() + (row * 5 + j) * 8;
      CHECK(std::equal(got, got + 8, records[0].vector.begin()));
    }
  }
}

TEST(a_query_that_cannot_be_answered_names_its_fault) {
  TestStore s(Metric::kCosine);
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(3, "a"));
  const auto code = [&](const std::function<void(QueryRequest*)>& spoil) {
    QueryRequest request;
    request.vectors.assign(8, 1.0f);
    spoil(&request);
    QueryResult result;
    return s.engine->query(request, nullptr, &result).code();
  };
  CHECK_EQ(code([](QueryRequest*) {}), Code::kOk);
  CHECK_EQ(code([](QueryRequest* r) { r->k = 0; }), Code::kArgument);
  CHECK_EQ(code([](QueryRequest* r) { r->k = kKMax + 1; }), Code::kArgument);
  CHECK_EQ(code([](QueryRequest* r) { r->ef = kEfMax + 1; }), Code::kArgument);
  CHECK_EQ(code([](QueryRequest* r) { r->vectors.pop_back(); }), Code::kDimensions);
  CHECK_EQ(code([](QueryRequest* r) { r->vectors[0] = NAN; }), Code::kVector);
  CHECK_EQ(code([](QueryRequest* r) { r->vectors.assign(8, 0.0f); }), Code::kVector);
  CHECK_EQ(code([](QueryRequest* r) {
    r->filter.has_from = r->filter.has_to = true;
    r->filter.from_ms = 5;
    r->filter.to_ms = 4;
  }), Code::kFilter);
  std::atomic<bool> cancel{true};
  REQUIRE_OK(s.job(Job::kFreeze));
  QueryRequest request;
  request.vectors.assign(8, 1.0f);
  QueryResult result;
  CHECK_EQ(s.engine->query(request, &cancel, &result).code(), Code::kAborted);
}

// A PUT_BATCH of f16 rows is written by hand, since the door writes f32: such records are in the
// format.
TEST(f16_records_in_the_log_are_searched_sealed_and_read_back) {
  TestStore s;
  StoreOptions options;
  options.path = s.options.path;
  options.dimensions = 8;
  options.has_metric = true;
  options.metric = Metric::kL2;
  options.disk = &s.disk;
  options.clock = &s.clock;
  options.rng = &s.rng;
  {
    std::unique_ptr<Store> file;
    REQUIRE_OK(Store::open(options, &file));
    GroupBuilder builder(file->layout());
    builder.reset();
    PutShape shape;
    shape.count = 40;
    shape.dims = 8;
    shape.dtype = Dtype::kF16;
    shape.flags = kPutIdsConsecutive;
    const PutLayout at = layoutPut(shape, builder.bytes());
    RecordHeader header;
    header.type = RecordType::kPutBatch;
    header.flags = shape.flags;
    header.time_ms = 1'700'000'000'000;
    uint32_t record_at = 0;
    const uint32_t skip = static_cast<uint32_t>(kRecordHeaderBytes);
    const MutableBytes body = builder.begin(header, at.record_bytes - skip, &record_at);
    encodePutFixed(shape, at, 0, 0, 0, 0, body);
    rve::store(body, at.ids_at - skip, uint64_t{0});
    for (uint32_t i = 0; i < shape.count; i++) {
      RefRow row;
      row.time_ms = header.time_ms;
      for (uint32_t d = 0; d < 8; d++) {
        // Multiples of 1/64 below 4 are exact in half precision.
        const uint16_t half = static_cast<uint16_t>(0x3400 + s.rng.below(0x400));
        float value = 0;
        kernels().floatFromHalf(&half, &value, 1);
        row.vector.push_back(value);
        rve::store(body, at.matrix_at - skip + (i * 8 + d) * 2, half);
      }
      s.reference[i] = row;
    }
    builder.end();
    REQUIRE_OK(file->log().ensureRoom(builder.paddedWith(0), SpacePurpose::kData));
    GroupPlace place;
    REQUIRE_OK(file->log().write(&builder, 0, 0, &place));
    REQUIRE_OK(file->log().sync());
  }
  REQUIRE_OK(s.open());
  for (int round = 0; round < 4; round++) {
    CHECK_EQ(s.differs(), std::string());
    std::vector<Record> records;
    REQUIRE_OK(s.engine->get({3}, &records));
    CHECK_EQ(std::string(records[0].tier), std::string("warm"));
    const std::vector<float> q = s.randomVector();
    CHECK(ask(&s, q, 10, Filter{}) == refQuery(s.reference, Metric::kL2, q, 10, Filter{}));
    REQUIRE_OK(s.job(round == 0 ? Job::kFreeze : Job::kLink));
  }
  CHECK_EQ(s.engine->stats().linked_rows, 40u);  // linked and still f16
}

TEST(scan_gives_every_match_once_in_the_order_of_ids) {
  TestStore s;
  REQUIRE_OK(fillAt(&s, Place::kMixed));
  for (const Filter& filter : someFilters(s)) {
    std::vector<uint64_t> got, wanted;
    for (const auto& [id, row] : s.reference) {
      if (refMatches(row, filter)) wanted.push_back(id);
    }
    ScanCursor cursor;
    while (!cursor.end) {
      std::vector<Record> records;
      REQUIRE_OK(s.engine->scan(filter, 37, &cursor, &records));
      for (const Record& r : records) got.push_back(r.id);
    }
    CHECK(got == wanted);
  }
}

// What a sensor says all day: rows that are nearly the same, and far from zero.
TEST(each_row_of_a_long_tail_of_near_equals_is_its_own_nearest) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    TestStore s(metric, 64, seed());
    REQUIRE_OK(s.open());
    std::vector<std::vector<float>> rows(3000);
    std::vector<int64_t> ids;
    const std::vector<float> state = s.randomVector();
    for (size_t first = 0; first < rows.size(); first += 100) {
      InsertBatch batch;
      batch.count = 100;
      for (size_t i = first; i < first + 100; i++) {
        rows[i] = s.randomVector();
        for (size_t d = 0; d < state.size(); d++) rows[i][d] = 5 * state[d] + 0.05f * rows[i][d];
        batch.matrix.insert(batch.matrix.end(), rows[i].begin(), rows[i].end());
      }
      InsertResult inserted;
      REQUIRE_OK(s.insertBatch(std::move(batch), &inserted));
      ids.insert(ids.end(), inserted.ids.begin(), inserted.ids.end());
    }
    for (const bool reopened : {false, true}) {
      if (reopened) {
        s.crash();
        REQUIRE_OK(s.open());
      }
      uint32_t found = 0;
      for (size_t i = 0; i < rows.size(); i += 10) {
        found += ask(&s, rows[i], 1, {}) == std::vector<int64_t>{ids[i]} ? 1u : 0u;
      }
      CHECK(found >= 298);
    }
  }
}

}  // namespace
}  // namespace rve::test
