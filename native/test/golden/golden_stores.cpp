#include "test/golden/golden_stores.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/crc32c.hpp"
#include "test/sim/sim_disk.hpp"
#include "test/sim/sim_env.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kDims = 8;
constexpr uint64_t kHourMs = 3'600'000;
constexpr uint64_t kRoomy = 16u << 20;  // a budget that pushes no record down
constexpr uint64_t kSeed = 0x601D;
constexpr uint32_t kPayloadMost = 64 * 1024;
const char* const kPath = "golden.rve";

class GoldenClock final : public Clock {
 public:
  int64_t wallMs() override { return clock_.wallMs(); }
  uint64_t monotonicNs() override { return clock_.monotonicNs(); }
  BootId bootId() override {
    BootId id;
    for (uint8_t i = 0; i < 16; i++) id.bytes[i] = static_cast<uint8_t>(0xB0 + i);
    return id;
  }
  SimClock& sim() { return clock_; }

 private:
  SimClock clock_;
};

struct PutOptions {
  std::string source = {};
  std::vector<std::string> labels = {};  // as InsertBatch
  std::vector<uint64_t> ids = {};
  bool times = false;          // one a row, else one for all
  uint32_t payload_bytes = 0;  // of every second row
  bool sequence = false;
  uint64_t first_sequence = 0;
  uint32_t cluster = 0;  // 1 + a coordinate along which rows fall apart in two; 0: none
  bool unit = false;     // all of length 1, up to rounding
};

void makeUnit(std::vector<float>* vector) {
  double norm2 = 0;
  for (const float v : *vector) norm2 += double{v} * double{v};
  const double norm = std::sqrt(norm2);
  for (float& v : *vector) v = static_cast<float>(double{v} / norm);
}

// One store in the making, and beside it the model: what was asked for.
class Maker {
 public:
  Maker(const std::string& name, Metric metric)
      : Maker(name, metric, kDims, {.profile = Profile::kPrecise}) {}
  Maker(const std::string& name, Metric metric, uint32_t dims, const TierOptions& tiers)
      : disk_({.sector_bytes = 4096, .file_bytes_max = 16u << 20, .device_bytes_max = 32u << 20}),
        disk_rng_(kSeed), data_(kSeed ^ crc32c(bytesOf(name.data(), name.size()))), tiers_(tiers) {
    store_.name = name;
    store_.metric = metric;
    store_.dimensions = dims;
    open();
  }

  void open() {
    OpenOptions options;
    options.path = kPath;
    options.dimensions = store_.dimensions;
    options.has_metric = true;
    options.metric = store_.metric;
    options.layout.file_bytes_max = 16u << 20;
    options.tuning.all_manual = true;
    options.tuning.hnsw_m = 4;
    options.tiers = tiers_;
    options.disk = &disk_;
    options.clock = &clock_;
    options.rng = &disk_rng_;
    const Status status = Engine::open(options, &engine_);
    RVE_ASSERT(status.ok());
  }

  void close() {
    const Status status = engine_->close();
    RVE_ASSERT(status.ok());
    engine_.reset();
  }

