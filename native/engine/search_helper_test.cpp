// A second thread that scans while a query walks: each part is done once, by whoever comes first,
// and an answer does not show who did it.
#include "engine/search_helper.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <condition_variable>

#include "engine/test_kit.hpp"

namespace rve::test {
namespace {

struct Counted final : SearchPart {
  void run() override { runs++; }
  uint32_t runs = 0;  // written by one thread at a time
};

// Runs until it is let go.
struct Held final : SearchPart {
  void run() override {
    std::unique_lock lock(mutex);
    begun = true;
    changed.notify_all();
    changed.wait(lock, [this] { return let_go; });
  }
  void waitUntilBegun() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return begun; });
  }
  void letGo() {
    std::lock_guard lock(mutex);
    let_go = true;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool begun = false, let_go = false;
};

TEST(a_part_is_run_once_by_the_helper_or_by_who_takes_it_back) {
  SearchHelper helper;
  uint64_t taken_back = 0, refused = 0;
  for (int i = 0; i < 2000; i++) {
    Counted part;
    if (!helper.offer(&part)) {
      refused++;  // it has not yet come back from the part before
      continue;
    }
    const bool mine = helper.takeBack(&part);
    if (mine) taken_back++;
    CHECK_EQ(part.runs, mine ? 0u : 1u);
  }
  Held held;  // whatever is accepted before it has been counted once it runs
  while (!helper.offer(&held)) std::this_thread::yield();
  held.waitUntilBegun();
  CHECK_EQ(helper.ran() + taken_back + refused, 2000u);
  held.letGo();
  CHECK(!helper.takeBack(&held));
}

TEST(a_busy_helper_takes_no_offer) {
  SearchHelper helper;
  Held held;
  Counted other;
  REQUIRE(helper.offer(&held));
  held.waitUntilBegun();
  CHECK(!helper.offer(&other));
  held.letGo();
  CHECK(!helper.takeBack(&held));
  CHECK_EQ(other.runs, 0u);
}

// Linked rows and a tail, on the real disk with the engine's own threads.
struct HelpedStore {
  static constexpr uint32_t kDims = 16;

  HelpedStore() {
    const char* base = getenv("TMPDIR");
    folder = std::string(base != nullptr ? base : "/tmp") + "/rve-helped-XXXXXX";
    made = mkdtemp(folder.data()) != nullptr;
    options.path = folder + "/robot.rve";
    options.dimensions = kDims;
    options.has_metric = true;
    options.metric = Metric::kL2;
    options.tiers.profile = Profile::kPrecise;
    options.tuning.helped_rows = 1;
    options.tuning.freeze_rows = 2000;
  }
  ~HelpedStore() {
    engine.reset();
    unlink(options.path.c_str());
    rmdir(folder.c_str());
  }
  std::vector<float> vector() {
    std::vector<float> v(kDims);
    for (float& x : v) x = static_cast<float>(rng.below(100'000)) / 1000.0f;
    return v;
  }
  Status waitFor(const std::function<Status(Done)>& submit) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    Status result;
    RVE_TRY(submit([&](Status status) {
      std::lock_guard lock(mutex);
      result = std::move(status);
      done = true;
      changed.notify_all();
    }));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
    return result;
  }
  Status insert(uint32_t count) {
    InsertBatch batch;
    batch.count = count;
    for (uint32_t i = 0; i < count; i++) {
      rows.push_back(vector());
      batch.matrix.insert(batch.matrix.end(), rows.back().begin(), rows.back().end());
    }
    return waitFor([&](Done done) {
      return engine->submitInsert(std::move(batch),
                                  [done](InsertResult&& r) { done(std::move(r.status)); });
    });
  }
  Status settle() {
    return waitFor([&](Done done) { return engine->submitSettle(std::move(done)); });
  }
  Status forget(std::vector<uint64_t> ids) {
    for (const uint64_t id : ids) rows[id].clear();
    return waitFor([&](Done done) {
      return engine->submitForget(std::move(ids),
                                  [done](ForgetResult&& f) { done(std::move(f.status)); });
    });
  }
  // Share of the ten nearest that a query finds. Ids are row numbers.
  double recall() {
    QueryRequest request;
    request.vectors = vector();
    request.k = 10;
    QueryResult result;
    CHECK_OK(engine->query(request, nullptr, &result));
    std::vector<std::pair<double, int64_t>> all;
    for (size_t id = 0; id < rows.size(); id++) {
      if (rows[id].empty()) continue;
      double sum = 0;
      for (uint32_t d = 0; d < kDims; d++) {
        const double difference = double{rows[id][d]} - request.vectors[d];
        sum += difference * difference;
      }
      all.push_back({sum, static_cast<int64_t>(id)});
    }
    std::partial_sort(all.begin(), all.begin() + 10, all.end());
    uint32_t found = 0;
    for (const int64_t id : result.ids) {
      for (int i = 0; i < 10; i++) found += all[static_cast<size_t>(i)].second == id ? 1 : 0;
    }
    return found / 10.0;
  }

  bool made = false;
  std::string folder;
  OpenOptions options;
  std::unique_ptr<Engine> engine;
  std::vector<std::vector<float>> rows;  // empty: forgotten
  SimRng rng{1};
};

// 1,500 rows are scanned by code, 500 are compared exactly.
TEST(what_a_helper_scanned_is_found_like_all_else) {
  for (const uint32_t tail : {1500u, 500u}) {
    HelpedStore s;
    REQUIRE(s.made);
    REQUIRE_OK(Engine::open(s.options, &s.engine));
    REQUIRE_OK(s.insert(4000));
    REQUIRE_OK(s.settle());
    REQUIRE_OK(s.insert(tail));
    REQUIRE_OK(s.forget({4003, 4007, 4499}));
    REQUIRE(s.engine->stats().linked_rows > 0);
    REQUIRE(s.engine->stats().tail_rows > 0);
    double found = 0;
    uint32_t asked = 0;
    // A machine of one core has no helper. Others have been helped after few queries.
    const bool helped = std::thread::hardware_concurrency() > 1;
    while (asked < 50 || (helped && s.engine->stats().helped < 20 && asked < 20'000)) {
      found += s.recall();
      asked++;
    }
    CHECK(found / asked > 0.97);
    CHECK(!helped || s.engine->stats().helped >= 20);
  }
}

}  // namespace
}  // namespace rve::test
