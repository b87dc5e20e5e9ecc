// Records in tiers, through the door: what the byte budget, heat and recompression do to them, and
// what they may never do.
#include "codecs/tier.hpp"
#include "engine/test_kit.hpp"

namespace rve::test {
namespace {

constexpr uint64_t kHourMs = 3'600'000;

Status settle(TestStore& s) {
  Status settled(Code::kInternal);
  RVE_TRY(s.engine->submitSettle([&](Status status) { settled = std::move(status); }));
  return settled;
}

Status openAs(TestStore& s, Profile profile, double ratio = 0,
              Originals originals = Originals::kDrop, bool fills = true) {
  s.options.tiers.profile = profile;
  s.options.tiers.bytes_ratio_max = ratio;
  s.options.tiers.originals = originals;
  s.options.tiers.fill_budget = fills;
  return s.open();
}

// Of k = 10, over stored vectors as queries.
double recallOf(TestStore& s, uint32_t ef) {
  uint32_t found = 0, asked = 0;
  for (const auto& [id, row] : s.reference) {
    if (id % 97 != 0) continue;
    QueryRequest request;
    request.vectors = row.vector;
    request.ef = ef;
    QueryResult result;
    if (!s.engine->query(request, nullptr, &result).ok()) return 0;
    const std::vector<int64_t> wanted =
        refQuery(s.reference, s.options.metric, row.vector, 10, Filter{});
    for (const int64_t id_wanted : wanted) {
      found += std::find(result.ids.begin(), result.ids.end(), id_wanted) != result.ids.end();
    }
    asked += static_cast<uint32_t>(wanted.size());
  }
  return asked == 0 ? 0 : static_cast<double>(found) / asked;
}

uint64_t rowsIn(const Stats& stats, Tier tier) {
  return stats.tiers[static_cast<uint32_t>(tier)].rows;
}

TEST(a_settled_edge_store_holds_its_budget_and_still_finds_what_is_near) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    TestStore s(metric, 64);
    s.options.tuning.freeze_rows = 1024;
    REQUIRE_OK(openAs(s, Profile::kEdge, 0.5));
    for (int i = 0; i < 20; i++) REQUIRE_OK(s.insert(200, "a"));
    CHECK_EQ(rowsIn(s.engine->stats(), Tier::kHot), 4000u);
    REQUIRE_OK(settle(s));
    const Stats stats = s.engine->stats();
    CHECK_EQ(rowsIn(stats, Tier::kHot) + rowsIn(stats, Tier::kWarm), 0u);
    CHECK_EQ(rowsIn(stats, Tier::kCool) + rowsIn(stats, Tier::kCold), 4000u);
    // The file's fixed cost is beyond a small store's means.
    CHECK(static_cast<double>(stats.live_bytes) < 0.8 * 4000 * 64 * 4);
    // Uniform noise: the hardest set there is.
    CHECK(recallOf(s, 200) > 0.8);
    s.crash();
    REQUIRE_OK(s.open());
    CHECK(recallOf(s, 200) > 0.8);
    CHECK_EQ(s.differs(0.35f), std::string());
  }
}

TEST(a_first_walk_in_tiers_has_its_pages_read_ahead_and_a_second_asks_for_none) {
  TestStore s(Metric::kL2, 64);
  s.options.tuning.freeze_rows = 1024;
  REQUIRE_OK(openAs(s, Profile::kEdge, 0.5));
  for (int i = 0; i < 20; i++) REQUIRE_OK(s.insert(200, "a"));
  REQUIRE_OK(settle(s));
  REQUIRE_OK(s.job(Job::kCheckpoint));
  const uint64_t before = s.disk.prefetchedBytes();
  s.crash();
  REQUIRE_OK(s.open());
  QueryRequest request;
  request.vectors = s.randomVector();
  QueryResult result;
  const uint64_t opened = s.disk.prefetchedBytes();
  // Fronts and page tables of the three parts take 51 pages.
  CHECK(opened >= before + 50 * 4096);
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  const uint64_t walked = s.disk.prefetchedBytes();
  // 77 pages, of which 51 hold records and the others lists.
  CHECK(walked >= opened + 60 * 4096);
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  CHECK_EQ(s.disk.prefetchedBytes(), walked);
}

