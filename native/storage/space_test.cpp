#include "storage/space.hpp"

#include <atomic>
#include <thread>

#include "test/sim/sim_disk.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

struct Bench {
  explicit Bench(uint32_t chunks_max = 200) : disk(options()) {
    layout.page_bytes = 512;
    layout.chunk_bytes = 4096;
    opened = disk.open("space", OpenMode::kCreateExclusive, &file);
    if (opened.ok()) opened = file->grow(fileBytesOf(layout, 0));
    map = std::make_unique<SpaceMap>(file.get(), layout, fileBytesOf(layout, chunks_max));
  }
  static SimDiskOptions options() {
    SimDiskOptions o;
    o.file_bytes_max = 2 << 20;
    return o;
  }
  SimDisk disk;
  Layout layout;
  std::unique_ptr<File> file;
  std::unique_ptr<SpaceMap> map;
  Status opened;
};

TEST(a_chunk_is_given_again_only_after_its_last_pin_is_gone) {
  Bench b;
  REQUIRE_OK(b.opened);
  RunPin first, other;
  REQUIRE_OK(b.map->allocate(3, SpacePurpose::kSystem, &first));
  const Run run = first.run();
  RunPin copy = first;
  first = RunPin();
  REQUIRE_OK(b.map->allocate(3, SpacePurpose::kSystem, &other));
  CHECK(!(other.run() == run));
  CHECK(!b.map->isUnpinned(run));
  copy = RunPin();
  CHECK(b.map->isUnpinned(run));
  RunPin again;
  REQUIRE_OK(b.map->allocate(3, SpacePurpose::kSystem, &again));
  CHECK_EQ(again.run().first_chunk, run.first_chunk);
}

// Method: random allocations and releases beside a reference of who owns what.
TEST(no_two_pins_ever_share_a_chunk) {
  Bench b;
  REQUIRE_OK(b.opened);
  SimRng rng(seed());
  std::vector<RunPin> pins;
  uint32_t shared = 0;
  for (int step = 0; step < 3000; step++) {
    if (rng.chance(45) && !pins.empty()) {
      const size_t at = rng.below(pins.size());
      std::swap(pins[at], pins.back());
      pins.pop_back();
      continue;
    }
    RunPin pin;
    if (!b.map->allocate(1 + static_cast<uint32_t>(rng.below(7)), SpacePurpose::kSystem, &pin)
             .ok()) {
      continue;
    }
    for (const RunPin& other : pins) {
      const Run& x = pin.run();
      const Run& y = other.run();
      if (x.first_chunk < y.first_chunk + y.chunks && y.first_chunk < x.first_chunk + x.chunks) {
        shared++;
      }
    }
    pins.push_back(std::move(pin));
    if (step % 500 == 499) CHECK_OK(b.map->trim());
  }
  CHECK_EQ(shared, 0u);
  const SpaceUse use = b.map->use();
  CHECK_EQ(use.pinned + use.free_allocated + use.holes, use.chunk_count);
  CHECK(use.chunk_count <= 200);
}

// Method: what the committer and the background do at once, each run marked as owned while it is
// held. (A kill under load found that a run was chosen under one lock and pinned under the next.)
TEST(two_threads_that_allocate_at_once_never_get_the_same_chunk) {
  Bench b;
  REQUIRE_OK(b.opened);
  std::vector<std::atomic<uint32_t>> owners(201);
  std::atomic<uint32_t> shared{0}, waiting{2};
  const auto work = [&](uint64_t seed_of_thread) {
    SimRng rng(seed_of_thread);
    for (waiting--; waiting > 0;) std::this_thread::yield();
    for (int step = 0; step < 200'000; step++) {
      RunPin pin;
      const auto chunks = static_cast<uint32_t>(1 + rng.below(4));
      if (!b.map->allocate(chunks, SpacePurpose::kSystem, &pin).ok()) continue;
      const Run run = pin.run();
      for (uint32_t i = 0; i < run.chunks; i++) shared += owners[run.first_chunk + i]++;
      for (uint32_t i = 0; i < run.chunks; i++) owners[run.first_chunk + i]--;
    }
  };
  std::thread other(work, seed() + 1);
  work(seed());
  other.join();
  CHECK_EQ(shared.load(), 0u);
}

