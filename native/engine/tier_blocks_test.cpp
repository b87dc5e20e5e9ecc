// The vectors part of a segment in tiers: a sound one opens, and no value of its tables, however
// impossible, is believed. Checksums hold throughout: an attacker computes them (FORMAT.md 15).
#include "engine/tier_blocks.hpp"

#include <cmath>
#include <functional>
#include <limits>

#include "base/crc32c.hpp"
#include "engine/test_kit.hpp"
#include "storage/part.hpp"
#include "test/sim/sim_disk.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kDims = 24;
constexpr uint32_t kRows = 40;  // eight of each tier
constexpr uint32_t kRowsOfTier = kRows / kTierCount;

struct Contents {
  std::vector<TierRange> ranges;
  std::vector<std::byte> codebook, records, originals, centroid_rows;
};

std::vector<float> gaussians(SimRng* rng, size_t count) {
  std::vector<float> out(count);
  for (float& x : out) {
    double sum = -6;
    for (int part = 0; part < 12; ++part) sum += static_cast<double>(rng->below(1000)) / 999;
    x = static_cast<float>(sum);
  }
  return out;
}

float bitsOf(Tier tier) { return tier == Tier::kCool ? 7.25f : tier == Tier::kCold ? 4.25f : 0; }

// Parts of a small file, and what they are opened with.
class Bench {
 public:
  Bench() : disk_({.file_bytes_max = 1 << 20}), rng_(seed()) {
    layout_.page_bytes = 512;
    layout_.chunk_bytes = 4096;
    uuid_.fill(0x42);
    opened_ = disk_.open("parts", OpenMode::kCreateExclusive, &file_);
    if (opened_.ok()) opened_ = file_->grow(fileBytesOf(layout_, 64));
    context_.dims = kDims;
    context_.kind = DistanceKind::kL2;
    context_.uuid = uuid_;
    context_.layout = layout_;
    context_.shelf = &shelf_;
    const std::vector<float> sample = gaussians(&rng_, 80 * kDims);
    book_ = TierCodebook::train({1, kDims, DistanceKind::kL2, context_.seed()}, sample.data(), 80);
    fill();
  }

  const Contents& sound() const { return sound_; }
  const TierCodebook& book() const { return *book_; }
  SimRng& rng() { return rng_; }
  const Status& opened() const { return opened_; }
  const std::vector<float>& vectors() const { return vectors_; }

  Status open(const Contents& contents, std::unique_ptr<TierBlocks>* out, uint32_t rows = kRows) {
    RVE_TRY(write(contents));
    return TierBlocks::open(context_, *part_, rows, out);
  }

  // Whether it is refused as damaged, and not otherwise.
  bool refused(const std::function<void(Contents*)>& change, uint32_t rows = kRows) {
    Contents contents = sound_;
    change(&contents);
    std::unique_ptr<TierBlocks> blocks;
    return open(contents, &blocks, rows).code() == Code::kCorrupt && blocks == nullptr;
  }

  void flip(SectionKind kind) {
    const uint64_t at = runOffset(layout_, run_) + entry_.page * layout_.page_bytes;
    const uint64_t in_file = at + part_->offsetOf(kind);
    const std::byte flipped[] = {file_->view()[in_file] ^ std::byte{4}};
    disk_.poke("parts", in_file, flipped);
  }
  Status openAgain(std::unique_ptr<TierBlocks>* out) {
    RVE_TRY(PartView::open(file_->view(), layout_, uuid_, 7, entry_, false, &part_));
    return TierBlocks::open(context_, *part_, kRows, out);
  }

 private:
  void fill() {
    vectors_ = gaussians(&rng_, kRows * kDims);
    std::vector<float> rotated(book_->paddedDims());
    for (uint32_t number = 0; number < kTierCount; ++number) {
      const auto tier = static_cast<Tier>(number);
      sound_.ranges.push_back({number * kRowsOfTier, kRowsOfTier, number, bitsOf(tier)});
      for (uint32_t i = 0; i < kRowsOfTier; ++i) {
        const float* x = vectors_.data() + (number * kRowsOfTier + i) * kDims;
        book_->rotation().apply(x, rotated.data());
        append(tier, x, rotated.data(), &sound_.records);
        if (tier > Tier::kWarm) append(Tier::kWarm, x, rotated.data(), &sound_.originals);
      }
      sound_.records.resize(roundUp(sound_.records.size(), 64));
    }
    sound_.originals.resize(roundUp(sound_.originals.size(), 64));
    sound_.codebook = book_->encode();
    sound_.centroid_rows.resize(4 * size_t{book_->centroidCount()}, std::byte{0xff});
  }

