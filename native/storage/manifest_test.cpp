// Manifests, segment entries and the edits that carry them: round trip, every cut, random damage.
#include "storage/edit.hpp"
#include "storage/run.hpp"
#include "storage/slot.hpp"
#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kChunks = 200;

SegmentEntry makeEntry(uint64_t id, uint32_t rows) {
  SegmentEntry e;
  e.id = id;
  e.rows = rows;
  e.lsn_from = 4096;
  e.lsn_to = 8192;
  e.id_min = 3;
  e.id_max = 900;
  const uint32_t first = static_cast<uint32_t>(id * 10);
  e.parts.push_back({PartKind::kBase, {first, 4}, 1, 5, 11, 12});
  e.parts.push_back({PartKind::kVectors, {first, 4}, 6, 9, 13, 14});
  e.parts.push_back({PartKind::kGraph, {first + 5, 1}, 1, 3, 15, 16});
  e.adopted = {{first + 6, 2}, {first + 8, 1}};
  return e;
}

Manifest makeManifest() {
  Manifest m;
  m.lsn = 1 << 20;
  m.replay_lsn = 1 << 19;
  m.next_segment_id = 9;
  m.next_id = 1000;
  m.lost_records = 2;
  m.segments.push_back({makeEntry(1, 500), {0, 1, 7, 499}});
  std::vector<uint32_t> many;
  for (uint32_t i = 0; i < 400; i += 2) many.push_back(i);
  m.segments.push_back({makeEntry(5, 400), many});
  m.segments.push_back({makeEntry(8, 1), {}});
  m.tail = {{1 << 19, 1 << 20, 4096, 10, 77}, {(1 << 19) + 8192, (1 << 20) + 8192, 8192, 5, 78}};
  m.tail_dead = {0, 14};
  m.log_runs = {{{40, 4}, 1 << 18}, {{60, 8}, 1 << 20}};
  m.edit_runs = {{70, 3}};
  m.holes = {{4096, 8192}};
  return m;
}

TEST(a_manifest_round_trips) {
  const Manifest m = makeManifest();
  Symbols symbols, symbols_back;
  symbols.add(SymbolKind::kSource, "pump");
  symbols.add(SymbolKind::kLabel, "worn");
  SourceMarks marks, marks_back;
  marks.add(1, 2, 3);
  WireWriter out;
  encodeManifest(m, symbols, marks, &out);
  Manifest got;
  REQUIRE_OK(decodeManifest(out.bytes(), Layout(), kChunks, &got, &symbols_back, &marks_back));
  CHECK_EQ(got.lsn, m.lsn);
  CHECK_EQ(got.next_id, m.next_id);
  CHECK_EQ(got.lost_records, 2u);
  REQUIRE_EQ(got.segments.size(), 3u);
  for (size_t i = 0; i < 3; i++) {
    CHECK(got.segments[i].dead == m.segments[i].dead);
    CHECK(got.segments[i].entry.adopted == m.segments[i].entry.adopted);
    CHECK_EQ(got.segments[i].entry.parts.size(), 3u);
    CHECK_EQ(got.segments[i].entry.part(PartKind::kGraph)->table_crc, 16u);
  }
  CHECK_EQ(got.tail.size(), 2u);
  CHECK_EQ(got.tail[1].header_crc, 78u);
  CHECK(got.tail_dead == m.tail_dead);
  CHECK(got.edit_runs == m.edit_runs);
  CHECK_EQ(got.holes[0].lsn_to, 8192u);
  CHECK_EQ(symbols_back.find(SymbolKind::kLabel, "worn"), 1u);
  CHECK(marks_back.contains(1, 2, 3));
}

TEST(a_manifest_cut_anywhere_is_refused) {
  WireWriter out;
  encodeManifest(makeManifest(), Symbols(), SourceMarks(), &out);
  uint32_t accepted = 0;
  for (size_t cut = 0; cut < out.size(); cut++) {
    Manifest got;
    Symbols symbols;
    SourceMarks marks;
    if (decodeManifest(out.bytes().first(cut), Layout(), kChunks, &got, &symbols, &marks).ok()) {
      accepted++;
    }
  }
  CHECK_EQ(accepted, 0u);
}

// Method: bytes change at random, as an attacker may who takes the checksum anew. What decodes must
// keep bounds.
TEST(a_hostile_manifest_is_refused_or_keeps_every_bound) {
  WireWriter out;
  SourceMarks marks;
  for (uint32_t i = 1; i < 9; i++) marks.add(i, 1, i);
  encodeManifest(makeManifest(), Symbols(), marks, &out);
  SimRng rng(seed());
  uint32_t refused = 0, broken = 0;
  for (int round = 0; round < 20'000; round++) {
    std::vector<std::byte> bytes(out.bytes().begin(), out.bytes().end());
    for (uint64_t n = 1 + rng.below(3); n > 0; n--) {
      bytes[rng.below(bytes.size())] = static_cast<std::byte>(rng.chance(30) ? 0xFF : rng.next());
    }
    Manifest got;
    Symbols symbols;
    SourceMarks read;
    if (!decodeManifest(bytes, Layout(), kChunks, &got, &symbols, &read).ok()) {
      refused++;
      continue;
    }
    for (const ManifestSegment& s : got.segments) {
      for (const Run& run : s.entry.runs()) broken += runIsInside(run, kChunks) ? 0 : 1;
      for (const uint32_t row : s.dead) broken += row < s.entry.rows ? 0 : 1;
    }
    const uint64_t file_bytes = fileBytesOf(Layout(), kChunks);
    for (const TailGroup& g : got.tail) broken += g.offset + g.length <= file_bytes ? 0 : 1;
    for (const LogRunEntry& r : got.log_runs) broken += runIsInside(r.run, kChunks) ? 0 : 1;
    broken += got.replay_lsn <= got.lsn ? 0 : 1;
  }
  CHECK_EQ(broken, 0u);
  CHECK(refused > 1000);
}