TEST(a_store_of_fifty_vectors_settles_and_answers_in_every_profile) {
  for (const Profile profile : {Profile::kPrecise, Profile::kBalanced, Profile::kEdge}) {
    TestStore s(Metric::kL2, 16);
    REQUIRE_OK(openAs(s, profile));
    REQUIRE_OK(s.insert(50, "a"));
    REQUIRE_OK(s.job(Job::kFreeze));
    REQUIRE_OK(settle(s));
    CHECK_EQ(s.engine->stats().live, 50u);
    for (const auto& [id, row] : s.reference) {
      QueryRequest request;
      request.vectors = row.vector;
      request.k = 50;
      QueryResult result;
      REQUIRE_OK(s.engine->query(request, nullptr, &result));
      CHECK_EQ(result.counts[0], 50u);
      CHECK(!result.degraded);
    }
  }
}

TEST(forgetting_and_replacing_in_tiers_hold_over_recompression_and_a_power_cut) {
  TestStore s(Metric::kL2, 16);
  REQUIRE_OK(openAs(s, Profile::kEdge, 0, Originals::kKeep));
  for (int i = 0; i < 6; i++) REQUIRE_OK(s.insert(100, i % 2 == 0 ? "a" : "b"));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.job(Job::kLink));
  REQUIRE_OK(s.job(Job::kRecompress));
  CHECK_EQ(s.engine->stats().recompressions, 1u);
  CHECK_EQ(s.differs(0.002f), std::string());
  REQUIRE_OK(s.forget({3, 4, 5, 250, 599}));
  REQUIRE_OK(s.insert(0, "c", {10, 11, 12}));
  CHECK_EQ(s.differs(0.002f), std::string());
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(0.002f), std::string());
  REQUIRE_OK(s.forgetSource("b"));
  REQUIRE_OK(settle(s));
  CHECK_EQ(s.differs(0.002f), std::string());
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(0.002f), std::string());
}

TEST(a_filter_finds_all_that_match_in_tiers) {
  TestStore s(Metric::kCosine, 32);
  s.options.tuning.freeze_rows = 1024;
  REQUIRE_OK(openAs(s, Profile::kEdge, 0, Originals::kKeep));
  for (int i = 0; i < 30; i++) REQUIRE_OK(s.insert(100, i == 17 ? "rare" : "a"));
  REQUIRE_OK(settle(s));
  // A budget that nothing can hold: all are squeezed once, and not again and again.
  CHECK_EQ(rowsIn(s.engine->stats(), Tier::kArchive), 3000u);
  CHECK(s.engine->stats().recompressions <= 2);
  QueryRequest request;
  request.vectors = s.randomVector();
  request.k = 10;
  request.filter.has_source = true;
  request.filter.source = "rare";
  QueryResult result;
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  CHECK(result.ids == refQuery(s.reference, Metric::kCosine, request.vectors, 10, request.filter));
}

// Rows in windows of a hundred: none stands where its id would put it.
TEST(rows_that_nearness_orders_keep_their_ids_times_and_deaths) {
  TestStore s(Metric::kL2, 16);
  s.options.tuning.freeze_rows = 1024;
  s.options.tuning.row_window = 100;
  REQUIRE_OK(openAs(s, Profile::kEdge, 0, Originals::kKeep));
  for (int i = 0; i < 30; i++) REQUIRE_OK(s.insert(100, "a"));
  REQUIRE_OK(settle(s));
  REQUIRE_OK(s.forget({3, 4, 5, 250, 2999}));
  REQUIRE_OK(s.insert(0, "c", {10, 11, 12}));
  CHECK_EQ(s.differs(0.002f), std::string());
  for (const uint64_t first : {200u, 1500u, 2970u}) {
    QueryRequest request;
    request.vectors = s.randomVector();
    request.filter.has_from = request.filter.has_to = true;
    request.filter.from_ms = s.reference.at(first).time_ms;
    request.filter.to_ms = s.reference.at(first + 20).time_ms;
    QueryResult result;
    REQUIRE_OK(s.engine->query(request, nullptr, &result));
    CHECK(result.ids == refQuery(s.reference, Metric::kL2, request.vectors, 10, request.filter));
  }
  REQUIRE_OK(settle(s));
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(0.002f), std::string());
  std::vector<Record> records;
  REQUIRE_OK(s.engine->get({10, 250, 1777}, &records));
  REQUIRE_EQ(records.size(), 3u);
  CHECK(records[0].found && !records[1].found && records[2].found);
}

// Ids 100..139 hour by hour, as the nearest of a query or by their ids.
void askFor(TestStore& s, bool by_id) {
  std::vector<uint64_t> ids;
  for (uint64_t id = 100; id < 140; id++) ids.push_back(id);
  for (uint64_t hour = 1; hour <= 12; hour++) {
    s.engine->setHeatNow(hour * kHourMs);
    for (int round = 0; round < 3; round++) {
      std::vector<Record> records;
      if (by_id) REQUIRE_OK(s.engine->get(ids, &records));
      if (by_id) continue;
      for (const uint64_t id : ids) {
        QueryRequest request;
        request.vectors = s.reference.at(id).vector;
        request.k = 1;
        QueryResult result;
        REQUIRE_OK(s.engine->query(request, nullptr, &result));
      }
    }
  }
}

