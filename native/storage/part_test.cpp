// Parts and their columns: what is written is read back, and no flipped bit of it passes.
#include "storage/column.hpp"
#include "storage/part_peek.hpp"
#include "test/sim/refusing_file.hpp"
#include "test/sim/sim_disk.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

struct Bench {
  Bench() : disk(options()) {
    layout.page_bytes = 512;
    layout.chunk_bytes = 4096;
    for (uint8_t& b : uuid) b = 0x42;
    opened = disk.open("parts", OpenMode::kCreateExclusive, &file);
    if (opened.ok()) opened = file->grow(fileBytesOf(layout, 64));
  }
  static SimDiskOptions options() {
    SimDiskOptions o;
    o.file_bytes_max = 1 << 20;
    return o;
  }
  // Writes sections of these contents as one part; returns its entry.
  PartEntry write(PartKind kind, uint32_t rows,
                  const std::vector<std::pair<SectionKind, std::vector<std::byte>>>& sections) {
    std::vector<SectionPlan> plan;
    for (const auto& [section, bytes] : sections) plan.push_back({section, bytes.size()});
    PartsWriter writer(file.get(), layout, uuid, run, 7, 1);
    PartEntry entry;
    CHECK_OK(writer.writeRunHeader());
    CHECK_OK(writer.begin(kind, rows, 3, plan));
    for (const auto& [section, bytes] : sections) CHECK_OK(writer.append(bytes));
    CHECK_OK(writer.end(&entry));
    CHECK_EQ(entry.pages, partPages(plan, layout.page_bytes));
    return entry;
  }
  Status view(const PartEntry& entry, std::unique_ptr<PartView>* out) {
    return PartView::open(file->view(), layout, uuid, 7, entry, false, out);
  }

  SimDisk disk;
  Layout layout;
  Uuid uuid;
  Run run{3, 40};
  std::unique_ptr<File> file;
  Status opened;
};

// Takes hints and nothing else.
class HintedFile final : public RefusingFile {
 public:
  void prefetch(uint64_t offset, uint64_t bytes) override { hints.push_back({offset, bytes}); }

  std::vector<std::pair<uint64_t, uint64_t>> hints;  // offset, bytes
};

std::vector<std::byte> randomBytes(SimRng* rng, size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng->next());
  return bytes;
}

TEST(pages_are_fetched_once_and_neither_verified_ones_nor_what_is_no_page) {
  Bench b;
  REQUIRE_OK(b.opened);
  SimRng rng(seed());
  const auto codes = randomBytes(&rng, 5001);
  const PartEntry entry = b.write(PartKind::kBase, 9, {{SectionKind::kCodes, codes}});
  std::unique_ptr<PartView> part;
  REQUIRE_OK(b.view(entry, &part));
  part->fetchPages(0, 1);  // through no file
  HintedFile file;
  part->fetchThrough(&file);
  CHECK(part->verifyPages(3, 1));
  part->fetchPages(2, 3);
  part->fetchPages(2, 1);
  part->fetchPages(part->pages(), 1);
  part->fetchPages(part->pages() - 1, 2);
  const uint64_t start = runOffset(b.layout, b.run) + uint64_t{entry.page} * 512;
  REQUIRE_EQ(file.hints.size(), 2u);
  CHECK((file.hints[0] == std::pair<uint64_t, uint64_t>(start + 2 * 512, 512)));
  CHECK((file.hints[1] == std::pair<uint64_t, uint64_t>(start + 4 * 512, 512)));
  // The page is there whether or not anybody had it fetched.
  CHECK(part->ensureSection(SectionKind::kCodes));
}