  // Inserts `count` rows as one call; committed by the next pump().
  void put(uint32_t count, const PutOptions& options = {}) {
    clock_.sim().advanceMs(7);
    InsertBatch batch;
    batch.count = count;
    batch.source = options.source;
    batch.labels = options.labels;
    batch.ids = options.ids;
    batch.has_sequence = options.sequence;
    batch.boot = options.sequence ? 77 : 0;
    batch.sequence = options.first_sequence;
    std::vector<GoldenRecord> rows(count);
    for (uint32_t i = 0; i < count; i++) {
      GoldenRecord& r = rows[i];
      r.time_ms = clock_.wallMs();
      if (options.times) r.time_ms += 1000 * static_cast<int64_t>(i) - 5000;
      batch.times_ms.push_back(r.time_ms);  // the committer would take the clock's now, but later
      r.source = options.source;
      const size_t labels = options.labels.size();
      r.label = labels == 0 ? "" : labels == 1 ? options.labels[0] : options.labels[i];
      r.vector.resize(store_.dimensions);
      for (float& v : r.vector) v = static_cast<float>(data_.below(2001)) / 1000.0f - 1.0f;
      r.vector[i % store_.dimensions] += 0.0625f;  // never the zero vector
      if (options.cluster != 0) r.vector[options.cluster - 1] += i % 3 == 0 ? 4.0f : -4.0f;
      if (options.unit) makeUnit(&r.vector);
      batch.matrix.insert(batch.matrix.end(), r.vector.begin(), r.vector.end());
      if (options.payload_bytes == 0) continue;
      if (i % 2 == 1 || options.payload_bytes == kPayloadMost) {
        r.payload.resize(options.payload_bytes);
        // Large ones are nearly empty, so that the golden file stays small.
        const size_t used = std::min<size_t>(r.payload.size(), 48);
        for (size_t b = 0; b < used; b++) r.payload[b] = static_cast<uint8_t>(data_.next());
      }
      batch.payload_bytes.insert(batch.payload_bytes.end(), r.payload.begin(), r.payload.end());
      batch.payload_ends.push_back(static_cast<uint32_t>(batch.payload_bytes.size()));
    }
    const Status status = engine_->submitInsert(
        std::move(batch), [this, rows = std::move(rows)](InsertResult&& result) {
          RVE_ASSERT(result.status.ok() && result.ids.size() == rows.size());
          for (size_t i = 0; i < rows.size(); i++) {
            if (result.ids[i] >= 0) store_.records[static_cast<uint64_t>(result.ids[i])] = rows[i];
          }
        });
    RVE_ASSERT(status.ok());
  }

  void forget(const std::vector<uint64_t>& ids) {
    const Status status = engine_->submitForget(ids, [](ForgetResult&&) {});
    RVE_ASSERT(status.ok());
    for (const uint64_t id : ids) store_.records.erase(id);
  }

  void forgetSource(const std::string& source) {
    const Status status = engine_->submitForgetSource(source, [](ForgetResult&&) {});
    RVE_ASSERT(status.ok());
    std::erase_if(store_.records, [&](const auto& r) { return r.second.source == source; });
  }

  void pump() {
    while (engine_->pump()) {
    }
  }

  void run(Job job) {
    bool did = false;
    const Status status = engine_->maintain(job, &did);
    RVE_ASSERT(status.ok() && did);
  }

  GoldenClock& clock() { return clock_; }

  void letHoursPass(uint64_t hours) {
    heat_now_ms_ += hours * kHourMs;
    engine_->setHeatNow(heat_now_ms_);
  }

  // Of a store in tiers, before take().
  void readBack() {
    ScanCursor cursor;
    std::vector<Record> some;
    while (!cursor.end) {
      const Status status = engine_->scan({}, 100, &cursor, &some);
      RVE_ASSERT(status.ok());
      for (const Record& record : some) store_.records.at(record.id).stored = record.vector;
    }
  }

  GoldenStore take() {
    const Bytes bytes = disk_.peek(kPath);
    store_.image.assign(bytes.begin(), bytes.end());
    engine_.reset();
    return std::move(store_);
  }

 private:
  SimDisk disk_;
  SimRng disk_rng_, data_;
  TierOptions tiers_;
  GoldenClock clock_;
  GoldenStore store_;
  uint64_t heat_now_ms_ = 1;
  std::unique_ptr<Engine> engine_;
};