  void append(Tier tier, const float* x, const float* rotated, std::vector<std::byte>* out) {
    if (tier == Tier::kHot) {
      const Bytes bytes = bytesOf(x, kDims);
      out->insert(out->end(), bytes.begin(), bytes.end());
      return;
    }
    const auto coder = shelf_.coder(book_, tier, bitsOf(tier));
    const size_t at = out->size();
    out->resize(at + coder->codec.recordBytes());
    coder->codec.encode(x, rotated, out->data() + at);
  }

  Status write(const Contents& contents) {
    const Bytes ranges = bytesOf(contents.ranges.data(), contents.ranges.size());
    PartsWriter writer(file_.get(), layout_, uuid_, run_, 7, 1);
    RVE_TRY(writer.writeRunHeader());
    RVE_TRY(writer.begin(PartKind::kVectors, kRows, kDims,
                         {{SectionKind::kTierRanges, ranges.size()},
                          {SectionKind::kCodebook, contents.codebook.size()},
                          {SectionKind::kTierRecords, contents.records.size()},
                          {SectionKind::kOriginals, contents.originals.size()},
                          {SectionKind::kCentroidRows, contents.centroid_rows.size()}}));
    RVE_TRY(writer.append(ranges));
    for (const auto* bytes : {&contents.codebook, &contents.records, &contents.originals,
                              &contents.centroid_rows}) {
      RVE_TRY(writer.append(*bytes));
    }
    RVE_TRY(writer.end(&entry_));
    return PartView::open(file_->view(), layout_, uuid_, 7, entry_, false, &part_);
  }

  SimDisk disk_;
  SimRng rng_;
  Layout layout_;
  Uuid uuid_;
  Run run_{3, 40};
  std::unique_ptr<File> file_;
  Status opened_;
  CodebookShelf shelf_;
  SegmentContext context_;
  std::shared_ptr<const TierCodebook> book_;
  std::vector<float> vectors_;
  Contents sound_;
  PartEntry entry_;
  std::unique_ptr<PartView> part_;
};

// Decodes all that a table that was believed leads to: the sanitizers watch.
double sumOfAll(const TierBlocks& blocks, uint32_t rows) {
  double sum = 0;
  std::vector<float> x(kDims);
  for (uint32_t row = 0; row < rows; ++row) {
    decodeVector(blocks.rangeOf(row).ref(row), kDims, x.data());
    for (const float value : x) sum += std::isfinite(value) ? double{value} : 0;
    const TierBlocks::Range* originals = blocks.originals();
    if (originals == nullptr || row < originals->first_row) continue;
    decodeVector(originals->ref(row), kDims, x.data());
    for (const float value : x) sum += std::isfinite(value) ? double{value} : 0;
  }
  return sum;
}

// A codebook with one field changed and a sound checksum.
template <typename T>
std::function<void(Contents*)> inCodebook(size_t at, T value) {
  return [at, value](Contents* contents) {
    const MutableBytes bytes(contents->codebook);
    store(bytes, at, value);
    const size_t body = bytes.size() - 4;
    store(bytes, body, crc32c(Bytes(contents->codebook).first(body)));
  };
}

}  // namespace

TEST(every_tier_of_a_sound_part_reads_near_to_what_was_written) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  std::unique_ptr<TierBlocks> blocks;
  REQUIRE_OK(bench.open(bench.sound(), &blocks));
  REQUIRE_EQ(blocks->ranges().size(), size_t{kTierCount});
  REQUIRE(blocks->originals() != nullptr);
  CHECK_EQ(blocks->originals()->first_row, 2 * kRowsOfTier);
  CHECK_EQ(blocks->centroidRows().size(), size_t{blocks->codebook()->centroidCount()});
  // Of the squared length; a code of 24 dimensions scatters, so each tier's rows are judged together.
  const double losses[kTierCount] = {0, 1e-6, 0.01, 0.3, 0.6};
  double off2[kTierCount] = {}, norm2[kTierCount] = {};
  std::vector<float> x(kDims);
  for (uint32_t row = 0; row < kRows; ++row) {
    const TierBlocks::Range& range = blocks->rangeOf(row);
    decodeVector(range.ref(row), kDims, x.data());
    const auto tier = static_cast<size_t>(range.tier);
    double row_off2 = 0, row_norm2 = 0;
    for (uint32_t d = 0; d < kDims; ++d) {
      const double value = bench.vectors()[row * kDims + d];
      row_off2 += std::pow(double{x[d]} - value, 2);
      row_norm2 += value * value;
    }
    CHECK(row_off2 <= row_norm2);
    off2[tier] += row_off2;
    norm2[tier] += row_norm2;
  }
  for (size_t tier = 0; tier < kTierCount; ++tier) {
    CHECK(off2[tier] <= losses[tier] * norm2[tier]);
  }
}

