// The engine with its own threads on the real disk: levels of durability, company in a group, the
// full queue, and what close() promises. Nothing here sleeps: each step waits for a completion.
#include <stdlib.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/test_kit.hpp"

namespace rve::test {
namespace {

// A latch that a completion opens.
class Gate {
 public:
  void open(Status status) {
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
    opened_++;
    wakeup_.notify_all();
  }
  Status wait(uint32_t count = 1) {
    std::unique_lock lock(mutex_);
    wakeup_.wait(lock, [&] { return opened_ >= count; });
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wakeup_;
  uint32_t opened_ = 0;
  Status status_;
};

struct RealStore {
  RealStore() {
    const char* base = getenv("TMPDIR");
    std::string name = std::string(base != nullptr ? base : "/tmp") + "/rve-threaded-XXXXXX";
    made = mkdtemp(name.data()) != nullptr;
    folder = name;
    options.path = folder + "/robot.rve";
    options.dimensions = 16;
    options.has_metric = true;
    options.metric = Metric::kL2;
    options.tuning.query_threads = 2;
  }
  ~RealStore() {
    engine.reset();
    unlink(options.path.c_str());
    rmdir(folder.c_str());
  }
  Status open() {
    engine.reset();
    return Engine::open(options, &engine);
  }
  InsertBatch batch(uint32_t rows) {
    InsertBatch b;
    b.count = rows;
    for (uint32_t i = 0; i < rows * 16; i++) {
      b.matrix.push_back(static_cast<float>(rng.below(1000)) / 100.0f);
    }
    return b;
  }
  Status insert(uint32_t rows, InsertResult* out) {
    Gate gate;
    RVE_TRY(engine->submitInsert(batch(rows), [&](InsertResult&& r) {
      *out = std::move(r);
      gate.open(out->status);
    }));
    return gate.wait();
  }