TEST(a_part_reads_back_as_it_was_written) {
  Bench b;
  REQUIRE_OK(b.opened);
  SimRng rng(seed());
  const auto codes = randomBytes(&rng, 5001), norms = randomBytes(&rng, 64);
  const PartEntry entry = b.write(PartKind::kBase, 9, {{SectionKind::kCodes, codes},
                                                       {SectionKind::kIds, {}},
                                                       {SectionKind::kNorms, norms}});
  std::unique_ptr<PartView> part;
  REQUIRE_OK(b.view(entry, &part));
  CHECK_EQ(part->rows(), 9u);
  CHECK(!part->has(SectionKind::kIds));
  CHECK(part->section(SectionKind::kIds).empty());
  REQUIRE(part->ensureSection(SectionKind::kCodes));
  REQUIRE(part->ensureSection(SectionKind::kNorms));
  const Bytes got = part->section(SectionKind::kCodes);
  CHECK(std::equal(got.begin(), got.end(), codes.begin(), codes.end()));
  CHECK_EQ(addressOf(got.data()) % 64, addressOf(b.file->view()) % 64);
  CHECK(!part->damaged());
}

TEST(every_flipped_bit_of_a_part_is_found) {
  Bench b;
  REQUIRE_OK(b.opened);
  SimRng rng(seed());
  const auto codes = randomBytes(&rng, 3000);
  const PartEntry entry = b.write(PartKind::kBase, 1, {{SectionKind::kCodes, codes}});
  const uint64_t from = runOffset(b.layout, entry.run) + entry.page * b.layout.page_bytes;
  uint64_t found = 0, flips = 0;
  for (uint64_t at = from; at < from + uint64_t{entry.pages} * b.layout.page_bytes; at++) {
    const std::byte flip[] = {b.file->view()[at] ^ static_cast<std::byte>(1u << rng.below(8))};
    const std::byte old[] = {b.file->view()[at]};
    b.disk.poke("parts", at, flip);
    std::unique_ptr<PartView> part;
    flips++;
    if (!b.view(entry, &part).ok() || !part->verifyPages(0, part->pages())) found++;
    b.disk.poke("parts", at, old);
  }
  CHECK_EQ(found, flips);
  std::unique_ptr<PartView> part;
  REQUIRE_OK(b.view(entry, &part));
  CHECK(part->verifyPages(0, part->pages()));
}

TEST(damage_to_one_page_leaves_the_others_readable) {
  Bench b;
  REQUIRE_OK(b.opened);
  const PartEntry entry = b.write(PartKind::kBase, 1,
                                  {{SectionKind::kCodes, std::vector<std::byte>(4096)}});
  const uint64_t bad = runOffset(b.layout, entry.run) + (entry.page + 3) * b.layout.page_bytes;
  const std::byte flip[] = {std::byte{1}};
  b.disk.poke("parts", bad + 5, flip);
  std::unique_ptr<PartView> part;
  REQUIRE_OK(b.view(entry, &part));
  CHECK(part->ensure(512, 1024));
  CHECK(!part->ensure(3 * 512, 1));
  CHECK(part->damaged());
  CHECK(part->ensure(4 * 512, 512));
  CHECK(!part->ensure(2 * 512, 3 * 512));
  CHECK(!part->ensure(uint64_t{part->pages()} * 512, 1));  // beyond the part
}

TEST(a_part_under_another_entry_is_refused) {
  Bench b;
  REQUIRE_OK(b.opened);
  const PartEntry entry = b.write(PartKind::kBase, 1,
                                  {{SectionKind::kCodes, std::vector<std::byte>(100)}});
  std::unique_ptr<PartView> part;
  PartEntry other = entry;
  other.kind = PartKind::kVectors;
  CHECK(!b.view(other, &part).ok());
  other = entry;
  other.table_crc ^= 1;
  CHECK(!b.view(other, &part).ok());
  other = entry;
  other.pages++;
  CHECK(!b.view(other, &part).ok());
  CHECK(!PartView::open(b.file->view(), b.layout, b.uuid, 8, entry, false, &part).ok());
  Uuid stranger = b.uuid;
  stranger[0] ^= 1;
  CHECK(!PartView::open(b.file->view(), b.layout, stranger, 7, entry, false, &part).ok());
}