TEST(a_segment_entry_outside_the_file_is_refused) {
  const auto decodes = [](const SegmentEntry& entry) {
    WireWriter out;
    encodeEntry(entry, &out);
    WireReader in(out.bytes());
    SegmentEntry got;
    return decodeEntry(&in, Layout(), kChunks, &got);
  };
  CHECK(decodes(makeEntry(3, 10)));
  SegmentEntry e = makeEntry(3, 10);
  e.parts[0].run = {kChunks, 2};
  CHECK(!decodes(e));
  e = makeEntry(3, 10);
  e.parts[0].run.first_chunk = 0;
  CHECK(!decodes(e));
  e = makeEntry(3, 10);
  e.parts[1].pages = 60;  // beyond its run
  CHECK(!decodes(e));
  e = makeEntry(3, 10);
  e.parts[1].kind = PartKind::kBase;  // twice
  CHECK(!decodes(e));
  e = makeEntry(3, 10);
  e.parts.erase(e.parts.begin());  // no base
  CHECK(!decodes(e));
  CHECK(!decodes(makeEntry(3, 0)));
  e = makeEntry(3, 10);
  e.adopted[0] = {0xFFFFFFFF, 0xFFFFFFFF};
  CHECK(!decodes(e));
}

TEST(dead_rows_round_trip_as_list_and_as_bitmap) {
  SimRng rng(seed());
  for (const uint32_t percent : {0u, 1u, 5u, 30u, 100u}) {
    std::vector<uint32_t> rows, back;
    for (uint32_t row = 0; row < 1000; row++) {
      if (rng.chance(percent)) rows.push_back(row);
    }
    WireWriter out;
    encodeRows(rows, 1000, &out);
    CHECK(out.size() <= 2 + 1 + 1000 / 8);  // never longer than a bitmap
    WireReader in(out.bytes());
    REQUIRE(decodeRows(&in, 1000, &back));
    CHECK(back == rows);
    WireReader fewer(out.bytes());
    CHECK(rows.empty() || !decodeRows(&fewer, rows.back(), &back));
  }
}

TEST(a_replace_never_carries_sealed_upto_and_a_seal_drops_nothing) {
  SegmentEdit edit;
  edit.adds.push_back({makeEntry(2, 10), {1}});
  edit.drops = {1};
  const auto decodes = [&](RecordType type) {
    WireWriter out;
    encodeEdit(edit, &out);
    SegmentEdit got;
    return decodeEdit(out.bytes(), type, Layout(), kChunks, &got).ok();
  };
  CHECK(decodes(RecordType::kReplace));
  CHECK(!decodes(RecordType::kSeal));
  edit.sealed_upto = 4096;
  CHECK(!decodes(RecordType::kReplace));
  edit.drops.clear();
  CHECK(decodes(RecordType::kSeal));
}

TEST(every_flipped_bit_of_slot_run_header_and_identity_is_found) {
  Layout layout;
  std::vector<std::byte> page(4096);
  Uuid uuid{1, 2, 3};
  const auto missed = [&](size_t bytes, const auto& decodes) {
    uint32_t count = decodes() ? 0 : 1000;  // whole, it must decode
    for (size_t bit = 0; bit < bytes * 8; bit++) {
      page[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      if (decodes()) count++;
      page[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    }
    return count;
  };
  Slot slot;
  slot.generation = 5;
  encodeSlot(slot, uuid, page);
  CHECK_EQ(missed(200, [&] { Slot s; return decodeSlot(page, uuid, &s).ok(); }), 0u);
  RunHeader run;
  run.own = {9, 3};
  encodeRunHeader(run, uuid, page);
  CHECK_EQ(missed(kRunHeaderBytes,
                  [&] {
                    RunHeader r;
                    return decodeRunHeader(page, uuid, 9, &r).ok();
                  }),
           0u);
  RunHeader elsewhere;
  CHECK(!decodeRunHeader(page, uuid, 10, &elsewhere).ok());
  Identity identity;
  identity.uuid = uuid;
  identity.page_bytes = layout.page_bytes;
  identity.chunk_bytes = layout.chunk_bytes;
  identity.dimensions = 3;
  encodeIdentity(identity, page);
  CHECK_EQ(missed(200, [&] { Identity i; return decodeIdentity(page, &i).ok(); }), 0u);
}

TEST(an_identity_of_a_newer_major_version_is_refused_by_name) {
  std::vector<std::byte> page(4096);
  Identity identity;
  identity.page_bytes = 4096;
  identity.chunk_bytes = 65536;
  identity.dimensions = 3;
  encodeIdentity(identity, page);
  store(MutableBytes(page), 8, uint16_t{kFormatMajor + 1});
  CHECK_EQ(decodeIdentity(page, &identity).code(), Code::kVersion);
}

}  // namespace
}  // namespace rve::test
