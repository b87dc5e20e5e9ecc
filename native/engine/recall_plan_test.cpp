// A wanted recall is met, by measurement and not by luck. Method: clustered rows are stored, and
// queries drawn beside them are compared with a look at every row.
#include "engine/recall_plan.hpp"

#include <cmath>

#include "engine/test_kit.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kDims = 32, kRows = 6000, kClusters = 24, kAsked = 120;
constexpr uint64_t kSeed = 20;
constexpr float kRecalls[] = {0.9f, 0.95f, 0.99f};
constexpr uint64_t kHourMs = 3'600'000;

// Clusters that fill all dimensions: a walk over such rows is not easy.
struct Clusters {
  explicit Clusters(SimRng* from) : rng(from), centres(size_t{kClusters} * kDims) {
    for (float& x : centres) x = uniform();
  }
  float uniform() { return static_cast<float>(rng->below(20001)) / 10000.0f - 1.0f; }
  std::vector<float> draw() {
    const float* centre = centres.data() + rng->below(kClusters) * kDims;
    std::vector<float> v(kDims);
    for (uint32_t d = 0; d < kDims; d++) {
      v[d] = 0.5f * centre[d] + uniform() + uniform();
    }
    return v;
  }
  SimRng* rng;
  std::vector<float> centres;
};

Status fill(TestStore* s, Clusters* clusters, uint32_t rows) {
  for (uint32_t first = 0; first < rows; first += 500) {
    InsertBatch b;
    b.count = 500;
    std::vector<RefRow> stored(b.count);
    for (RefRow& row : stored) {
      row.vector = clusters->draw();
      b.matrix.insert(b.matrix.end(), row.vector.begin(), row.vector.end());
    }
    InsertResult result;
    RVE_TRY(s->insertBatch(std::move(b), &result));
    for (uint32_t i = 0; i < stored.size(); i++) {
      s->reference[static_cast<uint64_t>(result.ids[i])] = stored[i];
    }
  }
  return {};
}

Status settle(TestStore* s) {
  Status settled(Code::kInternal, "settle did not complete");
  RVE_TRY(s->engine->submitSettle([&](Status status) { settled = status; }));
  return settled;
}

struct Question {
  std::vector<float> vector;
  std::vector<int64_t> wanted;
};

std::vector<Question> questions(const TestStore& s, Clusters* clusters, Metric metric) {
  std::vector<Question> out(kAsked);
  for (Question& q : out) {
    q.vector = clusters->draw();
    q.wanted = refQuery(s.reference, metric, q.vector, 10, Filter{});
  }
  return out;
}

double recallOf(TestStore* s, const std::vector<Question>& questions, float recall, uint32_t ef) {
  size_t found = 0;
  for (const Question& q : questions) {
    QueryRequest request;
    request.vectors = q.vector;
    request.recall = recall;
    request.ef = ef;
    QueryResult result;
    CHECK_OK(s->engine->query(request, nullptr, &result));
    for (const int64_t id : q.wanted) {
      found += std::count(result.ids.begin(), result.ids.end(), id) > 0 ? 1u : 0u;
    }
  }
  return static_cast<double>(found) / (10.0 * kAsked);
}

