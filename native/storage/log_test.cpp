// The log writer and the walk that finds its end again: torn tails are cut, damage below
// durable_lsn is a hole.
#include "storage/recovery.hpp"
#include "test/sim/sim_disk.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

struct Bench {
  Bench() : disk(options()), builder(makeLayout()), layout(makeLayout()) {
    opened = disk.open("log", OpenMode::kCreateExclusive, &file);
    if (opened.ok()) opened = file->grow(fileBytesOf(layout, 0));
    space = std::make_unique<SpaceMap>(file.get(), layout, fileBytesOf(layout, 200));
    log = std::make_unique<LogWriter>(file.get(), layout, uuid, space.get());
    if (opened.ok()) opened = log->start();
    slot.scan = log->openRun();
    slot.epoch = 1;
  }
  static Layout makeLayout() {
    Layout l;
    l.page_bytes = 512;
    l.chunk_bytes = 4096;
    l.group_bytes_max = 16 * 1024;
    l.log_run_chunks_min = 2;
    l.log_run_chunks_max = 2;
    return l;
  }
  static SimDiskOptions options() {
    SimDiskOptions o;
    o.file_bytes_max = 2 << 20;
    return o;
  }
  // Writes one group of this many body bytes; `sync` ends its window.
  Status put(uint32_t bytes, bool sync = true) {
    builder.reset();
    RecordHeader record;
    record.type = RecordType::kNoop;
    record.id = written.size();
    uint32_t at = 0;
    builder.begin(record, bytes, &at);
    builder.end();
    RVE_TRY(log->ensureRoom(builder.paddedWith(0), SpacePurpose::kData));
    GroupPlace place;
    RVE_TRY(log->write(&builder, 0, 0, &place));
    written.push_back(place);
    return sync ? log->sync() : Status();
  }
  Status walk(LogWalk* out) {
    return walkLog(*file, layout, uuid, space->chunkCount(), slot, out);
  }
  // Groups walked, bridges left out.
  uint32_t found(const LogWalk& walked) const {
    uint32_t count = 0;
    for (const WalkedGroup& g : walked.groups) {
      for (const GroupPlace& place : written) count += place.lsn == g.header.lsn ? 1 : 0;
    }
    return count;
  }
  void rot(uint64_t offset) {
    const std::byte bad[] = {file->view()[offset] ^ std::byte{0x10}};
    disk.poke("log", offset, bad);
  }

  SimDisk disk;
  Uuid uuid{};
  GroupBuilder builder;
  Layout layout;
  std::unique_ptr<File> file;
  std::unique_ptr<SpaceMap> space;
  std::unique_ptr<LogWriter> log;
  Slot slot;
  std::vector<GroupPlace> written;
  Status opened;
};

TEST(the_walk_finds_every_group_over_many_runs) {
  Bench b;
  REQUIRE_OK(b.opened);
  SimRng rng(seed());
  for (int i = 0; i < 60; i++) REQUIRE_OK(b.put(8 + static_cast<uint32_t>(rng.below(1500))));
  LogWalk walked;
  REQUIRE_OK(b.walk(&walked));
  CHECK_EQ(b.found(walked), 60u);
  CHECK(walked.runs.size() > 4);
  CHECK(walked.holes.empty());
  CHECK(!walked.torn);
  CHECK_EQ(walked.position.lsn, b.log->lsn());
  CHECK_EQ(walked.position.previous_crc, b.log->lastHeaderCrc());
}