TEST(a_peek_at_a_part_finds_the_entry_that_its_writer_returned) {
  Bench b;
  REQUIRE_OK(b.opened);
  const PartEntry entry = b.write(PartKind::kVectors, 11,
                                  {{SectionKind::kMatrix, std::vector<std::byte>(5000)}});
  const uint64_t at = runOffset(b.layout, entry.run) + entry.page * b.layout.page_bytes;
  const Bytes rest(b.file->view() + at, runBytes(b.layout, entry.run) - b.layout.page_bytes);
  PartPeek peek;
  REQUIRE(peekPart(rest, b.layout, b.uuid, &peek));
  CHECK_EQ(peek.segment_id, 7u);
  CHECK_EQ(peek.rows, 11u);
  CHECK_EQ(peek.entry.kind, PartKind::kVectors);
  CHECK_EQ(peek.entry.pages, entry.pages);
  CHECK_EQ(peek.entry.header_crc, entry.header_crc);
  CHECK_EQ(peek.entry.table_crc, entry.table_crc);
  CHECK(!peekPart(rest.first(uint64_t{entry.pages} * 512 - 1), b.layout, b.uuid, &peek));
  CHECK(!peekPart(rest.first(100), b.layout, b.uuid, &peek));
}

TEST(columns_round_trip_at_every_width) {
  SimRng rng(seed());
  for (uint32_t width = 0; width <= 64; width++) {
    Bench b;
    REQUIRE_OK(b.opened);
    const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
    const uint64_t base = width == 64 ? 0 : rng.next() & ~mask >> 1 & (~uint64_t{0} >> 1);
    std::vector<uint64_t> values(width % 2 == 0 ? 300 : 257);
    for (uint64_t& v : values) v = base + (rng.next() & mask);
    values[0] = base;
    values[1] = base + mask;
    const PartEntry entry =
        b.write(PartKind::kBase, 1, {{SectionKind::kIds, encodeColumn(values)}});
    std::unique_ptr<PartView> part;
    REQUIRE_OK(b.view(entry, &part));
    ColumnView column;
    REQUIRE_OK(ColumnView::open(part.get(), SectionKind::kIds, static_cast<uint32_t>(values.size()),
                                0, &column));
    uint32_t wrong = 0;
    for (uint32_t row = 0; row < values.size(); row++) {
      uint64_t got = 0;
      if (!column.get(row, &got) || got != values[row]) wrong++;
    }
    CHECK_EQ(wrong, 0u);
  }
}

TEST(an_absent_column_reads_as_its_default_and_a_short_one_is_refused) {
  Bench b;
  REQUIRE_OK(b.opened);
  const PartEntry entry =
      b.write(PartKind::kBase, 1, {{SectionKind::kIds, encodeColumn({1, 2, 3})}});
  std::unique_ptr<PartView> part;
  REQUIRE_OK(b.view(entry, &part));
  ColumnView column;
  REQUIRE_OK(ColumnView::open(part.get(), SectionKind::kLabels, 3, 77, &column));
  uint64_t got = 0;
  CHECK(column.get(2, &got));
  CHECK_EQ(got, 77u);
  CHECK_EQ(ColumnView::open(part.get(), SectionKind::kIds, 2000, 0, &column).code(),
           Code::kCorrupt);
}

// Method: the bytes of a column are damaged before the checksum is taken, as an attacker would.
TEST(a_hostile_column_gives_wrong_values_or_none_but_reads_nothing_outside) {
  SimRng rng(seed());
  uint64_t refused = 0;
  for (int round = 0; round < 300; round++) {
    Bench b;
    std::vector<std::byte> bytes = encodeColumn({5, 9, 1000, 7, 123456789});
    for (int i = 0; i < 3; i++) bytes[rng.below(bytes.size())] = static_cast<std::byte>(rng.next());
    const PartEntry entry = b.write(PartKind::kBase, 1, {{SectionKind::kIds, bytes}});
    std::unique_ptr<PartView> part;
    REQUIRE_OK(b.view(entry, &part));
    ColumnView column;
    if (!ColumnView::open(part.get(), SectionKind::kIds, 5, 0, &column).ok()) continue;
    for (uint32_t row = 0; row < 5; row++) {
      uint64_t got = 0;
      if (!column.get(row, &got)) refused++;
    }
  }
  CHECK(refused > 0);
}

}  // namespace
}  // namespace rve::test