void checkProfile(Metric metric, Profile profile) {
  TestStore s(metric, kDims, kSeed);
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  s.options.tiers.profile = profile;
  // What is asked for can be reached only where nothing is lost.
  s.options.tiers.originals = Originals::kKeep;
  s.options.tiers.bytes_ratio_max = 4;
  s.options.tiers.fill_budget = false;
  REQUIRE_OK(s.open());
  Clusters clusters(&s.rng);
  REQUIRE_OK(fill(&s, &clusters, kRows));
  REQUIRE_OK(s.job(Job::kFreeze));
  s.engine->setHeatNow(20 * kHourMs);
  const std::vector<Question> asked = questions(s, &clusters, metric);
  // No graph, and no curve: the answer is as good all the same.
  CHECK(!s.engine->stats().segments[0].calibrated);
  for (const float recall : kRecalls) CHECK(recallOf(&s, asked, recall, 0) >= recall - 0.02);
  REQUIRE_OK(s.job(Job::kLink));
  CHECK(!s.engine->stats().segments[0].calibrated);
  for (const float recall : kRecalls) CHECK(recallOf(&s, asked, recall, 0) >= recall - 0.02);
  REQUIRE_OK(settle(&s));
  const Stats stats = s.engine->stats();
  REQUIRE_EQ(stats.segments.size(), 1u);
  CHECK_EQ(stats.tiers[4].rows > 0, profile == Profile::kEdge);
  const SegmentStats& segment = stats.segments[0];
  REQUIRE(segment.calibrated);
  for (size_t i = 0; i < std::size(kRecalls); i++) {
    const double reached = recallOf(&s, asked, kRecalls[i], 0);
    CHECK(reached >= kRecalls[i] - 0.005);
    // The ef stated is the ef used.
    CHECK_EQ(reached, recallOf(&s, asked, 0, segment.ef_of_recall[i]));
  }
  CHECK(segment.ef_of_recall[0] <= segment.ef_of_recall[1]);
  CHECK(segment.ef_of_recall[1] <= segment.ef_of_recall[2]);
  CHECK(segment.ef_of_recall[0] < segment.ef_of_recall[2]);
}

TEST(the_smallest_measured_ef_that_reaches_the_recall_is_taken_and_grows_with_k) {
  RecallCurve curve;
  // Without a curve, or with one of a segment that could not be measured: a guess.
  const RecallCurve* const unmeasured[] = {nullptr, &curve};
  for (const RecallCurve* none : unmeasured) {
    CHECK_EQ(efForRecall(none, 0.5f, 10), 64u);
    CHECK_EQ(efForRecall(none, 0.95f, 10), 64u);
    CHECK_EQ(efForRecall(none, 0.99f, 10), 128u);
    CHECK_EQ(efForRecall(none, 0.999f, 10), 256u);
  }
  curve.points = 4;
  const float recalls[] = {0.8f, 0.9f, 0.9f, 0.97f};
  std::copy(std::begin(recalls), std::end(recalls), curve.recall);
  CHECK_EQ(efForRecall(&curve, 0.5f, 10), 12u);
  CHECK_EQ(efForRecall(&curve, 0.9f, 10), 16u);
  CHECK_EQ(efForRecall(&curve, 0.91f, 10), 32u);
  CHECK_EQ(efForRecall(&curve, 0.99f, 10), 32u);  // none reaches it
  CHECK_EQ(efForRecall(&curve, 0.9f, 1), 16u);
  CHECK_EQ(efForRecall(&curve, 0.9f, 25), 40u);
  CHECK_EQ(efForRecall(nullptr, 0.999f, kKMax), kEfMax);
  // What no ef finds is not looked for.
  curve.points = 6;
  curve.recall[4] = curve.recall[5] = 0.97f;
  CHECK_EQ(efForRecall(&curve, 0.99f, 10), 32u);
}

TEST(a_recall_out_of_bounds_or_beside_ef_is_refused) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(3, "a"));
  const auto code = [&](float recall, uint32_t ef) {
    QueryRequest request;
    request.vectors.assign(8, 1.0f);
    request.recall = recall;
    request.ef = ef;
    QueryResult result;
    return s.engine->query(request, nullptr, &result).code();
  };
  for (const float recall : {0.0f, 0.5f, 0.95f, 0.999f}) CHECK_EQ(code(recall, 0), Code::kOk);
  for (const float recall : {-0.9f, 0.499f, 0.9999f, 1.0f, NAN, INFINITY}) {
    CHECK_EQ(code(recall, 0), Code::kArgument);
  }
  CHECK_EQ(code(0.9f, 64), Code::kArgument);
  CHECK_EQ(code(0, 64), Code::kOk);
}