TEST(a_group_larger_than_the_named_run_gets_a_bridge_and_a_run_of_its_own) {
  Bench b;
  REQUIRE_OK(b.opened);
  REQUIRE_OK(b.put(100));
  REQUIRE_OK(b.put(15'000));  // more than a run of two chunks holds
  REQUIRE_OK(b.put(100));
  LogWalk walked;
  REQUIRE_OK(b.walk(&walked));
  CHECK_EQ(b.found(walked), 3u);
  CHECK_EQ(walked.groups.size(), 4u);  // and the bridge
  CHECK_EQ(walked.position.lsn, b.log->lsn());
}

TEST(without_space_for_the_group_and_its_successor_nothing_is_written) {
  Bench b;
  REQUIRE_OK(b.opened);
  REQUIRE_OK(b.put(100));
  b.disk.failAt(SimCall::kGrow, 0, Code::kNoSpace, true);
  Status status;
  uint64_t written = 0;
  for (int i = 0; i < 2000 && status.ok(); i++) {
    written = b.disk.bytesWritten();
    status = b.put(3000);
  }
  CHECK_EQ(status.code(), Code::kNoSpace);
  CHECK_EQ(b.disk.bytesWritten(), written);
  b.disk.forgetFault();
  REQUIRE_OK(b.put(3000));
  LogWalk walked;
  REQUIRE_OK(b.walk(&walked));
  CHECK_EQ(b.found(walked), b.written.size());
}

TEST(an_unfinished_window_is_a_torn_tail_and_is_cut) {
  Bench b;
  REQUIRE_OK(b.opened);
  for (int i = 0; i < 5; i++) REQUIRE_OK(b.put(2000));
  REQUIRE_OK(b.put(2000, false));
  b.rot(b.written[5].offset + 1000);  // part of its body never reached the device
  LogWalk walked;
  REQUIRE_OK(b.walk(&walked));
  CHECK_EQ(b.found(walked), 5u);
  CHECK(walked.torn);
  CHECK(walked.holes.empty());
  CHECK_EQ(walked.position.lsn, b.written[5].lsn);
}

TEST(a_damaged_group_below_durable_lsn_is_a_hole_and_what_follows_stays) {
  for (const uint64_t at : {uint64_t{0}, uint64_t{700}}) {  // its header, its body
    Bench b;
    REQUIRE_OK(b.opened);
    for (int i = 0; i < 12; i++) REQUIRE_OK(b.put(2000));
    b.rot(b.written[4].offset + at);
    LogWalk walked;
    REQUIRE_OK(b.walk(&walked));
    REQUIRE_EQ(walked.holes.size(), 1u);
    CHECK_EQ(walked.holes[0].lsn_from, b.written[4].lsn);
    CHECK_EQ(walked.holes[0].lsn_to, b.written[4].lsn + b.written[4].length);
    uint32_t intact = 0;
    for (const WalkedGroup& g : walked.groups) intact += g.intact ? 1 : 0;
    CHECK_EQ(intact, 11u);
    CHECK_EQ(walked.position.lsn, b.log->lsn());
  }
}

TEST(groups_beyond_the_proven_part_ask_for_a_sync_before_they_are_acknowledged) {
  Bench b;
  REQUIRE_OK(b.opened);
  REQUIRE_OK(b.put(100));
  LogWalk walked;
  REQUIRE_OK(b.walk(&walked));
  CHECK(walked.beyond_durable);  // nobody has said yet that it is durable
  REQUIRE_OK(b.put(100));
  b.slot.durable_lsn = b.log->durableLsn();
  LogWalk proven;
  REQUIRE_OK(b.walk(&proven));
  CHECK(!proven.beyond_durable);
}

TEST(stale_groups_of_an_earlier_life_never_join_the_chain) {
  Bench b;
  REQUIRE_OK(b.opened);
  for (int i = 0; i < 3; i++) REQUIRE_OK(b.put(400));
  // An earlier life wrote two groups here that were never acknowledged.
  REQUIRE_OK(b.put(400, false));
  REQUIRE_OK(b.put(400, false));
  LogPosition again;
  again.lsn = again.durable_lsn = b.written[3].lsn;
  again.previous_crc = b.written[2].header_crc;
  again.epoch = 2;
  again.in_run = b.written[3].offset - runOffset(b.layout, b.log->openRun());
  LogWriter second(b.file.get(), b.layout, b.uuid, b.space.get());
  second.adoptRun(b.log->openRun(), 0, 1);
  LogWalk before;
  REQUIRE_OK(b.walk(&before));
  second.resume(again, before.next);
  b.builder.reset();
  RecordHeader record;
  uint32_t at = 0;
  b.builder.begin(record, 400, &at);
  b.builder.end();
  REQUIRE_OK(second.ensureRoom(b.builder.paddedWith(0), SpacePurpose::kData));
  GroupPlace place;
  REQUIRE_OK(second.write(&b.builder, 0, 0, &place));
  CHECK_EQ(place.offset, b.written[3].offset);
  LogWalk walked;
  REQUIRE_OK(b.walk(&walked));
  CHECK_EQ(walked.groups.size(), 4u);  // the fifth, of epoch 1, does not follow epoch 2
  CHECK_EQ(walked.position.lsn, place.lsn + place.length);
}

TEST(one_rotten_slot_leaves_the_other_and_each_slot_has_a_copy) {
  Bench b;
  REQUIRE_OK(b.opened);
  std::vector<std::byte> page(b.layout.page_bytes);
  for (uint32_t which = 0; which < 2; which++) {
    Slot slot = b.slot;
    slot.generation = 10 + which;
    slot.manifest = b.slot.scan;
    encodeSlot(slot, b.uuid, page);
    for (uint32_t copy = 0; copy < 2; copy++) {
      REQUIRE_OK(b.file->write(slotOffset(b.layout, which, copy), page));
    }
  }
  const auto roots = [&] { return readSlots(*b.file, b.layout, b.uuid, b.space->chunkCount()); };
  REQUIRE_EQ(roots().size(), 2u);
  CHECK_EQ(roots()[0].slot.generation, 11u);
  b.rot(slotOffset(b.layout, 1, 0) + 40);
  CHECK_EQ(roots()[0].slot.generation, 11u);  // its copy
  b.rot(slotOffset(b.layout, 1, 1) + 41);
  REQUIRE_EQ(roots().size(), 1u);
  CHECK_EQ(roots()[0].slot.generation, 10u);
  b.rot(slotOffset(b.layout, 0, 0) + 40);
  b.rot(slotOffset(b.layout, 0, 1) + 40);
  CHECK_EQ(roots().size(), 0u);
}

TEST(a_released_log_keeps_the_runs_from_the_given_lsn_on) {
  Bench b;
  REQUIRE_OK(b.opened);
  for (int i = 0; i < 30; i++) REQUIRE_OK(b.put(1500));
  const uint64_t lsn = b.written[15].lsn;
  b.log->release(lsn);
  const std::vector<LogRunEntry> runs = b.log->runsFrom(lsn);
  CHECK(runs.front().first_lsn <= lsn);
  CHECK(b.log->pinAt(b.written[15].offset));
  CHECK(b.log->pinAt(b.written[29].offset));
  CHECK(!b.log->pinAt(b.written[0].offset));
}

}  // namespace
}  // namespace rve::test