TEST(what_is_asked_for_stays_precise_while_the_rest_cools) {
  for (const bool by_id : {false, true}) {
    TestStore s(Metric::kL2, 64);
    s.options.tuning.freeze_rows = 512;
    REQUIRE_OK(openAs(s, Profile::kEdge));
    for (int i = 0; i < 20; i++) REQUIRE_OK(s.insert(100, "a"));
    REQUIRE_OK(s.job(Job::kFreeze));
    REQUIRE_OK(s.job(Job::kLink));
    askFor(s, by_id);
    REQUIRE_OK(settle(s));
    const Stats stats = s.engine->stats();
    CHECK(rowsIn(stats, Tier::kArchive) > 1900);
    CHECK_EQ(stats.tiers[4].heat[0], rowsIn(stats, Tier::kArchive));
    std::vector<Record> records;
    std::vector<uint64_t> ids;
    for (uint64_t id = 100; id < 140; id++) ids.push_back(id);
    ids.push_back(1500);
    REQUIRE_OK(s.engine->get(ids, &records));
    uint32_t fine = 0;
    for (size_t i = 0; i < 40; i++) fine += std::string(records[i].tier) == "hot" ||
                                            std::string(records[i].tier) == "warm";
    CHECK(fine >= 38);
    CHECK_EQ(std::string(records[40].tier), std::string("archive"));
  }
}

