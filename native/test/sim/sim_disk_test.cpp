// The simulated disk must forget exactly what a real one may forget: a crash test is worth what its
// disk is.
#include "test/sim/sim_disk.hpp"

#include <set>

#include "test/test.hpp"

namespace rve::test {
namespace {

constexpr char kPath[] = "/sim/file";

std::vector<std::byte> filled(size_t bytes, int value) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
}

// A durable file of 1 KiB (16 sectors) filled with 1.
std::unique_ptr<SimDisk> makeDisk() {
  auto disk = std::make_unique<SimDisk>(SimDiskOptions{64, 64 << 10, 16 << 10}, 11);
  std::unique_ptr<File> file;
  CHECK_OK(disk->open(kPath, OpenMode::kCreateExclusive, &file));
  CHECK_OK(file->grow(1024));
  CHECK_OK(file->write(0, filled(1024, 1)));
  CHECK_OK(file->sync());
  CHECK_OK(disk->syncFolder(kPath));
  return disk;
}

int byteAt(const SimDisk& disk, uint64_t offset) {
  return static_cast<int>(disk.peek(kPath)[offset]);
}

void writeAndLeave(SimDisk* disk, uint64_t offset, size_t bytes, int value) {
  std::unique_ptr<File> file;
  CHECK_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
  CHECK_OK(file->write(offset, filled(bytes, value)));
}

}  // namespace

TEST(sim_disk_loses_unsynced_writes_and_keeps_synced_ones) {
  const auto disk = makeDisk();
  std::unique_ptr<File> file;
  REQUIRE_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
  CHECK_OK(file->write(0, filled(128, 2)));
  CHECK_OK(file->sync());
  CHECK_OK(file->write(256, filled(128, 3)));
  CHECK_EQ(byteAt(*disk, 256), 3);
  file.reset();
  disk->cutPower();
  CHECK_EQ(byteAt(*disk, 0), 2);
  CHECK_EQ(byteAt(*disk, 127), 2);
  CHECK_EQ(byteAt(*disk, 256), 1);
}

TEST(sim_disk_reaches_every_subset_of_unsynced_sectors) {
  std::set<int> seen;
  for (int bits = 0; bits < 8; ++bits) {
    const auto disk = makeDisk();
    writeAndLeave(disk.get(), 64, 192, 7);
    REQUIRE_EQ(disk->pendingSectors().size(), 3u);
    CrashChoice choice;
    for (int i = 0; i < 3; ++i) {
      choice.sectors.push_back(bits >> i & 1 ? Fate::kApplied : Fate::kLost);
    }
    disk->cutPower(choice);
    int got = 0;
    for (int i = 0; i < 3; ++i) got |= (byteAt(*disk, 64 + 64 * i) == 7 ? 1 : 0) << i;
    CHECK_EQ(got, bits);
    seen.insert(got);
  }
  CHECK_EQ(seen.size(), 8u);
}

TEST(sim_disk_keeps_an_older_version_of_a_sector_that_was_written_twice) {
  const auto disk = makeDisk();
  writeAndLeave(disk.get(), 0, 64, 5);
  writeAndLeave(disk.get(), 0, 64, 6);
  disk->cutPower({{Fate::kApplied, Fate::kLost}, 0, false});
  CHECK_EQ(byteAt(*disk, 0), 5);
}

TEST(sim_disk_tears_a_sector_in_each_way) {
  const struct {
    Fate fate;
    int first, last;
  } kWays[] = {{Fate::kFirstHalf, 9, 1}, {Fate::kSecondHalf, 1, 9}, {Fate::kZeroed, 0, 0}};
  for (const auto& way : kWays) {
    const auto disk = makeDisk();
    writeAndLeave(disk.get(), 64, 64, 9);
    disk->cutPower({{way.fate}, 0, false});
    CHECK_EQ(byteAt(*disk, 64), way.first);
    CHECK_EQ(byteAt(*disk, 127), way.last);
  }
  const auto disk = makeDisk();
  writeAndLeave(disk.get(), 64, 64, 9);
  disk->cutPower({{Fate::kGarbage}, 0, false});
  CHECK(byteAt(*disk, 64) != 9);
  CHECK_EQ(byteAt(*disk, 128), 1);
}

TEST(sim_disk_forgets_a_failed_sync_on_the_device_but_not_in_the_cache) {
  const auto disk = makeDisk();
  std::unique_ptr<File> file;
  REQUIRE_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
  disk->failAt(SimCall::kSync, 0, Code::kIo, false);
  CHECK_OK(file->write(0, filled(1024, 4)));
  CHECK(!file->sync().ok());
  CHECK(disk->failed());
  CHECK(disk->lostSectors() > 0);
  CHECK(disk->pendingSectors().empty());
  CHECK_OK(file->sync());  // The pages are clean now: a second sync says ok and writes nothing.
  CHECK(disk->lostSectors() > 0);
  auto cached = filled(1024, 0), device = filled(1024, 0);
  CHECK_OK(file->read(0, cached));
  CHECK_OK(file->readDevice(0, device));
  CHECK(cached == filled(1024, 4));
  CHECK(device != cached);
  CHECK_EQ(static_cast<int>(file->view()[0]), 4);
  file.reset();
  disk->cutPower();
  CHECK(std::equal(device.begin(), device.end(), disk->peek(kPath).begin()));
}

TEST(sim_disk_reads_dirty_pages_through_to_the_device) {
  const auto disk = makeDisk();
  std::unique_ptr<File> file;
  REQUIRE_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
  CHECK_OK(file->write(100, filled(10, 8)));
  auto device = filled(10, 0);
  CHECK_OK(file->readDevice(100, device));
  CHECK(device == filled(10, 8));
}

