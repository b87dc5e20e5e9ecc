// Repair: whatever was damaged, what its bytes allow is there again, what was deleted stays away,
// and the old file is kept.
#include "engine/salvage.hpp"
#include "engine/test_kit.hpp"
#include "storage/run.hpp"
#include "storage/slot.hpp"

namespace rve::test {
namespace {

// A linked segment, a frozen one, a tail, superseded and deleted rows in each, a checkpoint behind
// part of it.
Status fill(TestStore* s) {
  RVE_TRY(s->open());
  RVE_TRY(s->insert(40, "pump"));
  RVE_TRY(s->insert(30, "arm"));
  RVE_TRY(s->job(Job::kFreeze));
  RVE_TRY(s->job(Job::kLink));
  RVE_TRY(s->forget({3, 44}));
  RVE_TRY(s->insert(0, "gate", {5, 50, 200}));
  RVE_TRY(s->job(Job::kFreeze));
  RVE_TRY(s->job(Job::kCheckpoint));
  RVE_TRY(s->insert(20, "late"));
  RVE_TRY(s->forget({7, 200}));
  RVE_TRY(s->insert(0, "pump", {8, 9, 300}));
  RVE_TRY(s->job(Job::kCheckpoint));
  RVE_TRY(s->insert(10, "last"));
  RVE_TRY(s->insert(0, "arm", {10, 301}));
  return s->forget({11, 301});
}

void rot(TestStore* s, uint64_t offset, size_t bytes) {
  const Bytes old = s->disk.peek(s->options.path).subspan(offset, bytes);
  std::vector<std::byte> bad(old.begin(), old.end());
  for (std::byte& b : bad) b ^= std::byte{0x5a};
  s->disk.poke(s->options.path, offset, bad);
}

void rotSlots(TestStore* s) {
  for (uint32_t which = 0; which < 2; which++) {
    for (uint32_t copy = 0; copy < 2; copy++) rot(s, slotOffset(Layout(), which, copy), 64);
  }
}

// Calls `visit` with the offset and header of each run in the file.
template <typename Visit>
void eachRun(TestStore* s, Visit visit) {
  const Layout layout;
  const Bytes file = s->disk.peek(s->options.path);
  Identity identity;
  if (!decodeIdentity(file.first(layout.page_bytes), &identity).ok()) return;
  for (uint32_t chunk = 1; chunk <= chunkCountOf(layout, file.size()); chunk++) {
    RunHeader header;
    const uint64_t at = chunkOffset(layout, chunk);
    if (decodeRunHeader(file.subspan(at, layout.page_bytes), identity.uuid, chunk, &header).ok()) {
      visit(at, header);
    }
  }
}

Status repair(TestStore* s, CheckReport* report) {
  s->engine.reset();
  return repairFile(s->disk, s->clock, s->rng, s->options.path, report);
}

// Repairs, opens, and says what differs from the reference.
std::string repaired(TestStore* s, CheckReport* report, float tolerance = 0) {
  const Status status = repair(s, report);
  if (!status.ok()) return "repair: " + status.message();
  if (!s->disk.exists("robot.rve.damaged")) return "the old file is gone";
  s->disk.cutPower();
  const Status opened = s->open();
  if (!opened.ok()) return "open: " + opened.message();
  CheckReport check;
  const Status checked = s->engine->check(true, &check);
  if (!checked.ok() || !check.ok) return "the repaired store fails its check";
  return s->differs(tolerance);
}

TEST(repair_changes_nothing_in_a_healthy_store) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  CheckReport report;
  const uint64_t before = s.disk.bytesWritten();
  REQUIRE_OK(repair(&s, &report));
  CHECK(report.ok);
  CHECK_EQ(s.disk.bytesWritten(), before);
  CHECK(!s.disk.exists("robot.rve.damaged"));
  CHECK(!report.notes.empty());
}

TEST(repair_finds_everything_when_all_four_slot_copies_are_gone) {
  for (const Metric metric : {Metric::kL2, Metric::kIp, Metric::kCosine}) {
    TestStore s(metric);
    REQUIRE_OK(fill(&s));
    s.engine.reset();
    rotSlots(&s);
    CHECK_EQ(s.open().code(), Code::kCorrupt);
    CheckReport report;
    CHECK_EQ(repaired(&s, &report, metric == Metric::kCosine ? 1e-6f : 0), std::string());
    CHECK_EQ(report.lost, 0u);
    CHECK(!report.damaged.empty());
  }
}

TEST(repair_keeps_the_id_counter_above_every_id_ever_seen) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  const uint64_t next_id = s.engine->stats().next_id;
  REQUIRE_OK(s.forget({next_id - 1}));
  REQUIRE_OK(s.job(Job::kFreeze));
  REQUIRE_OK(s.job(Job::kCheckpoint));
  s.engine.reset();
  rotSlots(&s);
  CheckReport report;
  CHECK_EQ(repaired(&s, &report), std::string());
  CHECK_EQ(s.engine->stats().next_id, next_id);
}