// Every kind of record that ingest writes. Nothing is sealed.
void ingestAll(Maker* m) {
  m->put(5);
  m->pump();
  m->put(4, {.source = "pump-3", .labels = {"idle"}, .times = true});
  m->put(6, {.source = "Pumpe-\xc3\xbc", .labels = {"worn", "", "idle", "worn", "new", ""},
             .payload_bytes = 21});
  m->pump();
  m->put(3, {.ids = {40, 2, 39}});  // one of them replaces
  m->pump();
  m->put(4, {.source = "pump-3", .sequence = true, .first_sequence = 100});
  m->pump();
  // 102 and 103 are known: only what is new is stored. And 98 leaves a gap below.
  m->put(4, {.source = "pump-3", .sequence = true, .first_sequence = 102});
  m->put(1, {.source = "pump-3", .sequence = true, .first_sequence = 98});
  m->pump();
  m->forget({0, 7, 12345});
  m->pump();
  m->clock().sim().stepWallMs(-90'000);
  m->put(2, {.source = "gone", .labels = {"idle", "new"}});
  m->pump();
  m->forgetSource("gone");
  m->put(1, {.payload_bytes = 0});
  m->pump();
}

std::vector<uint64_t> everyNth(uint64_t first, uint64_t last, uint64_t step) {
  std::vector<uint64_t> ids;
  for (uint64_t id = first; id < last; id += step) ids.push_back(id);
  return ids;
}

GoldenStore makeEmpty() {
  Maker m("empty", Metric::kCosine);
  return m.take();
}

GoldenStore makeTail() {
  Maker m("tail", Metric::kCosine);
  ingestAll(&m);
  m.close();
  return m.take();
}

// No checkpoint since creation, as after a kill: everything comes from the walk.
GoldenStore makeKilled() {
  Maker m("killed", Metric::kL2);
  ingestAll(&m);
  return m.take();
}

// Rows that the seal leaves where the log put them, and a newer epoch behind them.
GoldenStore makeAdopted() {
  Maker m("adopted", Metric::kL2);
  m.put(370);
  m.pump();
  m.run(Job::kFreeze);
  m.forget({3, 4, 300});
  m.pump();
  m.close();
  m.open();
  m.put(2, {.source = "late"});
  m.pump();
  m.close();
  return m.take();
}

// Rows that the seal copies, because they do not fill the log; every column in use, ids out of
// order.
GoldenStore makeFrozen() {
  Maker m("frozen", Metric::kCosine);
  for (uint32_t i = 0; i < 24; i++) {
    m.put(12, {.source = i % 3 == 0 ? "a" : "b",
               .labels = {i % 2 == 0 ? "even" : "odd"},
               .ids = everyNth(5000 - 100 * i, 5000 - 100 * i + 36, 3),
               .times = true,
               .payload_bytes = 5 + i});
    m.pump();
  }
  m.run(Job::kFreeze);
  m.forget(everyNth(5000, 5036, 3));
  m.pump();
  m.close();
  return m.take();
}

GoldenStore makeLinked() {
  Maker m("linked", Metric::kIp);
  m.put(280, {.source = "robot", .labels = {"walk"}});
  m.put(1);
  m.pump();
  m.run(Job::kFreeze);
  m.run(Job::kLink);
  m.forget({17});
  m.pump();
  m.run(Job::kCheckpoint);
  m.put(3, {.ids = {20, 21, 900}});  // replaces rows of the segment, behind the checkpoint
  m.pump();
  return m.take();
}

// Four segments merged into one, dead rows left out; then so many die that a bitmap is shorter than
// a list.
GoldenStore makeCompacted() {
  Maker m("compacted", Metric::kCosine);
  for (uint32_t i = 0; i < 4; i++) {
    m.put(60, {.source = i % 2 == 0 ? "a" : "b", .labels = {"x"}, .payload_bytes = 9});
    m.pump();
    m.run(Job::kFreeze);
    if (i == 2) m.run(Job::kLink);
  }
  m.forget(everyNth(1, 240, 30));
  m.pump();
  m.run(Job::kCompact);
  m.forget(everyNth(0, 240, 2));
  m.put(2, {.source = "a"});
  m.pump();
  m.close();
  return m.take();
}

// A log of several runs, with a group too long for the run that was named for it.
GoldenStore makeRolled() {
  Maker m("rolled", Metric::kL2);
  for (uint32_t i = 0; i < 70; i++) {
    m.put(1, {.source = "slow"});
    m.pump();
  }
  m.run(Job::kCheckpoint);
  m.put(6, {.source = "camera", .payload_bytes = kPayloadMost});
  m.pump();
  m.put(1);
  m.pump();
  return m.take();
}

// One segment with all five tiers, the oldest rows in the lowest; short norms, labels, payloads,
// and rows that died before and after.
GoldenStore makeTiers() {
  Maker m("tiers", Metric::kCosine, 24,
          {.profile = Profile::kEdge, .bytes_max = kRoomy, .fill_budget = false,
           .cool_bits = 7.25f, .cold_bits = 4.25f});
  constexpr uint64_t kHours[] = {5, 3, 2, 1, 0};
  for (uint32_t i = 0; i < std::size(kHours); i++) {
    m.put(16 + i, {.source = i % 2 == 0 ? "a" : "b", .labels = {i < 2 ? "old" : "new"},
                   .payload_bytes = 3 + i, .cluster = 5});
    m.pump();
    m.run(Job::kFreeze);
    m.letHoursPass(kHours[i]);
  }
  m.forget(everyNth(2, 90, 11));
  m.pump();
  m.run(Job::kCompact);
  m.run(Job::kRecompress);
  m.forget({0, 21, 44});
  m.put(2, {.source = "a", .ids = {30, 300}});
  m.pump();
  m.readBack();
  m.close();
  return m.take();
}

// Codes with the halves that they were made from beside them, and rows that were coded twice.
GoldenStore makeOriginals() {
  Maker m("originals", Metric::kL2, 16,
          {.profile = Profile::kBalanced, .originals = Originals::kKeep,
           .bytes_max = kRoomy, .fill_budget = false});
  for (uint32_t i = 0; i < 4; i++) {
    m.put(20, {.source = "arm", .cluster = 3});
    m.pump();
    m.run(Job::kFreeze);
    m.letHoursPass(i == 0 ? 2 : i == 1 ? 1 : 0);
  }
  m.run(Job::kCompact);
  m.run(Job::kRecompress);
  m.letHoursPass(2);
  m.run(Job::kRecompress);
  m.forget({39, 40});
  m.pump();
  m.readBack();
  m.close();
  return m.take();
}

// Nothing below warm: no codebook, navigation records beside the graph, norms that are all 1.
GoldenStore makeHalves() {
  Maker m("halves", Metric::kCosine, 17,
          {.profile = Profile::kPrecise, .bytes_max = kRoomy, .fill_budget = false});
  for (uint32_t i = 0; i < 4; i++) {
    m.put(10, {.unit = true});
    m.pump();
    m.run(Job::kFreeze);
    m.letHoursPass(i == 1 ? 1 : 0);
  }
  m.run(Job::kCompact);
  m.run(Job::kRecompress);
  m.readBack();
  return m.take();
}

// From 256 dimensions on a cold record preserves one outlier. A mean, and no more centroids.
GoldenStore makeOutliers() {
  Maker m("outliers", Metric::kIp, 260,
          {.profile = Profile::kEdge, .bytes_max = kRoomy, .fill_budget = false, .cold_bits = 4});
  m.put(4, {.source = "lens", .cluster = 200});
  m.put(2);
  m.pump();
  m.run(Job::kFreeze);
  m.run(Job::kLink);
  m.letHoursPass(5);
  m.run(Job::kRecompress);
  m.readBack();
  m.close();
  return m.take();
}

struct Recipe {
  const char* name;
  GoldenStore (*make)();
  bool coded = false;
};

constexpr Recipe kRecipes[] = {
    {"empty", makeEmpty},   {"tail", makeTail},         {"killed", makeKilled},
    {"adopted", makeAdopted}, {"frozen", makeFrozen},   {"linked", makeLinked},
    {"compacted", makeCompacted}, {"rolled", makeRolled},
    {"tiers", makeTiers, true},     {"originals", makeOriginals, true},
    {"halves", makeHalves, true},   {"outliers", makeOutliers, true},
};

std::string orDash(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace

const std::vector<std::string>& goldenNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Recipe& recipe : kRecipes) all.push_back(recipe.name);
    return all;
  }();
  return names;
}