// Some rows, asked for often within an hour that begins at `from_ms`.
void askOften(TestStore& s, uint64_t from_ms, uint64_t id_first, uint64_t id_end) {
  std::vector<uint64_t> ids;
  for (uint64_t id = id_first; id < id_end; id++) ids.push_back(id);
  for (uint64_t round = 1; round <= 18; round++) {
    s.engine->setHeatNow(from_ms + round * 200'000);
    std::vector<Record> records;
    REQUIRE_OK(s.engine->get(ids, &records));
  }
}

uint64_t rowsAbove(const Stats& stats, Tier tier) {
  uint64_t rows = 0;
  for (uint32_t t = 0; t < static_cast<uint32_t>(tier); t++) rows += stats.tiers[t].rows;
  return rows;
}

TEST(what_was_dropped_does_not_come_back_and_what_was_kept_does) {
  for (const Originals originals : {Originals::kDrop, Originals::kKeep}) {
    TestStore s(Metric::kL2, 64);
    REQUIRE_OK(openAs(s, Profile::kEdge, 4.0, originals, false));
    REQUIRE_OK(s.insert(500, "a"));
    REQUIRE_OK(s.job(Job::kFreeze));
    REQUIRE_OK(s.job(Job::kLink));
    askOften(s, 20 * kHourMs, 0, 60);
    REQUIRE_OK(s.job(Job::kRecompress));
    CHECK_EQ(rowsAbove(s.engine->stats(), Tier::kCold), uint64_t{60});
    // Others are asked for: those belong in a finer tier now, and the first ones no longer do.
    askOften(s, 40 * kHourMs, 60, 120);
    REQUIRE_OK(s.job(Job::kRecompress));
    const bool kept = originals == Originals::kKeep;
    CHECK_EQ(rowsAbove(s.engine->stats(), Tier::kCold), uint64_t{kept ? 60u : 0u});
    if (kept) CHECK_EQ(s.differs(0.002f), std::string());
  }
}

// 500 rows of which 50 are asked for, a day after they came.
TEST(a_budget_that_is_asked_for_is_used_and_that_of_the_profile_is_only_kept) {
  double before = 0;
  for (const double ratio : {0.0, 0.5, 0.9}) {
    TestStore s(Metric::kL2, 128);
    REQUIRE_OK(openAs(s, Profile::kEdge, ratio));
    REQUIRE_OK(s.insert(2000, "a"));
    REQUIRE_OK(s.job(Job::kFreeze));
    REQUIRE_OK(s.job(Job::kLink));
    askOften(s, 24 * kHourMs, 0, 50);
    REQUIRE_OK(settle(s));
    const Stats stats = s.engine->stats();
    double bytes = 0;
    for (const auto& tier : stats.tiers) bytes += static_cast<double>(tier.bytes);
    CHECK(bytes > 1.3 * before);
    before = bytes;
    CHECK_EQ(rowsIn(stats, Tier::kArchive) == 1950, ratio == 0);
  }
}

// Rows on a curve, every one with few links: codes get what the links leave, which is known once
// the graph is there.
TEST(codes_are_given_what_short_link_lists_leave_of_the_budget) {
  constexpr uint32_t kDims = 128, kRows = 12000;
  constexpr double kRatio = 0.3;
  TestStore s(Metric::kL2, kDims);
  REQUIRE_OK(openAs(s, Profile::kEdge, kRatio));
  for (uint32_t first = 0; first < kRows; first += 500) {
    InsertBatch b;
    b.count = 500;
    for (uint32_t row = first; row < first + b.count; row++) {
      for (uint32_t d = 0; d < kDims; d++) {
        const auto turns = static_cast<float>(row * (1 + d % 8));
        b.matrix.push_back(std::sin(0.002f * turns));
      }
    }
    InsertResult result;
    REQUIRE_OK(s.insertBatch(std::move(b), &result));
  }
  REQUIRE_OK(settle(s));
  const double used = static_cast<double>(s.engine->stats().live_bytes) / (4.0 * kDims * kRows);
  CHECK(used > 0.95 * kRatio);
  CHECK(used < 1.03 * kRatio);
}

// Another codebook makes codes of codes: those that would stay as they are must be worth it.
TEST(a_codebook_grows_with_its_sample_and_not_with_the_store) {
  TestStore s(Metric::kL2, 8);
  s.options.tiers.codebook_update_rows = 1000;
  REQUIRE_OK(openAs(s, Profile::kEdge));
  uint64_t days = 0;
  const auto grownTo = [&](uint32_t rows) {
    while (s.reference.size() < rows) CHECK_OK(s.insert(500, "a"));
    s.engine->setHeatNow(++days * 24 * kHourMs);
    CHECK_OK(settle(s));
    CHECK_EQ(rowsIn(s.engine->stats(), Tier::kArchive), rows);
    return s.engine->stats().codebooks_trained;
  };
  CHECK_EQ(grownTo(1000), 1u);
  CHECK_EQ(grownTo(10000), 2u);
  CHECK_EQ(grownTo(20000), 2u);
}

// What is read of a record stays the same, however often it is merged.
TEST(records_of_one_codec_are_copied_by_a_merge) {
  TestStore s(Metric::kL2, 64);
  REQUIRE_OK(openAs(s, Profile::kEdge));
  REQUIRE_OK(s.insert(1000, "a"));
  REQUIRE_OK(s.job(Job::kFreeze));
  s.engine->setHeatNow(24 * kHourMs);
  REQUIRE_OK(settle(s));
  CHECK_EQ(rowsIn(s.engine->stats(), Tier::kArchive), 1000u);
  const auto embeddingOf = [&](uint64_t id) {
    std::vector<Record> records;
    CHECK_OK(s.engine->get({id}, &records));
    return records.at(0).vector;
  };
  std::map<uint64_t, std::vector<float>> before;
  for (const auto& [id, row] : s.reference) before[id] = embeddingOf(id);
  REQUIRE_OK(s.insert(1000, "a"));
  REQUIRE_OK(s.job(Job::kFreeze));
  s.engine->setHeatNow(48 * kHourMs);
  REQUIRE_OK(settle(s));
  CHECK_EQ(rowsIn(s.engine->stats(), Tier::kArchive), 2000u);
  uint32_t changed = 0;
  for (const auto& [id, vector] : before) changed += embeddingOf(id) != vector ? 1 : 0;
  CHECK_EQ(changed, 0u);
}

TEST(heat_outlives_a_restart_as_far_as_it_was_written) {
  TestStore s(Metric::kL2, 64);
  REQUIRE_OK(openAs(s, Profile::kPrecise));
  REQUIRE_OK(s.insert(300, "a"));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.job(Job::kLink));
  s.engine->setHeatNow(10 * kHourMs);
  REQUIRE_OK(settle(s));
  CHECK_EQ(rowsIn(s.engine->stats(), Tier::kWarm), 300u);
  CHECK_EQ(s.differs(0.002f), std::string());
  s.crash();
  REQUIRE_OK(s.open());
  s.engine->setHeatNow(10 * kHourMs);
  REQUIRE_OK(settle(s));
  CHECK_EQ(rowsIn(s.engine->stats(), Tier::kWarm), 300u);
  CHECK_EQ(s.engine->stats().tiers[1].heat[0], 300u);
}

}  // namespace
}  // namespace rve::test
