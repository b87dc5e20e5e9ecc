// The engine end to end, one thread, on the simulated disk: what is stored, replaced, deleted,
// known, refused.
#include "engine/test_kit.hpp"

namespace rve::test {
namespace {

// Moves everything into a frozen segment, then a linked one.
Status freezeAndLink(TestStore* s) {
  RVE_TRY(s->job(Job::kFreeze));
  return s->job(Job::kLink);
}

TEST(what_was_acknowledged_survives_a_power_cut_in_every_place) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(50, "pump"));
  REQUIRE_OK(freezeAndLink(&s));
  REQUIRE_OK(s.insert(40, "arm"));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.insert(30, "gate"));
  CHECK_EQ(s.differs(), std::string());
  for (int round = 0; round < 3; round++) {
    s.crash();
    REQUIRE_OK(s.open());
    CHECK_EQ(s.differs(), std::string());
    REQUIRE_OK(s.insert(5, "again"));
    if (round == 1) REQUIRE_OK(s.job(Job::kCheckpoint));
  }
}

TEST(a_given_id_replaces_its_record_in_tail_frozen_and_linked_segments) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(30, "a"));
  REQUIRE_OK(freezeAndLink(&s));
  REQUIRE_OK(s.insert(30, "b"));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.insert(30, "c"));
  REQUIRE_OK(s.insert(0, "new", {5, 35, 65}));
  CHECK_EQ(s.differs(), std::string());
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.job(Job::kCheckpoint));
  REQUIRE_OK(s.insert(0, "newer", {5, 35, 65}));
  CHECK_EQ(s.differs(), std::string());
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
}

TEST(forget_by_id_and_by_source_counts_and_holds_after_recovery) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(20, "a"));
  REQUIRE_OK(freezeAndLink(&s));
  REQUIRE_OK(s.insert(20, "b"));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.insert(20, "a"));
  uint64_t count = 0;
  REQUIRE_OK(s.forget({0, 21, 41, 999}, &count));
  CHECK_EQ(count, 3u);
  REQUIRE_OK(s.forget({0}, &count));
  CHECK_EQ(count, 0u);
  REQUIRE_OK(s.forgetSource("a", &count));
  CHECK_EQ(count, 38u);
  REQUIRE_OK(s.forgetSource("nobody", &count));
  CHECK_EQ(count, 0u);
  REQUIRE_OK(s.insert(3, "a"));  // the source lives on
  CHECK_EQ(s.differs(), std::string());
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
}

// More rows than the table of recent deaths holds; a Version held meanwhile still shows them all.
TEST(a_source_of_twenty_thousand_sealed_rows_is_forgotten_in_one_call) {
  TestStore s;
  REQUIRE_OK(s.open());
  for (int i = 0; i < 20; i++) REQUIRE_OK(s.insert(1000, "big"));
  REQUIRE_OK(s.insert(10, "small"));
  REQUIRE_OK(s.job(Job::kFreeze));
  auto held = s.engine->holdVersion();
  uint64_t count = 0;
  REQUIRE_OK(s.forgetSource("big", &count));
  CHECK_EQ(count, 20'000u);
  QueryRequest request;
  request.k = 100;
  request.vectors = s.randomVector();
  QueryResult result;
  REQUIRE_OK(held->query(request, &result));
  CHECK_EQ(result.counts[0], 100u);
  held.reset();
  REQUIRE_OK(s.engine->query(request, nullptr, &result));
  CHECK_EQ(result.counts[0], 10u);
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
}

TEST(deletes_while_a_seal_or_compaction_is_in_flight_are_not_lost) {
  TestStore s;
  s.options.tuning.dead_ratio_compact = 0.05;
  int steps = 0;
  uint64_t next = 1;
  s.options.tuning.on_step = [&] {
    steps++;
    CHECK_OK(s.forget({next, next + 20}));
    CHECK_OK(s.insert(0, "mid", {next + 1}));
    next += 2;
  };
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(60, "a"));
  REQUIRE_OK(s.job(Job::kFreeze));
  CHECK_EQ(s.differs(), std::string());
  REQUIRE_OK(s.job(Job::kLink));
  REQUIRE_OK(s.job(Job::kCompact));
  CHECK_EQ(s.differs(), std::string());
  CHECK(steps > 4);
  CHECK(s.engine->stats().compactions == 1);
  s.options.tuning.on_step = nullptr;
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
}