TEST(data_leaves_the_reserve_to_seals_and_checkpoints) {
  Bench b(32);
  REQUIRE_OK(b.opened);
  b.map->setReserve(8);
  std::vector<RunPin> data, seals, system;
  const auto fill = [&](SpacePurpose purpose, std::vector<RunPin>* pins) {
    for (RunPin pin; b.map->allocate(1, purpose, &pin).ok();) pins->push_back(std::move(pin));
  };
  fill(SpacePurpose::kData, &data);
  CHECK_EQ(data.size(), 24u);
  fill(SpacePurpose::kSeal, &seals);
  CHECK_EQ(seals.size(), 4u);
  fill(SpacePurpose::kSystem, &system);
  CHECK_EQ(system.size(), 4u);
  RunPin pin;
  CHECK_EQ(b.map->allocate(1, SpacePurpose::kSystem, &pin).code(), Code::kNoSpace);
}

TEST(the_reserve_is_space_and_never_a_hole) {
  Bench b(64);
  REQUIRE_OK(b.opened);
  b.map->setReserve(6);
  RunPin pin;
  REQUIRE_OK(b.map->allocate(10, SpacePurpose::kData, &pin));
  pin = RunPin();
  REQUIRE_OK(b.map->trim());
  CHECK_EQ(b.map->use().free_allocated, 6u);
  // The disk is full from here on: what was held back is still there.
  b.disk.failAt(SimCall::kReserve, 0, Code::kNoSpace, true);
  REQUIRE_OK(b.map->allocate(1, SpacePurpose::kSystem, &pin));
}

TEST(a_refused_allocation_changes_nothing) {
  Bench b(40);
  REQUIRE_OK(b.opened);
  RunPin held;
  REQUIRE_OK(b.map->allocate(4, SpacePurpose::kSystem, &held));
  const SpaceUse before = b.map->use();
  RunPin pin;
  CHECK_EQ(b.map->allocate(100, SpacePurpose::kSystem, &pin).code(), Code::kNoSpace);
  b.disk.failAt(SimCall::kGrow, 0, Code::kNoSpace, true);
  CHECK_EQ(b.map->allocate(30, SpacePurpose::kSystem, &pin).code(), Code::kNoSpace);
  CHECK(!pin);
  CHECK_EQ(b.map->use().pinned, before.pinned);
  CHECK_EQ(b.map->use().chunk_count, before.chunk_count);
}

TEST(a_hole_gets_space_again_before_it_is_given) {
  Bench b(64);
  REQUIRE_OK(b.opened);
  RunPin pin;
  REQUIRE_OK(b.map->allocate(20, SpacePurpose::kSystem, &pin));
  pin = RunPin();
  REQUIRE_OK(b.map->trim());
  const uint64_t trimmed = b.file->allocatedBytes();
  REQUIRE_OK(b.map->allocate(20, SpacePurpose::kSystem, &pin));
  CHECK(b.file->allocatedBytes() >= trimmed + 20 * 4096);
}

TEST(shortening_a_run_frees_its_end) {
  Bench b;
  REQUIRE_OK(b.opened);
  RunPin pin;
  REQUIRE_OK(b.map->allocate(8, SpacePurpose::kSystem, &pin));
  const Run whole = pin.run();
  b.map->shorten(&pin, 3);
  CHECK_EQ(pin.run().chunks, 3u);
  CHECK(b.map->isUnpinned({whole.first_chunk + 3, 5}));
  CHECK(!b.map->isUnpinned({whole.first_chunk, 3}));
}

}  // namespace
}  // namespace rve::test