TEST(repair_carries_source_marks_over_so_that_a_resent_message_is_known) {
  TestStore s;
  REQUIRE_OK(s.open());
  const auto send = [&](uint64_t sequence, InsertResult* out) {
    InsertBatch b;
    b.count = 2;
    for (int i = 0; i < 2; i++) {
      const std::vector<float> v = s.randomVector();
      b.matrix.insert(b.matrix.end(), v.begin(), v.end());
    }
    b.source = "sensor";
    b.has_sequence = true;
    b.boot = 9;
    b.sequence = sequence;
    return s.insertBatch(std::move(b), out);
  };
  InsertResult first, second, again;
  REQUIRE_OK(send(100, &first));
  REQUIRE_OK(s.job(Job::kCheckpoint));  // in the manifest
  REQUIRE_OK(send(102, &second));       // in the log only
  s.engine.reset();
  rotSlots(&s);
  CheckReport report;
  REQUIRE_OK(repair(&s, &report));
  REQUIRE_OK(s.open());
  CHECK_EQ(s.engine->stats().live, 4u);
  for (const uint64_t sequence : {100, 102}) {
    REQUIRE_OK(send(sequence, &again));
    CHECK_EQ(again.ids[0], -1);
    CHECK_EQ(again.ids[1], -1);
  }
  CHECK_EQ(s.engine->stats().live, 4u);
}

TEST(repair_finds_every_live_record_when_no_manifest_is_readable) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  std::vector<uint64_t> manifests;
  eachRun(&s, [&](uint64_t at, const RunHeader& header) {
    if (header.kind == RunKind::kManifest) manifests.push_back(at);
  });
  for (const uint64_t at : manifests) rot(&s, at + 4096, 8);
  CHECK_EQ(s.open().code(), Code::kCorrupt);
  CheckReport report;
  // The whole log is still there, so even the deletes are.
  CHECK_EQ(repaired(&s, &report), std::string());
  CHECK_EQ(report.lost, 0u);
}

TEST(repair_reads_groups_whose_log_run_header_is_gone) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  std::vector<uint64_t> logs;
  eachRun(&s, [&](uint64_t at, const RunHeader& header) {
    if (header.kind == RunKind::kLog) logs.push_back(at);
  });
  REQUIRE(!logs.empty());
  for (const uint64_t at : logs) rot(&s, at, 64);
  CHECK_EQ(s.open().code(), Code::kCorrupt);
  CheckReport report;
  // The groups behind the last checkpoint have nobody to link to but the group before it.
  CHECK_EQ(repaired(&s, &report), std::string());
}

TEST(repair_opens_through_the_copy_of_a_damaged_identity) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  rot(&s, 0, 4096);
  rotSlots(&s);
  CheckReport report;
  CHECK_EQ(repaired(&s, &report), std::string());
}

TEST(repair_refuses_a_file_without_any_identity_and_leaves_it) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  rot(&s, identityOffset(Layout(), 0), 4096);
  rot(&s, identityOffset(Layout(), 1), 4096);
  CheckReport report;
  CHECK(!repair(&s, &report).ok());
  CHECK(s.disk.exists("robot.rve"));
  CHECK(!s.disk.exists("robot.rve.damaged"));
}