TEST(compaction_keeps_what_lives_and_frees_the_rest) {
  TestStore s;
  REQUIRE_OK(s.open());
  for (int i = 0; i < 4; i++) {
    REQUIRE_OK(s.insert(50, "a"));
    REQUIRE_OK(freezeAndLink(&s));
  }
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < 200; id += 3) ids.push_back(id);
  REQUIRE_OK(s.forget(ids));
  Status settled(Code::kInternal);
  REQUIRE_OK(s.engine->submitSettle([&](Status status) { settled = status; }));
  REQUIRE_OK(settled);
  CHECK_EQ(s.differs(), std::string());
  CHECK(s.engine->stats().dead_rows < 40);
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
}

// STORAGE.md 2.3: what a settled file holds beside its data is at most 1 MiB, however large its log
// runs had grown.
TEST(a_settled_store_keeps_small_log_runs_and_goes_on_from_them) {
  TestStore s(Metric::kL2, 128);
  REQUIRE_OK(s.open());
  for (int i = 0; i < 24; i++) REQUIRE_OK(s.insert(512, "a"));
  REQUIRE_OK(s.insert(3, "b"));
  CHECK(s.engine->stats().fixed_bytes > 1 << 20);
  for (int round = 0; round < 2; round++) {
    Status settled(Code::kInternal);
    REQUIRE_OK(s.engine->submitSettle([&](Status status) { settled = status; }));
    REQUIRE_OK(settled);
    const Stats stats = s.engine->stats();
    CHECK_EQ(stats.tail_rows, 0u);
    CHECK(stats.fixed_bytes + stats.reclaimable_bytes <= 1 << 20);
    s.crash();
    REQUIRE_OK(s.open());
    CHECK_EQ(s.differs(), std::string());
    REQUIRE_OK(s.insert(2000, "c"));
  }
}

// The only record of a group, where the open run has no room left.
TEST(a_clock_step_finds_its_place_in_a_full_run) {
  TestStore s;
  REQUIRE_OK(s.open());
  for (int i = 0; i < 200; i++) {
    REQUIRE_OK(s.insert(1, "a"));
    s.clock.stepWallMs(5000);
    Status done(Code::kInternal);
    REQUIRE_OK(s.engine->submitWaitDurable(0, [&](Status status) { done = status; }));
    while (s.engine->pump()) {
    }
    CHECK_OK(done);
  }
  CHECK_EQ(s.differs(), std::string());
}

TEST(a_version_held_across_commits_shows_neither_later_rows_nor_later_deaths) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(20, "a"));
  REQUIRE_OK(freezeAndLink(&s));
  REQUIRE_OK(s.insert(20, "b"));
  const Reference before = s.reference;
  auto held = s.engine->holdVersion();
  REQUIRE_OK(s.forget({3, 25}));
  REQUIRE_OK(s.insert(0, "c", {4, 26, 300}));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.job(Job::kCheckpoint));
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < 40; id++) ids.push_back(id);
  ids.push_back(300);
  std::vector<Record> records;
  REQUIRE_OK(held->get(ids, &records));
  for (size_t i = 0; i < 40; i++) {
    REQUIRE(records[i].found);
    CHECK(records[i].vector == before.at(ids[i]).vector);
  }
  CHECK(!records[40].found);
  QueryRequest request;
  request.k = 50;
  request.vectors = s.randomVector();
  QueryResult result;
  REQUIRE_OK(held->query(request, &result));
  CHECK_EQ(result.counts[0], 40u);
  held.reset();
  CHECK_EQ(s.differs(), std::string());
}

InsertBatch message(TestStore* s, uint32_t rows, uint64_t sequence, uint32_t boot = 1) {
  InsertBatch b;
  b.count = rows;
  b.source = "sensor";
  b.has_sequence = true;
  b.boot = boot;
  b.sequence = sequence;
  for (uint32_t i = 0; i < rows; i++) {
    const std::vector<float> v = s->randomVector();
    b.matrix.insert(b.matrix.end(), v.begin(), v.end());
  }
  return b;
}

TEST(a_known_sequence_is_not_stored_again_in_whatever_order_it_comes) {
  TestStore s;
  REQUIRE_OK(s.open());
  InsertResult r;
  const auto send = [&](uint32_t rows, uint64_t sequence, uint32_t boot = 1) {
    CHECK_OK(s.insertBatch(message(&s, rows, sequence, boot), &r));
    uint32_t stored = 0;
    for (const int64_t id : r.ids) stored += id >= 0 ? 1 : 0;
    return stored;
  };
  CHECK_EQ(send(3, 10), 3u);
  CHECK_EQ(send(3, 10), 0u);
  CHECK(r.lsn > 0);
  CHECK_EQ(send(4, 8), 2u);  // 8 and 9 are new, 10 and 11 known
  CHECK(r.ids[0] >= 0 && r.ids[1] >= 0 && r.ids[2] == -1 && r.ids[3] == -1);
  CHECK_EQ(send(1, 100), 1u);
  CHECK_EQ(send(1, 50), 1u);  // late, not lost
  CHECK_EQ(send(1, 50), 0u);
  CHECK_EQ(send(1, 10, 2), 1u);  // another boot counts anew
  for (int round = 0; round < 2; round++) {
    if (round == 1) REQUIRE_OK(s.job(Job::kCheckpoint));
    s.crash();
    REQUIRE_OK(s.open());
    CHECK_EQ(send(3, 10), 0u);
    CHECK_EQ(send(1, 50), 0u);
    CHECK_EQ(send(1, 100), 0u);
  }
  CHECK_EQ(s.engine->stats().live, 8u);
}