TEST(calibration_warms_no_row_and_is_made_once_for_each_segment) {
  TestStore s(Metric::kL2, kDims, kSeed);
  REQUIRE_OK(s.open());
  Clusters clusters(&s.rng);
  REQUIRE_OK(fill(&s, &clusters, 2500));
  REQUIRE_OK(settle(&s));
  s.engine->setHeatNow(20 * kHourMs);
  const auto coldRows = [&] {
    uint64_t rows = 0;
    for (const TierStats& tier : s.engine->stats().tiers) rows += tier.heat[0];
    return rows;
  };
  CHECK_EQ(coldRows(), 2500u);
  QueryRequest request;
  request.vectors = clusters.draw();
  request.recall = 0.9f;
  QueryResult result;
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  CHECK_EQ(coldRows(), 2490u);
  const uint32_t ef = s.engine->stats().segments[0].ef_of_recall[1];
  // After an open there is no curve, and a settle measures the same one again.
  REQUIRE_OK(s.engine->close());
  REQUIRE_OK(s.open());
  CHECK(!s.engine->stats().segments[0].calibrated);
  REQUIRE_OK(settle(&s));
  REQUIRE(s.engine->stats().segments[0].calibrated);
  CHECK_EQ(s.engine->stats().segments[0].ef_of_recall[1], ef);
}

TEST(a_wanted_recall_is_reached_by_a_precise_memory) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    checkProfile(metric, Profile::kPrecise);
  }
}

TEST(a_wanted_recall_is_reached_by_an_edge_memory_that_keeps_its_originals) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) checkProfile(metric, Profile::kEdge);
}

std::vector<std::string> deepNotes(TestStore* s) {
  CheckReport report;
  CHECK_OK(s->engine->check(true, &report));
  CHECK(report.ok);
  std::vector<std::string> notes;
  for (const std::string& note : report.notes) {
    if (note.starts_with("segment ")) notes.push_back(note);
  }
  return notes;
}

TEST(a_deep_check_tells_what_each_walked_graph_finds_of_its_own_codes) {
  for (const Profile profile : {Profile::kPrecise, Profile::kEdge}) {
    TestStore s(Metric::kL2, kDims, kSeed);
    s.options.tiers.profile = profile;
    s.options.tiers.bytes_ratio_max = 4;
    s.options.tiers.fill_budget = false;
    REQUIRE_OK(s.open());
    Clusters clusters(&s.rng);
    REQUIRE_OK(fill(&s, &clusters, 2500));
    REQUIRE_OK(s.job(Job::kFreeze));
    CHECK(deepNotes(&s).empty());
    s.engine->setHeatNow(20 * kHourMs);
    REQUIRE_OK(settle(&s));
    CHECK_EQ(s.engine->stats().tiers[4].rows > 0, profile == Profile::kEdge);
    const std::vector<std::string> notes = deepNotes(&s);
    REQUIRE_EQ(notes.size(), 1u);
    CHECK(notes[0].find("graph of 2500 rows: ") != std::string::npos);
    CHECK(notes[0].find(", all rows reachable, recall@10 ") != std::string::npos);
    CHECK(notes[0].ends_with(" of its own codes at ef 64"));
  }
}

TEST(a_deep_check_warns_of_a_graph_that_finds_little_and_calls_it_no_damage) {
  TestStore s(Metric::kL2, kDims, kSeed);
  s.options.tuning.hnsw_m = 2;
  s.options.tuning.hnsw_ef_construction = 2;
  REQUIRE_OK(s.open());
  Clusters clusters(&s.rng);
  REQUIRE_OK(fill(&s, &clusters, kRows));
  REQUIRE_OK(settle(&s));
  const std::vector<std::string> notes = deepNotes(&s);
  REQUIRE_EQ(notes.size(), 2u);
  CHECK(notes[1].find("Nothing is lost; ask with recall") != std::string::npos);
}

}  // namespace
}  // namespace rve::test
