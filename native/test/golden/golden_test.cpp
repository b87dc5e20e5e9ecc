// The golden files of every released version: the engine must open them for good, find what they
// hold, and be able to go on with them. tools/dump/dump.test.ts reads the same files by
// native/FORMAT.md alone.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "base/crc32c.hpp"
#include "test/golden/golden_stores.hpp"
#include "test/golden/sparse.hpp"
#include "test/sim/sim_disk.hpp"
#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

const char* const kPath = "golden.rve";

std::string readText(const std::string& path) {
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  char buffer[65536];
  for (size_t got; (got = std::fread(buffer, 1, sizeof(buffer), file)) > 0;) {
    text.append(buffer, got);
  }
  std::fclose(file);
  return text;
}

std::string goldenPath(const std::string& name, const char* ending) {
  return "native/test/golden/" + name + ending;
}

struct Expected {
  uint64_t id = 0;
  int64_t time_ms = 0;
  std::string source, label, payload;
  std::vector<float> vector;
};

struct Golden {
  std::vector<std::byte> image;
  uint32_t dimensions = 0;
  std::string metric;
  std::vector<Expected> records;
};

bool loadGolden(const std::string& name, Golden* out) {
  if (!bytesFromSparse(readText(goldenPath(name, ".store")), &out->image)) return false;
  std::istringstream lines(readText(goldenPath(name, ".records")));
  std::string line;
  if (!std::getline(lines, line)) return false;
  std::istringstream head(line);
  head >> out->dimensions >> out->metric;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    Expected e;
    words >> e.id >> e.time_ms >> e.source >> e.label >> e.payload;
    for (std::string value; words >> value;) {
      e.vector.push_back(std::strtof(value.c_str(), nullptr));
    }
    if (e.vector.size() != out->dimensions) return false;
    out->records.push_back(std::move(e));
  }
  return true;
}

// A golden file on a disk of its own.
class Opened {
 public:
  explicit Opened(const Golden& golden)
      : disk_({.sector_bytes = 4096, .file_bytes_max = 16u << 20, .device_bytes_max = 32u << 20}),
        rng_(1) {
    std::unique_ptr<File> file;
    const bool put = disk_.open(kPath, OpenMode::kCreateExclusive, &file).ok() &&
                     file->grow(golden.image.size()).ok() && file->write(0, golden.image).ok() &&
                     file->sync().ok() && disk_.syncFolder(kPath).ok();
    RVE_ASSERT(put);
  }

  Status open(bool read_only) {
    OpenOptions options;
    options.path = kPath;
    options.create_if_missing = false;
    options.read_only = read_only;
    options.layout.file_bytes_max = 16u << 20;
    options.tuning.all_manual = true;
    options.disk = &disk_;
    options.clock = &clock_;
    options.rng = &rng_;
    return Engine::open(options, &engine_);
  }
  void close() {
    CHECK_OK(engine_->close());
    engine_.reset();
  }
  Engine& engine() { return *engine_; }
  SimDisk& disk() { return disk_; }

 private:
  SimDisk disk_;
  SimRng rng_;
  SimClock clock_;
  std::unique_ptr<Engine> engine_;
};

std::string orDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string payloadText(const std::vector<uint8_t>& payload) {
  char text[32];
  std::snprintf(text, sizeof(text), "%zu:%08x", payload.size(),
                crc32c(bytesOf(payload.data(), payload.size())));
  return text;
}

// How far a value may be off that is read from a file of this kind.
float slackOf(const std::string& name, const std::string& metric, const Expected& wanted) {
  // Cosine divides by the norm and multiplies again: two roundings.
  if (!goldenIsCoded(name)) return metric == "cosine" ? 4e-7f : 0.0f;
  // Sums of a decoder: kernels add up in different orders.
  float largest = 0;
  for (const float value : wanted.vector) largest = std::max(largest, std::abs(value));
  return 2e-6f * largest;
}

void checkRecord(const Record& got, const Expected& wanted, float slack) {
  CHECK(got.found);
  CHECK_EQ(got.id, wanted.id);
  CHECK_EQ(got.time_ms, wanted.time_ms);
  CHECK_EQ(orDash(got.source), wanted.source);
  CHECK_EQ(orDash(got.label), wanted.label);
  CHECK_EQ(payloadText(got.payload), wanted.payload);
  REQUIRE_EQ(got.vector.size(), wanted.vector.size());
  for (size_t d = 0; d < wanted.vector.size(); d++) {
    CHECK(std::abs(got.vector[d] - wanted.vector[d]) <= slack);
  }
}

}  // namespace

