// A second thread that scans while a query walks: each part is done once, by whoever comes first,
// and an answer does not show who did it.
#include "engine/search_helper.hpp"

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

// Rows in four graphs, rows that wait for links, in lists or not, and a tail.
struct Helped : TestStore {
  static constexpr uint32_t kDims = 16;

  explicit Helped(uint32_t lists_from) : TestStore(Metric::kL2, kDims, seed()) {
    options.tuning.helped_rows = 1;
    options.tuning.helped_when_manual = true;
    options.tuning.code_list_rows = lists_from;
  }
  Status fill(uint32_t tail) {
    RVE_TRY(open());
    for (int graph = 0; graph < 4; graph++) {
      RVE_TRY(insert(500, "pump"));
      RVE_TRY(job(Job::kFreeze));
      RVE_TRY(job(Job::kLink));
    }
    for (const uint32_t rows : {600u, 400u}) {
      RVE_TRY(insert(rows, "pump"));
      RVE_TRY(job(Job::kFreeze));
    }
    return insert(tail, "fan");
  }
  // Share of the ten nearest that a query finds.
  double recall(const Filter& filter = {}) {
    QueryRequest request;
    request.vectors = randomVector();
    request.k = 10;
    request.filter = filter;
    QueryResult result;
    CHECK_OK(engine->query(request, nullptr, &result));
    CHECK(!result.degraded);
    const auto truth = refQuery(reference, options.metric, request.vectors, 10, filter);
    double found = 0;
    for (const int64_t id : truth)
      found += static_cast<double>(std::count(result.ids.begin(), result.ids.end(), id));
    return found / static_cast<double>(truth.size());
  }
};

// A tail of 1,500 rows is scanned by code, one of 500 compared exactly.
TEST(what_a_helper_searched_is_found_like_all_else) {
  for (const auto& [lists_from, tail] : {std::pair{400u, 1500u}, std::pair{0u, 500u}}) {
    Helped s(lists_from);
    REQUIRE_OK(s.fill(tail));
    REQUIRE_EQ(s.engine->stats().linked_rows, 2000u);
    REQUIRE_OK(s.forget({3, 1004, 2100, 2700, 3100}));
    Filter fan;
    fan.source = "fan";
    double found = 0, of_fan = 0;
    uint32_t asked = 0;
    // A machine of one core has no helper. Others help before long.
    const bool helps = std::thread::hardware_concurrency() > 1;
    while (asked < 30 || (helps && s.engine->stats().helped < 30 && asked < 20'000)) {
      found += s.recall();
      of_fan += s.recall(fan);
      asked++;
    }
    CHECK(found / asked > 0.97);
    CHECK(of_fan / asked > 0.97);
    CHECK(!helps || s.engine->stats().helped >= 30);
  }
}

}  // namespace
}  // namespace rve::test
