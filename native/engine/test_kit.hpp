// What the engine's tests share: an engine on the simulated disk, calls that wait, and a reference
// that answers by looking at every row.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>

#include "rve/engine.hpp"
#include "storage/layout.hpp"
#include "test/sim/sim_disk.hpp"
#include "test/test.hpp"

namespace rve::test {

struct RefRow {
  std::vector<float> vector;
  int64_t time_ms = 0;
  std::string source, label;
  std::vector<uint8_t> payload;
};

// id -> what a get() must give.
using Reference = std::map<uint64_t, RefRow>;

inline bool refMatches(const RefRow& row, const Filter& filter) {
  if (filter.has_source && row.source != filter.source) return false;
  const auto& labels = filter.labels;
  if (!labels.empty() && std::find(labels.begin(), labels.end(), row.label) == labels.end()) {
    return false;
  }
  return !(filter.has_from && row.time_ms < filter.from_ms) &&
         !(filter.has_to && row.time_ms >= filter.to_ms);
}

inline double refDot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) sum += double{a[i]} * b[i];
  return sum;
}

// As QueryResult.scores: larger is nearer for cosine and ip, smaller for l2.
inline double refScore(Metric metric, const std::vector<float>& q, const std::vector<float>& x) {
  if (metric == Metric::kIp) return refDot(q, x);
  if (metric == Metric::kCosine) return refDot(q, x) / std::sqrt(refDot(q, q) * refDot(x, x));
  double sum = 0;
  for (size_t i = 0; i < q.size(); i++) sum += (double{q[i]} - x[i]) * (double{q[i]} - x[i]);
  return sum;
}

// Ids of the k nearest that match, nearest first.
inline std::vector<int64_t> refQuery(const Reference& reference, Metric metric,
                                     const std::vector<float>& q, uint32_t k,
                                     const Filter& filter) {
  std::vector<std::pair<double, int64_t>> all;
  for (const auto& [id, row] : reference) {
    if (!refMatches(row, filter)) continue;
    const double score = refScore(metric, q, row.vector);
    all.push_back({metric == Metric::kL2 ? score : -score, static_cast<int64_t>(id)});
  }
  std::sort(all.begin(), all.end());
  std::vector<int64_t> ids;
  for (size_t i = 0; i < all.size() && i < k; i++) ids.push_back(all[i].second);
  return ids;
}

// A store of 8 dimensions by default, on a disk of 512-byte sectors with the released layout.
struct TestStore {
  explicit TestStore(Metric metric = Metric::kL2, uint32_t dims = 8, uint64_t seed = 1)
      : disk(diskOptions(), seed), rng(seed) {
    options.path = "robot.rve";
    options.dimensions = dims;
    options.has_metric = true;
    options.metric = metric;
    options.disk = &disk;
    options.clock = &clock;
    options.rng = &rng;
    options.tuning.all_manual = true;
    options.tiers.profile = Profile::kPrecise;
  }
  static SimDiskOptions diskOptions() {
    SimDiskOptions o;
    o.sector_bytes = 512;
    o.file_bytes_max = 24 << 20;
    o.device_bytes_max = 64 << 20;
    return o;
  }

  Status open() {
    engine.reset();
    return Engine::open(options, &engine);
  }
  // As a power cut that loses nothing synced.
  void crash() {
    engine.reset();
    disk.cutPower();
  }

  std::vector<float> randomVector() {
    std::vector<float> v(options.dimensions);
    for (float& x : v) x = static_cast<float>(rng.below(2001)) / 1000.0f - 1.0f;
    v[0] += 0.5f;
    return v;
  }

