// Versions under threads, and the deaths that an older Version must not see. Run these under
// ThreadSanitizer too.
//
// Versions live on the heap here: under AddressSanitizer's use-after-return check g++ 12 gives a
// stack object less than the 64-byte alignment it asks for.
#include <memory>
#include <thread>

#include "engine/row_marks.hpp"
#include "engine/version.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

std::unique_ptr<const Version> makeVersion(uint64_t lsn) {
  auto version = std::make_unique<Version>();
  version->lsn = lsn;
  version->tail_end = lsn * 3;
  return version;
}

TEST(a_held_version_stays_whole_until_it_is_released) {
  const auto made = std::make_unique<Versions>();
  Versions& versions = *made;
  versions.publish(makeVersion(1));
  VersionHold held = versions.hold();
  for (uint64_t lsn = 2; lsn < 10; lsn++) versions.publish(makeVersion(lsn));
  CHECK_EQ(held->lsn, 1u);
  CHECK_EQ(versions.collect(), 1u);
  VersionHold moved = std::move(held);
  CHECK(!held);
  CHECK_EQ(versions.collect(), 1u);
  moved.reset();
  CHECK_EQ(versions.collect(), 9u);
  CHECK_EQ(versions.hold()->lsn, 9u);
}

// Method: readers hold and look while one writer publishes and frees; a freed Version would show
// another sum.
TEST(readers_never_see_a_freed_or_older_version_than_before) {
  const auto made = std::make_unique<Versions>();
  Versions& versions = *made;
  versions.publish(makeVersion(1));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0}, looks{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 6; i++) {
    readers.emplace_back([&] {
      uint64_t before = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        const VersionHold hold = versions.hold();
        const uint64_t lsn = hold->lsn;
        if (lsn < before || hold->tail_end != lsn * 3) wrong++;
        before = lsn;
        looks++;
      }
    });
  }
  uint64_t lsn = 1;
  while (looks.load() < 3000 || lsn < 3000) versions.publish(makeVersion(++lsn));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK_EQ(wrong.load(), 0u);
  CHECK_EQ(versions.collect(), lsn);
}

TEST(more_holders_than_slots_wait_for_one_another) {
  const auto made = std::make_unique<Versions>();
  Versions& versions = *made;
  versions.publish(makeVersion(1));
  std::vector<VersionHold> holds;
  for (uint32_t i = 0; i < kReaderSlotsMax; i++) holds.push_back(versions.hold());
  std::atomic<bool> got{false};
  std::thread late([&] {
    const VersionHold hold = versions.hold();
    got = hold->lsn == 1;
  });
  holds.pop_back();
  late.join();
  CHECK(got.load());
}

TEST(marks_count_each_death_once_and_list_them_in_order) {
  RowMarks marks(200);
  CHECK(marks.kill(199));
  CHECK(marks.kill(0));
  CHECK(marks.kill(64));
  CHECK(!marks.kill(64));
  CHECK_EQ(marks.deadCount(), 3u);
  CHECK(marks.deadRows() == std::vector<uint32_t>({0, 64, 199}));
  CHECK(!marks.isDead(63));
}

TEST(recent_deaths_are_found_by_segment_and_row_until_cleared) {
  RecentDeaths recent;
  RowMarks a(20'000), b(20'000);
  for (uint32_t row = 0; row < RecentDeaths::kEntriesMax; row++) {
    recent.add(row % 2 == 0 ? &a : &b, row, 1000 + row);
  }
  CHECK(recent.full());
  // More than one table holds.
  for (uint32_t row = RecentDeaths::kEntriesMax; row < 20'000; row++) {
    recent.add(row % 2 == 0 ? &a : &b, row, 1000 + row);
  }
  CHECK_EQ(recent.youngestLsn(), 20'999u);
  uint32_t wrong = 0;
  for (uint32_t row = 0; row < 20'000; row++) {
    if (recent.find(row % 2 == 0 ? &a : &b, row) != 1000 + row) wrong++;
    if (recent.find(row % 2 == 0 ? &b : &a, row) != 0) wrong++;
  }
  CHECK_EQ(wrong, 0u);
  recent.clear();
  CHECK(recent.empty());
  CHECK_EQ(recent.find(&a, 0), 0u);
  CHECK_EQ(recent.find(&a, 19'998), 0u);
  recent.add(&a, 5, 30'000);
  CHECK_EQ(recent.find(&a, 5), 30'000u);
}

}  // namespace
}  // namespace rve::test