TEST(sim_disk_drops_a_size_that_was_not_synced) {
  for (const bool kept : {false, true}) {
    const auto disk = makeDisk();
    {
      std::unique_ptr<File> file;
      REQUIRE_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
      CHECK_OK(file->grow(2048));
      CHECK_OK(file->write(1024, filled(64, 5)));
      CHECK(disk->pendingSizes());
    }
    disk->cutPower({{Fate::kApplied}, 0, kept});
    CHECK_EQ(disk->fileBytes(kPath), kept ? 2048u : 1024u);
    if (kept) CHECK_EQ(byteAt(*disk, 1024), 5);
  }
}

TEST(sim_disk_drops_names_that_the_folder_was_not_synced_for) {
  for (uint32_t names = 0; names <= 2; ++names) {
    SimDisk disk(SimDiskOptions{64, 4096, 8192});
    {
      std::unique_ptr<File> file;
      REQUIRE_OK(disk.open("/sim/a.tmp", OpenMode::kCreateExclusive, &file));
      CHECK_OK(file->grow(64));
      CHECK_OK(file->sync());
    }
    CHECK_OK(disk.renameNoReplace("/sim/a.tmp", "/sim/a"));
    CHECK_EQ(disk.pendingNames(), 2u);
    disk.cutPower({{}, names, false});
    CHECK_EQ(disk.exists("/sim/a.tmp"), names == 1);
    CHECK_EQ(disk.exists("/sim/a"), names == 2);
  }
}

TEST(sim_disk_fails_the_nth_call_once_or_for_good) {
  for (const bool sticky : {false, true}) {
    const auto disk = makeDisk();
    std::unique_ptr<File> file;
    REQUIRE_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
    disk->failAt(SimCall::kWrite, 2, Code::kNoSpace, sticky);
    CHECK_OK(file->write(0, filled(8, 2)));
    CHECK_OK(file->write(0, filled(8, 2)));
    CHECK(!disk->failed());
    CHECK(file->write(0, filled(8, 3)).code() == Code::kNoSpace);
    CHECK_EQ(byteAt(*disk, 0), 2);
    CHECK_EQ(file->write(0, filled(8, 4)).ok(), !sticky);
  }
}

TEST(sim_disk_is_full_at_its_capacity_and_takes_punched_space_back) {
  const auto disk = makeDisk();
  std::unique_ptr<File> file;
  REQUIRE_OK(disk->open(kPath, OpenMode::kReadWrite, &file));
  CHECK(file->grow(17 << 10).code() == Code::kNoSpace);
  CHECK_EQ(file->size(), 1024u);
  CHECK_OK(file->grow(16 << 10));
  CHECK_EQ(file->allocatedBytes(), 16u << 10);
  CHECK_OK(file->punch(4096, 4096));
  CHECK_EQ(file->allocatedBytes(), 12u << 10);
  CHECK_OK(file->reserve(4096, 1024));
  CHECK_EQ(file->allocatedBytes(), 13u << 10);
  CHECK(file->write(16 << 10, filled(1, 1)).code() == Code::kTruncated);
}

TEST(sim_disk_admits_one_writer_or_many_readers) {
  const auto disk = makeDisk();
  std::unique_ptr<File> a, b;
  REQUIRE_OK(disk->open(kPath, OpenMode::kReadOnly, &a));
  CHECK_OK(disk->open(kPath, OpenMode::kReadOnly, &b));
  CHECK(a->write(0, filled(1, 1)).code() == Code::kReadOnly);
  a.reset();
  CHECK(disk->open(kPath, OpenMode::kReadWrite, &a).code() == Code::kBusy);
  b.reset();
  CHECK_OK(disk->open(kPath, OpenMode::kReadWrite, &a));
  CHECK(disk->open(kPath, OpenMode::kReadOnly, &b).code() == Code::kBusy);
}

// The hash is kept up by deltas; it must not depend on the way that led to the same content.
TEST(sim_disk_hash_of_the_durable_image_depends_on_the_image_alone) {
  const auto one = makeDisk(), two = makeDisk();
  CHECK_EQ(one->durableHash(), two->durableHash());
  writeAndLeave(one.get(), 128, 128, 6);
  CHECK_EQ(one->durableHash(), two->durableHash());
  SimDisk copy(SimDiskOptions{64, 64 << 10, 16 << 10});
  copy.copyFrom(*one);
  copy.cutPower({{Fate::kApplied, Fate::kApplied}, 0, false});
  CHECK(copy.durableHash() != two->durableHash());
  writeAndLeave(two.get(), 192, 64, 6);
  writeAndLeave(two.get(), 128, 64, 3);
  writeAndLeave(two.get(), 128, 64, 6);
  two->cutPower({{Fate::kApplied, Fate::kApplied, Fate::kApplied}, 0, false});
  CHECK_EQ(copy.durableHash(), two->durableHash());
}

TEST(sim_disk_copy_is_what_a_killed_process_leaves) {
  const auto disk = makeDisk();
  writeAndLeave(disk.get(), 0, 64, 9);
  SimDisk copy(SimDiskOptions{64, 64 << 10, 16 << 10});
  copy.copyFrom(*disk);
  CHECK_EQ(byteAt(copy, 0), 9);
  CHECK_EQ(copy.pendingSectors().size(), 1u);
  copy.cutPower();
  CHECK_EQ(byteAt(copy, 0), 1);
  CHECK_EQ(byteAt(*disk, 0), 9);
}

}  // namespace rve::test