TEST(repair_leaves_out_what_a_damaged_segment_lost_and_counts_it) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  REQUIRE_OK(s.engine->close());
  const size_t whole = s.reference.size();
  uint64_t first_segment = 0;
  eachRun(&s, [&](uint64_t at, const RunHeader& header) {
    if (header.kind == RunKind::kParts && header.sequence == 1 && first_segment == 0) {
      first_segment = at;
    }
  });
  REQUIRE(first_segment != 0);
  rot(&s, first_segment + 4096, 64);  // the header of its base part
  REQUIRE_OK(s.open());
  CHECK(s.engine->stats().degraded);
  CheckReport report;
  REQUIRE_OK(repair(&s, &report));
  CHECK(report.lost > 0);
  REQUIRE_OK(s.open());
  CHECK_EQ(s.engine->stats().live + report.lost, whole);
  CHECK(!s.engine->stats().degraded);
  // What is left is true.
  ScanCursor cursor;
  std::vector<Record> records;
  REQUIRE_OK(s.engine->scan(Filter{}, 1000, &cursor, &records));
  for (const Record& r : records) {
    REQUIRE(s.reference.contains(r.id));
    CHECK(r.vector == s.reference.at(r.id).vector);
  }
}

TEST(repair_of_a_truncated_file_keeps_what_lies_before_the_cut) {
  uint64_t recovered = 0;
  for (uint32_t eighth = 1; eighth < 8; eighth++) {
    TestStore s;
    REQUIRE_OK(fill(&s));
    s.engine.reset();
    const uint64_t used = s.disk.fileBytes(s.options.path);
    s.disk.truncate(s.options.path, 512 * 1024 + (used - 512 * 1024) / 8 * eighth + 1234);
    CheckReport report;
    const Status status = repair(&s, &report);
    REQUIRE_OK(status);
    REQUIRE_OK(s.open());
    ScanCursor cursor;
    std::vector<Record> records;
    REQUIRE_OK(s.engine->scan(Filter{}, 1000, &cursor, &records));
    recovered += records.size();
  }
  CHECK(recovered > 0);
}

TEST(a_power_cut_in_repair_leaves_the_old_file_or_both_under_clear_names) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  s.disk.cutPower();
  rotSlots(&s);
  SimDisk trial(TestStore::diskOptions(), 6);
  CheckReport report;
  uint64_t both = 0, cuts = 0;
  const uint64_t start = s.disk.changes();
  s.disk.after_change = [&](SimCall call) {
    const bool name = call == SimCall::kRename || call == SimCall::kSyncFolder;
    if (!name && (s.disk.changes() - start) % 20 != 0) return;
    for (uint32_t names = 0; names <= s.disk.pendingNames(); names++) {
      trial.copyFrom(s.disk);
      CrashChoice choice;
      choice.names = names;
      trial.cutPower(choice);
      cuts++;
      TestStore t;
      t.disk.copyFrom(trial);
      t.reference = s.reference;
      const bool at_place = t.disk.exists("robot.rve");
      CHECK(at_place || t.disk.exists("robot.rve.damaged"));
      if (!at_place) both++;
      CheckReport second;
      CHECK_OK(repairFile(t.disk, t.clock, t.rng, "robot.rve", &second));
      CHECK_OK(t.open());
      CHECK_EQ(t.differs(), std::string());
    }
  };
  CHECK_OK(repair(&s, &report));
  s.disk.after_change = nullptr;
  CHECK(cuts > 5);
  CHECK(both > 0);
}

TEST(repair_on_a_full_disk_changes_nothing) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  rotSlots(&s);
  s.disk.failAt(SimCall::kGrow, 0, Code::kNoSpace, true);
  CheckReport report;
  CHECK_EQ(repair(&s, &report).code(), Code::kNoSpace);
  s.disk.forgetFault();
  CHECK(s.disk.exists("robot.rve"));
  std::vector<std::string> left;
  CHECK_OK(s.disk.list("robot.rve", "robot.rve.", &left));
  CHECK_EQ(left.size(), 0u);
  CheckReport second;
  CHECK_EQ(repaired(&s, &second), std::string());
}

TEST(check_names_what_keeps_a_store_from_opening) {
  TestStore s;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  rotSlots(&s);
  CheckReport report;
  REQUIRE_OK(checkFile(s.disk, s.options.path, &report));
  CHECK(!report.ok);
  CHECK_EQ(report.damaged.size(), 3u);  // the refusal, slot A, slot B
}

TEST(check_opens_a_store_of_a_layout_that_its_identity_states) {
  TestStore s;
  s.options.layout.page_bytes = 512;
  s.options.layout.chunk_bytes = 4096;
  s.options.layout.group_bytes_max = 8192;
  REQUIRE_OK(fill(&s));
  s.engine.reset();
  CheckReport report;
  REQUIRE_OK(checkFile(s.disk, s.options.path, &report));
  CHECK(report.ok);
}

}  // namespace
}  // namespace rve::test