TEST(a_full_disk_refuses_inserts_but_not_deletes_and_takes_inserts_again_later) {
  TestStore s;
  s.options.bytes_max = 512 * 1024 + 40 * 65536;
  REQUIRE_OK(s.open());
  Status status;
  uint32_t batches = 0;
  while (status.ok() && batches < 2000) {
    status = s.insert(500, "a");
    batches++;
    if (status.ok() && batches % 8 == 0) {
      const Status frozen = s.job(Job::kFreeze);
      if (frozen.code() != Code::kNoSpace) CHECK_OK(frozen);
    }
  }
  CHECK_EQ(status.code(), Code::kNoSpace);
  CHECK(s.engine->stats().no_space);
  CHECK_EQ(s.differs(), std::string());
  uint64_t gone = 0;
  REQUIRE_OK(s.forgetSource("a", &gone));
  CHECK(gone > 1000);
  for (int i = 0; i < 6; i++) {
    REQUIRE_OK(s.job(Job::kFreeze));
    REQUIRE_OK(s.job(Job::kCompact));
    REQUIRE_OK(s.job(Job::kCheckpoint));
  }
  REQUIRE_OK(s.insert(500, "b"));
  CHECK(!s.engine->stats().no_space);
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
}

TEST(a_failed_sync_latches_the_store_until_it_is_opened_again) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(10, "a"));
  s.disk.failAt(SimCall::kSync, 0, Code::kIo, false);
  InsertBatch b;
  b.count = 1;
  b.matrix = s.randomVector();
  InsertResult r;
  CHECK_EQ(s.insertBatch(std::move(b), &r).code(), Code::kIo);
  CHECK(s.engine->stats().latched);
  CHECK_EQ(s.insert(1, "a").code(), Code::kLatched);
  CHECK_EQ(s.forget({999}).code(), Code::kLatched);
  QueryRequest request;
  request.vectors = s.randomVector();
  QueryResult result;
  CHECK_OK(s.engine->query(request, nullptr, &result));  // reading goes on
  CHECK_EQ(result.counts[0], 10u);
  s.disk.forgetFault();
  s.crash();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
  REQUIRE_OK(s.insert(1, "a"));
}

TEST(a_read_only_memory_answers_and_refuses_every_write) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(10, "a"));
  s.crash();
  s.options.read_only = true;
  const uint64_t changes = s.disk.changes();
  REQUIRE_OK(s.open());
  CHECK_EQ(s.differs(), std::string());
  InsertBatch b;
  b.count = 1;
  b.matrix = s.randomVector();
  CHECK_EQ(s.engine->submitInsert(std::move(b), nullptr).code(), Code::kReadOnly);
  CHECK_EQ(s.engine->submitForget({1}, nullptr).code(), Code::kReadOnly);
  CHECK_EQ(s.engine->submitForgetSource("a", nullptr).code(), Code::kReadOnly);
  CHECK_EQ(s.engine->submitCheckpoint(nullptr).code(), Code::kReadOnly);
  CHECK_EQ(s.engine->submitSettle(nullptr).code(), Code::kReadOnly);
  CHECK_EQ(s.job(Job::kFreeze).code(), Code::kReadOnly);
  CHECK_OK(s.engine->close());
  CHECK_EQ(s.disk.changes(), changes);
}

TEST(a_closed_memory_refuses_calls_and_closes_again_without_harm) {
  TestStore s;
  REQUIRE_OK(s.open());
  REQUIRE_OK(s.insert(10, "a"));
  // Queued, not yet in a group: close drains it.
  InsertBatch b;
  b.count = 1;
  b.matrix = s.randomVector();
  Status drained(Code::kInternal);
  REQUIRE_OK(s.engine->submitInsert(std::move(b), [&](InsertResult&& r) { drained = r.status; }));
  CHECK_OK(s.engine->close());
  CHECK_OK(drained);
  CHECK_OK(s.engine->close());
  InsertBatch late;
  late.count = 1;
  late.matrix = s.randomVector();
  CHECK_EQ(s.engine->submitInsert(std::move(late), nullptr).code(), Code::kClosed);
  CHECK_EQ(s.engine->submitForget({1}, nullptr).code(), Code::kClosed);
  QueryRequest request;
  request.vectors = s.randomVector();
  QueryResult result;
  CHECK_EQ(s.engine->query(request, nullptr, &result).code(), Code::kClosed);
  REQUIRE_OK(s.open());
  CHECK_EQ(s.engine->stats().live, 11u);
}