TEST(the_engine_finds_in_every_golden_file_what_was_put_there) {
  for (const std::string& name : goldenNames()) {
    Golden golden;
    REQUIRE(loadGolden(name, &golden));
    Opened store(golden);
    REQUIRE_OK(store.open(true));
    ScanCursor cursor;
    std::vector<Record> all, some;
    while (!cursor.end) {
      REQUIRE_OK(store.engine().scan({}, 100, &cursor, &some));
      all.insert(all.end(), some.begin(), some.end());
    }
    REQUIRE_EQ(all.size(), golden.records.size());
    for (size_t i = 0; i < all.size(); i++) {
      checkRecord(all[i], golden.records[i], slackOf(name, golden.metric, golden.records[i]));
    }
    CheckReport report;
    REQUIRE_OK(store.engine().check(true, &report));
    CHECK(report.ok);
    CHECK_EQ(report.lost + report.holes, uint64_t{0});
    store.close();
  }
}

TEST(reading_a_golden_file_changes_no_byte_of_it) {
  for (const std::string& name : goldenNames()) {
    Golden golden;
    REQUIRE(loadGolden(name, &golden));
    Opened store(golden);
    REQUIRE_OK(store.open(true));
    store.close();
    const Bytes now = store.disk().peek(kPath);
    CHECK(std::equal(now.begin(), now.end(), golden.image.begin(), golden.image.end()));
  }
}

TEST(a_golden_file_can_be_written_on) {
  for (const std::string& name : goldenNames()) {
    Golden golden;
    REQUIRE(loadGolden(name, &golden));
    Opened store(golden);
    REQUIRE_OK(store.open(false));
    InsertBatch batch;
    batch.count = 1;
    batch.matrix.assign(golden.dimensions, 0.5f);
    int64_t id = -1;
    REQUIRE_OK(store.engine().submitInsert(std::move(batch), [&](InsertResult&& result) {
      if (result.status.ok()) id = result.ids[0];
    }));
    while (store.engine().pump()) {
    }
    REQUIRE(id >= 0);
    for (const Expected& e : golden.records) CHECK(static_cast<uint64_t>(id) > e.id);
    for (const Job job : {Job::kFreeze, Job::kLink, Job::kCompact}) {
      bool did = false;
      CHECK_OK(store.engine().maintain(job, &did));
    }
    store.close();
    REQUIRE_OK(store.open(true));
    CHECK_EQ(store.engine().stats().live, uint64_t{golden.records.size() + 1});
    std::vector<Record> got;
    REQUIRE_OK(store.engine().get({static_cast<uint64_t>(id)}, &got));
    CHECK(got[0].found);
    CHECK_EQ(got[0].vector.size(), size_t{golden.dimensions});
    store.close();
  }
}

// The makers may write other bytes one day (a better graph): that is no break. What they ask for
// stays.
TEST(what_the_makers_put_in_is_what_the_golden_records_say) {
  for (const std::string& name : goldenNames()) {
    if (goldenIsCoded(name)) continue;
    CHECK_EQ(textOfRecords(makeGolden(name)), readText(goldenPath(name, ".records")));
  }
}

TEST(golden_records_in_tiers_are_near_to_what_the_makers_put_in) {
  for (const std::string& name : goldenNames()) {
    if (!goldenIsCoded(name)) continue;
    const GoldenStore made = makeGolden(name);
    Golden golden;
    REQUIRE(loadGolden(name, &golden));
    REQUIRE_EQ(made.records.size(), golden.records.size());
    size_t exact = 0;
    for (const Expected& e : golden.records) {
      REQUIRE(made.records.count(e.id) == 1);
      const GoldenRecord& asked = made.records.at(e.id);
      CHECK_EQ(asked.time_ms, e.time_ms);
      CHECK_EQ(orDash(asked.source), e.source);
      CHECK_EQ(orDash(asked.label), e.label);
      CHECK_EQ(payloadText(asked.payload), e.payload);
      double off2 = 0, norm2 = 0;
      for (size_t d = 0; d < e.vector.size(); d++) {
        off2 += std::pow(double{asked.vector[d]} - double{e.vector[d]}, 2);
        norm2 += std::pow(double{asked.vector[d]}, 2);
      }
      // One bit a coordinate keeps two thirds of a residual's energy, and more of the vector's.
      CHECK(off2 <= 0.5 * norm2);
      exact += off2 <= 1e-12 * norm2 ? 1 : 0;
    }
    CHECK(exact < golden.records.size());
  }
}

TEST(a_golden_store_survives_its_text_form) {
  const GoldenStore store = makeGolden("tail");
  std::vector<std::byte> back;
  REQUIRE(bytesFromSparse(sparseFromBytes(store.image), &back));
  CHECK(back == store.image);
  CHECK(!bytesFromSparse("rve-golden 1\nbytes 100\n000000000060 0102030405\n", &back));
  CHECK(!bytesFromSparse("rve-golden 2\nbytes 100\n", &back));
}

}  // namespace rve::test