TEST(impossible_ranges_of_tiers_are_refused) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  constexpr uint32_t kValues[] = {0, 1, 7, 9, kRows, kRows + 1, 0x7fffffff, 0xfffffff8, 0xffffffff};
  for (size_t i = 0; i < kTierCount; ++i) {
    for (const uint32_t value : kValues) {
      const TierRange stored = bench.sound().ranges[i];
      if (value != stored.first_row) {
        CHECK(bench.refused([&](Contents* c) { c->ranges[i].first_row = value; }));
      }
      if (value != stored.rows) {
        CHECK(bench.refused([&](Contents* c) { c->ranges[i].rows = value; }));
      }
    }
    for (const uint32_t tier : {0u, 1u, 2u, 3u, 4u, 5u, 255u, 0xffffffffu}) {
      if (tier != i) CHECK(bench.refused([&](Contents* c) { c->ranges[i].tier = tier; }));
    }
    const float inf = std::numeric_limits<float>::infinity();
    for (const float bits : {-0.5f, 0.0f, 1.9f, 4.6f, 8.1f, 1e9f, inf, -inf, std::nanf("")}) {
      const bool same = bits == bench.sound().ranges[i].bits;
      // Cool at 4.6 is possible, but its records have another size.
      if (!same) CHECK(bench.refused([&](Contents* c) { c->ranges[i].bits = bits; }));
    }
  }
}

TEST(ranges_of_tiers_that_do_not_cover_the_rows_are_refused) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  CHECK(bench.refused([](Contents* c) { c->ranges.clear(); }));
  CHECK(bench.refused([](Contents* c) { c->ranges.pop_back(); }));
  CHECK(bench.refused([](Contents* c) { c->ranges.erase(c->ranges.begin()); }));
  CHECK(bench.refused([](Contents* c) { c->ranges.push_back(c->ranges.back()); }));
  CHECK(bench.refused([](Contents* c) { std::swap(c->ranges[2], c->ranges[3]); }));
  CHECK(bench.refused([](Contents*) {}, kRows - 1));
  CHECK(bench.refused([](Contents*) {}, kRows + 1));
  CHECK(bench.refused([](Contents*) {}, 0xffffffff));
}

TEST(sections_of_tiers_of_another_size_are_refused) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  using Section = std::vector<std::byte> Contents::*;
  for (const Section section :
       {&Contents::records, &Contents::originals, &Contents::centroid_rows, &Contents::codebook}) {
    for (const int change : {-64, -8, -4, -1, 1, 4, 64, 4096}) {
      const auto bytes = static_cast<int64_t>((bench.sound().*section).size()) + change;
      if (bytes <= 0) continue;  // absent: some other part of it says so
      CHECK(bench.refused([&](Contents* c) { (c->*section).resize(static_cast<size_t>(bytes)); }));
    }
  }
  CHECK(bench.refused([](Contents* c) { c->records.clear(); }));
  // Without a codebook the codes have the same size, but two centroids too many stand behind them.
  CHECK(bench.refused([](Contents* c) { c->codebook.clear(); }));
}

TEST(originals_and_centroid_rows_may_be_absent) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  Contents contents = bench.sound();
  contents.originals.clear();
  contents.centroid_rows.clear();
  std::unique_ptr<TierBlocks> blocks;
  REQUIRE_OK(bench.open(contents, &blocks));
  CHECK(blocks->originals() == nullptr);
  CHECK(blocks->centroidRows().empty());
  contents.codebook.clear();
  REQUIRE_OK(bench.open(contents, &blocks));
  CHECK_EQ(blocks->codebook()->sampleCount(), uint64_t{0});
  CHECK(std::isfinite(sumOfAll(*blocks, kRows)));
}

TEST(an_impossible_codebook_is_refused) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(bench.refused(inCodebook<uint32_t>(0, 0x42545653)));
  for (const uint16_t version : std::initializer_list<uint16_t>{0, 2, 65535}) {
    CHECK(bench.refused(inCodebook<uint16_t>(4, version)));
  }
  for (const uint8_t kind : std::initializer_list<uint8_t>{0, 1, 3, 4, 255}) {
    CHECK(bench.refused(inCodebook<uint8_t>(6, kind)));
  }
  CHECK(bench.refused(inCodebook<uint8_t>(7, 1)));
  // The last two have the same padding, and so the same length.
  for (const uint32_t dims : {0u, 25u, 4097u, 0xffffffffu, kDims - 1, kDims - 7}) {
    CHECK(bench.refused(inCodebook<uint32_t>(8, dims)));
  }
  for (const uint32_t count : {0u, 1u, 3u, 257u, 0x80000000u, 0xffffffffu}) {
    CHECK(bench.refused(inCodebook<uint32_t>(12, count)));
  }
  for (const float bad : {inf, -inf, std::nanf("")}) {
    CHECK(bench.refused(inCodebook<float>(40, bad)));
    CHECK(bench.refused(inCodebook<float>(44 + 4 * (kDims - 1), bad)));
    CHECK(bench.refused(inCodebook<float>(44 + 4 * kDims, bad)));
  }
  CHECK(bench.refused(inCodebook<float>(44 + 4 * kDims, -1.0f)));
  CHECK(bench.refused([](Contents* c) { c->codebook.back() ^= std::byte{1}; }));
}