  bool made = false;
  std::string folder;
  OpenOptions options;
  std::unique_ptr<Engine> engine;
  SimRng rng{1};
};

TEST(at_level_group_a_completion_means_that_its_bytes_are_synced) {
  RealStore s;
  REQUIRE(s.made);
  REQUIRE_OK(s.open());
  for (int i = 0; i < 5; i++) {
    InsertResult r;
    REQUIRE_OK(s.insert(3, &r));
    CHECK(s.engine->stats().durable_lsn >= r.lsn);
  }
}

TEST(at_level_sync_no_two_calls_share_a_group) {
  RealStore s;
  s.options.durability = Durability::kSync;
  REQUIRE_OK(s.open());
  const uint64_t before = s.engine->stats().groups;
  Gate gate;
  for (int i = 0; i < 8; i++) {
    REQUIRE_OK(s.engine->submitInsert(s.batch(1), [&](InsertResult&& r) { gate.open(r.status); }));
  }
  CHECK_OK(gate.wait(8));
  CHECK_EQ(s.engine->stats().groups, before + 8);
}

// Otherwise a settle() right behind it sees an empty tail, and has nothing to do.
TEST(what_is_acknowledged_is_in_the_statistics_before_its_caller_is_told) {
  RealStore s;
  REQUIRE_OK(s.open());
  for (uint64_t rows = 3; rows <= 9; rows += 3) {
    Gate gate;
    uint64_t seen = 0;
    REQUIRE_OK(s.engine->submitInsert(s.batch(3), [&](InsertResult&& r) {
      seen = s.engine->stats().tail_rows;
      gate.open(r.status);
    }));
    REQUIRE_OK(gate.wait());
    CHECK_EQ(seen, rows);
  }
}

TEST(an_opened_store_reads_its_codes_ahead_of_further_queries) {
  RealStore s;
  REQUIRE_OK(s.open());
  InsertResult r;
  REQUIRE_OK(s.insert(600, &r));
  Gate gate;
  REQUIRE_OK(s.engine->submitSettle([&](Status status) { gate.open(status); }));
  REQUIRE_OK(gate.wait());
  CHECK_EQ(s.engine->stats().warmed_bytes, 0u);
  REQUIRE_OK(s.engine->close());
  REQUIRE_OK(s.open());
  // A code of 16 dimensions takes 2 bytes at least.
  while (s.engine->stats().warmed_bytes < 600 * 2) std::this_thread::yield();
  CHECK_EQ(s.engine->stats().linked_rows, 600u);
}

TEST(at_levels_interval_and_buffered_wait_durable_makes_what_was_told_durable) {
  for (const Durability level : {Durability::kInterval, Durability::kBuffered}) {
    RealStore s;
    s.options.durability = level;
    s.options.interval_ms = 3'600'000;
    REQUIRE_OK(s.open());
    InsertResult r;
    REQUIRE_OK(s.insert(3, &r));
    if (level == Durability::kInterval) CHECK(s.engine->stats().durable_lsn < r.lsn);
    Gate gate;
    REQUIRE_OK(s.engine->submitWaitDurable(r.lsn, [&](Status status) { gate.open(status); }));
    CHECK_OK(gate.wait());
    CHECK(s.engine->stats().durable_lsn >= r.lsn);
    REQUIRE_OK(s.engine->close());
    REQUIRE_OK(s.open());
    CHECK_EQ(s.engine->stats().live, 3u);
  }
}

TEST(a_lingering_group_takes_company_and_closes_early_once_enough_wait) {
  RealStore s;
  s.options.linger_ms = 3'600'000;  // only the early close can end it
  REQUIRE_OK(s.open());
  const uint64_t before = s.engine->stats().groups;
  Gate gate;
  for (int i = 0; i < 32; i++) {
    REQUIRE_OK(s.engine->submitInsert(s.batch(1), [&](InsertResult&& r) { gate.open(r.status); }));
  }
  CHECK_OK(gate.wait(32));
  CHECK_OK(s.engine->close());
  CHECK_EQ(s.engine->stats().groups, before + 1);
}

TEST(a_full_queue_answers_busy_and_tells_when_it_has_room) {
  RealStore s;
  REQUIRE_OK(s.open());
  // The committer is held inside a completion, so that nothing drains.
  Gate entered, leave, done;
  REQUIRE_OK(s.engine->submitInsert(s.batch(1), [&](InsertResult&& r) {
    entered.open(r.status);
    static_cast<void>(leave.wait());
  }));
  REQUIRE_OK(entered.wait());
  uint32_t accepted = 0;
  Status status;
  while (accepted < 100) {
    InsertBatch large = s.batch(10);  // most of it payload, so that few rows fill the queue
    large.payload_bytes.resize(10 * size_t{kPayloadBytesMax});
    for (uint32_t row = 1; row <= 10; row++) large.payload_ends.push_back(row * kPayloadBytesMax);
    status =
        s.engine->submitInsert(std::move(large), [&](InsertResult&& r) { done.open(r.status); });
    if (!status.ok()) break;
    accepted++;
  }
  CHECK_EQ(status.code(), Code::kBusy);
  CHECK(s.engine->queueBytes() <= kQueueBytesMax);
  Gate room;
  s.engine->onceQueueHasRoom([&] { room.open(Status()); });
  leave.open(Status());
  CHECK_OK(room.wait());
  CHECK(s.engine->queueBytes() <= kQueueBytesMax / 2);
  CHECK_OK(done.wait(accepted));
  CHECK_EQ(s.engine->stats().live, 1u + 10ull * accepted);
}

TEST(close_drains_inserts_ends_queries_and_lets_the_next_opener_in) {
  RealStore s;
  REQUIRE_OK(s.open());
  std::atomic<uint32_t> completed{0}, failed{0};
  for (int i = 0; i < 50; i++) {
    REQUIRE_OK(s.engine->submitInsert(s.batch(10), [&](InsertResult&& r) {
      completed++;
      if (!r.status.ok()) failed++;
    }));
  }
  std::atomic<uint32_t> answered{0};
  for (int i = 0; i < 20; i++) {
    QueryRequest request;
    request.vectors = s.batch(1).matrix;
    REQUIRE_OK(s.engine->submitQuery(std::move(request), nullptr,
                                     [&](Status, QueryResult&&) { answered++; }));
  }
  CHECK_OK(s.engine->close());
  CHECK_EQ(completed.load(), 50u);
  CHECK_EQ(failed.load(), 0u);
  CHECK_EQ(answered.load(), 20u);
  CHECK_OK(s.engine->close());
  std::unique_ptr<Engine> next;  // while the closed one still exists
  REQUIRE_OK(Engine::open(s.options, &next));
  CHECK_EQ(next->stats().live, 500u);
}

TEST(a_second_writer_is_refused_while_the_first_has_the_store) {
  RealStore s;
  REQUIRE_OK(s.open());
  std::unique_ptr<Engine> second;
  CHECK_EQ(Engine::open(s.options, &second).code(), Code::kBusy);
  CheckReport report;
  auto disk = makePosixDisk();
  auto clock = makePosixClock();
  auto rng = makePosixRng();
  CHECK_EQ(repairFile(*disk, *clock, *rng, s.options.path, &report).code(), Code::kBusy);
}

// Method: writers, deleters and queries at once, with seals and links in between. Under
// ThreadSanitizer too.
TEST(queries_beside_inserts_deletes_and_seals_return_only_what_was_ever_stored) {
  RealStore s;
  s.options.tuning.freeze_rows = 100;
  REQUIRE_OK(s.open());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0}, asked{0};
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < 3; i++) {
    readers.emplace_back([&, i] {
      SimRng own(100 + i);
      while (!stop.load(std::memory_order_relaxed)) {
        QueryRequest request;
        for (int d = 0; d < 16; d++) {
          request.vectors.push_back(static_cast<float>(own.below(1000)) / 100.0f);
        }
        QueryResult result;
        if (!s.engine->query(request, nullptr, &result).ok() || result.degraded) wrong++;
        for (uint32_t j = 1; j < result.counts[0]; j++) {
          const bool ordered = result.scores[j] >= result.scores[j - 1];
          if (!ordered || result.ids[j] == result.ids[j - 1] || result.ids[j] >= 600) wrong++;
        }
        asked++;
      }
    });
  }
  uint64_t deleted = 0;
  for (int i = 0; i < 10; i++) {
    InsertResult r;
    REQUIRE_OK(s.insert(60, &r));
    Gate gate;
    ForgetResult f;
    REQUIRE_OK(s.engine->submitForget(
        {static_cast<uint64_t>(i) * 30, static_cast<uint64_t>(r.ids[7])}, [&](ForgetResult&& got) {
          f = std::move(got);
          gate.open(f.status);
        }));
    REQUIRE_OK(gate.wait());
    deleted += f.count;
  }
  Gate settled;
  REQUIRE_OK(s.engine->submitSettle([&](Status status) { settled.open(status); }));
  CHECK_OK(settled.wait());
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK_EQ(wrong.load(), 0u);
  CHECK(asked.load() > 0);
  CHECK_EQ(s.engine->stats().live, 600 - deleted);
  CHECK(s.engine->stats().freezes > 0);
  CheckReport report;
  CHECK_OK(s.engine->check(true, &report));
  CHECK(report.ok);
}

}  // namespace
}  // namespace rve::test