  // Inserts rows with these ids (empty: `count` assigned ones) and notes them. Every row has its
  // own label of three, a payload on each third row, and a time of one second each.
  Status insert(uint32_t count, const std::string& source, std::vector<uint64_t> ids = {}) {
    InsertBatch b;
    b.count = ids.empty() ? count : static_cast<uint32_t>(ids.size());
    b.ids = ids;
    b.source = source;
    std::vector<RefRow> rows(b.count);
    for (uint32_t i = 0; i < b.count; i++) {
      RefRow& row = rows[i];
      row.vector = randomVector();
      row.time_ms = next_time_ms += 1000;
      row.source = source;
      row.label = i % 3 == 0 ? "" : i % 3 == 1 ? "idle" : "busy";
      if (i % 3 == 2) row.payload = {static_cast<uint8_t>(i), 7, static_cast<uint8_t>(rng.next())};
      b.matrix.insert(b.matrix.end(), row.vector.begin(), row.vector.end());
      b.times_ms.push_back(row.time_ms);
      b.labels.push_back(row.label);
      b.payload_bytes.insert(b.payload_bytes.end(), row.payload.begin(), row.payload.end());
      b.payload_ends.push_back(static_cast<uint32_t>(b.payload_bytes.size()));
    }
    InsertResult result;
    RVE_TRY(insertBatch(std::move(b), &result));
    for (uint32_t i = 0; i < rows.size(); i++) {
      reference[static_cast<uint64_t>(result.ids[i])] = rows[i];
    }
    return {};
  }

  Status insertBatch(InsertBatch&& b, InsertResult* out) {
    bool done = false;
    RVE_TRY(engine->submitInsert(std::move(b), [&](InsertResult&& r) {
      *out = std::move(r);
      done = true;
    }));
    while (!done && engine->pump()) {
    }
    return done ? out->status : Status(Code::kInternal, "an insert did not complete");
  }

  Status forget(const std::vector<uint64_t>& ids, uint64_t* count = nullptr) {
    ForgetResult result;
    RVE_TRY(engine->submitForget(ids, [&](ForgetResult&& r) { result = std::move(r); }));
    while (engine->pump()) {
    }
    for (const uint64_t id : ids) reference.erase(id);
    if (count != nullptr) *count = result.count;
    return result.status;
  }

  Status forgetSource(const std::string& source, uint64_t* count = nullptr) {
    ForgetResult result;
    RVE_TRY(engine->submitForgetSource(source, [&](ForgetResult&& r) { result = std::move(r); }));
    while (engine->pump()) {
    }
    std::erase_if(reference, [&](const auto& item) { return item.second.source == source; });
    if (count != nullptr) *count = result.count;
    return result.status;
  }

  Status job(Job j) {
    bool did = false;
    return engine->maintain(j, &did);
  }

  // "" if the store holds exactly the reference; else what differs. Floats within `tolerance`.
  std::string differs(float tolerance = 0) {
    std::map<uint64_t, Record> got;
    ScanCursor cursor;
    while (!cursor.end) {
      std::vector<Record> records;
      const Status status = engine->scan(Filter{}, 100, &cursor, &records);
      if (!status.ok()) return "scan: " + status.message();
      for (Record& r : records) {
        const uint64_t id = r.id;
        if (!got.emplace(id, std::move(r)).second) return "id twice: " + std::to_string(id);
      }
    }
    for (const auto& [id, row] : reference) {
      const auto found = got.find(id);
      if (found == got.end()) return "missing id " + std::to_string(id);
      const Record& r = found->second;
      bool same = r.time_ms == row.time_ms && r.source == row.source && r.label == row.label &&
                  r.payload == row.payload && r.vector.size() == row.vector.size();
      for (size_t i = 0; same && i < row.vector.size(); i++) {
        same = std::fabs(r.vector[i] - row.vector[i]) <= tolerance;
      }
      if (!same) return "another record at id " + std::to_string(id);
    }
    if (got.size() != reference.size()) {
      for (const auto& [id, r] : got) {
        if (!reference.contains(id)) return "unknown id " + std::to_string(id) + " is back";
      }
    }
    if (engine->stats().live != reference.size()) return "stats().live is wrong";
    return "";
  }

  SimDisk disk;
  SimClock clock;
  SimRng rng;
  OpenOptions options;
  std::unique_ptr<Engine> engine;
  Reference reference;
  int64_t next_time_ms = 1'700'000'000'000;
};

}  // namespace rve::test