TEST(malformed_batches_are_refused_at_the_door_with_their_own_code) {
  TestStore s(Metric::kCosine);
  REQUIRE_OK(s.open());
  const auto code = [&](const std::function<void(InsertBatch*)>& spoil) {
    InsertBatch b;
    b.count = 2;
    b.matrix.assign(16, 1.0f);
    spoil(&b);
    return s.engine->submitInsert(std::move(b), nullptr).code();
  };
  CHECK_EQ(code([](InsertBatch* b) { b->matrix.pop_back(); }), Code::kDimensions);
  CHECK_EQ(code([](InsertBatch* b) { b->matrix[9] = NAN; }), Code::kVector);
  CHECK_EQ(code([](InsertBatch* b) { b->matrix[9] = INFINITY; }), Code::kVector);
  CHECK_EQ(code([](InsertBatch* b) { b->matrix.assign(16, 0.0f); }), Code::kVector);
  CHECK_EQ(code([](InsertBatch* b) { b->ids = {1, kIdMax + 1}; }), Code::kIdRange);
  CHECK_EQ(code([](InsertBatch* b) { b->ids = {4, 4}; }), Code::kIdDuplicate);
  CHECK_EQ(code([](InsertBatch* b) { b->ids = {4}; }), Code::kArgument);
  CHECK_EQ(code([](InsertBatch* b) { b->times_ms = {4}; }), Code::kArgument);
  CHECK_EQ(code([](InsertBatch* b) { b->labels = {"a", "b", "c"}; }), Code::kArgument);
  CHECK_EQ(code([](InsertBatch* b) { b->source = "\xFF"; }), Code::kName);
  CHECK_EQ(code([](InsertBatch* b) { b->labels = {std::string(257, 'x')}; }), Code::kName);
  CHECK_EQ(code([](InsertBatch* b) { b->has_sequence = true; }), Code::kArgument);
  CHECK_EQ(code([](InsertBatch* b) {
    b->payload_bytes.resize(kPayloadBytesMax + 1);
    b->payload_ends = {0, kPayloadBytesMax + 1};
  }), Code::kPayload);
  CHECK_EQ(code([](InsertBatch* b) { b->payload_ends = {5, 3}; }), Code::kArgument);
  CHECK_EQ(code([](InsertBatch* b) { b->count = 0; }), Code::kArgument);
  CHECK_EQ(s.engine->queueBytes(), 0u);
}

TEST(open_refuses_options_that_contradict_the_file) {
  TestStore s;
  REQUIRE_OK(s.open());
  s.engine.reset();
  s.options.dimensions = 9;
  CHECK_EQ(s.open().code(), Code::kContradiction);
  s.options.dimensions = 0;
  s.options.metric = Metric::kCosine;
  CHECK_EQ(s.open().code(), Code::kContradiction);
  s.options.has_metric = false;
  REQUIRE_OK(s.open());
  CHECK_EQ(s.engine->dimensions(), 8u);
  s.engine.reset();
  s.options.path = "absent.rve";
  s.options.create_if_missing = false;
  CHECK_EQ(s.open().code(), Code::kNotFound);
}

TEST(a_batch_larger_than_a_group_is_split_in_order_and_one_that_fits_is_not) {
  TestStore s;
  s.options.layout.page_bytes = 512;
  s.options.layout.chunk_bytes = 4096;
  s.options.layout.group_bytes_max = 8192;
  REQUIRE_OK(s.open());
  const uint32_t fits = s.engine->atomicRows();
  CHECK(fits > 20);
  InsertBatch one = message(&s, fits, 0);
  one.has_sequence = false;
  one.source.clear();
  InsertResult r;
  const uint64_t before = s.engine->stats().groups;
  REQUIRE_OK(s.insertBatch(std::move(one), &r));
  CHECK_EQ(s.engine->stats().groups, before + 1);
  InsertBatch many = message(&s, 5 * fits, 0);
  REQUIRE_OK(s.insertBatch(std::move(many), &r));
  CHECK(s.engine->stats().groups >= before + 6);
  for (size_t i = 1; i < r.ids.size(); i++) CHECK_EQ(r.ids[i], r.ids[i - 1] + 1);
  CHECK_EQ(s.engine->stats().live, 6u * fits);
}

}  // namespace
}  // namespace rve::test