TEST(a_damaged_page_of_the_tables_of_tiers_is_found_at_open) {
  for (const SectionKind kind :
       {SectionKind::kTierRanges, SectionKind::kCodebook, SectionKind::kCentroidRows}) {
    Bench bench;
    REQUIRE_OK(bench.opened());
    std::unique_ptr<TierBlocks> blocks;
    REQUIRE_OK(bench.open(bench.sound(), &blocks));
    bench.flip(kind);
    CHECK_EQ(bench.openAgain(&blocks).code(), Code::kCorrupt);
  }
}

// Method: some bytes of tables, records or codebook are replaced; what is still believed is read to
// the last row.
TEST(hostile_bytes_in_tiers_are_refused_or_decode_to_something) {
  Bench bench;
  REQUIRE_OK(bench.opened());
  uint32_t refused = 0, believed = 0;
  for (uint32_t round = 0; round < 400; ++round) {
    Contents contents = bench.sound();
    std::vector<std::byte> ranges(contents.ranges.size() * sizeof(TierRange));
    std::memcpy(ranges.data(), contents.ranges.data(), ranges.size());
    std::vector<std::byte>* const targets[] = {&ranges, &contents.records, &contents.originals,
                                               &contents.centroid_rows, &contents.codebook};
    std::vector<std::byte>& target = *targets[round % std::size(targets)];
    const uint64_t changes = 1 + bench.rng().below(target.size());
    for (uint64_t i = 0; i < changes; ++i) {
      target[bench.rng().below(target.size())] = static_cast<std::byte>(bench.rng().next());
    }
    std::memcpy(contents.ranges.data(), ranges.data(), ranges.size());
    const size_t body = contents.codebook.size() - 4;
    store(MutableBytes(contents.codebook), body, crc32c(Bytes(contents.codebook).first(body)));
    std::unique_ptr<TierBlocks> blocks;
    const Status status = bench.open(contents, &blocks);
    if (!status.ok()) {
      CHECK_EQ(status.code(), Code::kCorrupt);
      ++refused;
      continue;
    }
    ++believed;
    CHECK(std::isfinite(sumOfAll(*blocks, kRows)));
  }
  CHECK(refused > 0 && believed > 0);
}

// A hot record of one dimension takes 4 bytes: the bound on the rows of an entry must let it pass.
TEST(tiny_vectors_in_tiers_survive_a_reopening) {
  for (const uint32_t dims : {1u, 2u}) {
    TestStore store(Metric::kL2, dims, seed());
    store.options.layout = {.page_bytes = 256, .chunk_bytes = 1024, .group_bytes_max = 4096,
                            .log_run_chunks_min = 2, .log_run_chunks_max = 8,
                            .file_bytes_max = 1 << 20};
    store.options.tiers.bytes_max = 1 << 20;
    store.options.tiers.fill_budget = false;
    store.options.tuning.hnsw_m = 4;
    store.options.tuning.hnsw_ef_construction = 8;
    REQUIRE_OK(store.open());
    constexpr uint32_t kTiny = 1200;
    for (uint32_t done = 0; done < kTiny; done += 100) {
      InsertBatch batch;
      batch.count = 100;
      for (uint32_t i = 0; i < batch.count; ++i) batch.times_ms.push_back(1'700'000'000'000);
      for (uint32_t i = 0; i < batch.count * dims; ++i) {
        batch.matrix.push_back(static_cast<float>(store.rng.below(1000)));
      }
      InsertResult result;
      REQUIRE_OK(store.insertBatch(std::move(batch), &result));
    }
    store.engine->setHeatNow(1);
    REQUIRE_OK(store.job(Job::kFreeze));
    REQUIRE_OK(store.job(Job::kLink));
    store.engine->setHeatNow(5 * 3'600'000);
    bool did = false;
    REQUIRE_OK(store.engine->maintain(Job::kRecompress, &did));
    CHECK(did);
    REQUIRE_OK(store.engine->close());
    REQUIRE_OK(store.open());
    CHECK_EQ(store.engine->stats().live, uint64_t{kTiny});
  }
}

}  // namespace rve::test