GoldenStore makeGolden(const std::string& name) {
  for (const Recipe& recipe : kRecipes) {
    if (name == recipe.name) return recipe.make();
  }
  RVE_ASSERT(false);
  return {};
}

bool goldenIsCoded(const std::string& name) {
  return std::any_of(std::begin(kRecipes), std::end(kRecipes),
                     [&](const Recipe& recipe) { return name == recipe.name && recipe.coded; });
}

// dimensions metric
// id time source label payload-bytes:payload-crc value ...       by id; '-' is no name
std::string textOfRecords(const GoldenStore& store) {
  const char* const metrics[] = {"", "cosine", "l2", "ip"};
  std::string text = std::to_string(store.dimensions) + " " +
                     metrics[static_cast<size_t>(store.metric)] + "\n";
  char number[48];
  for (const auto& [id, r] : store.records) {
    text += std::to_string(id) + " " + std::to_string(r.time_ms) + " " + orDash(r.source) + " " +
            orDash(r.label) + " ";
    const uint32_t crc = crc32c(bytesOf(r.payload.data(), r.payload.size()));
    std::snprintf(number, sizeof(number), "%zu:%08x", r.payload.size(), crc);
    text += number;
    for (const float value : r.stored.empty() ? r.vector : r.stored) {
      std::snprintf(number, sizeof(number), " %.9g", static_cast<double>(value));
      text += number;
    }
    text += "\n";
  }
  return text;
}

}  // namespace rve::test
