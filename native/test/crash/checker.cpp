#include "test/crash/checker.hpp"

#include <algorithm>

namespace rve::test {

namespace {

constexpr uint32_t kScanRecords = 33;  // Odd and small: the cursor is used.
constexpr uint32_t kProbeSerial = 0x0f000000;  // Apart from the workload's serials.

uint64_t forbiddenChanges(const SimDisk& disk) {
  return disk.calls(SimCall::kWrite) + disk.calls(SimCall::kGrow) + disk.calls(SimCall::kPunch) +
         disk.calls(SimCall::kRename) + disk.calls(SimCall::kRemove);
}

uint64_t stateHash(const std::vector<Record>& records) {
  uint64_t hash = 0;
  for (const Record& record : records) hash ^= modelRecordOf(record).hash;
  return hash;
}

std::string text(const Status& status) {
  return std::string(codeName(status.code())) + ' ' + status.message();
}

}  // namespace

Setup makeSetup(const OpenFunction& open, bool real) {
  Setup setup;
  setup.open = open;
  OpenOptions& options = setup.options;
  options.dimensions = kModelDimensions;
  options.has_metric = true;
  options.metric = Metric::kL2;
  options.tuning.all_manual = true;
  options.tuning.freeze_rows = 12;
  options.tuning.code_list_rows = 10;
  options.tuning.segment_rows_max = 64;
  options.tuning.checkpoint_groups = 8;
  options.tuning.zero_ahead_groups = 2;
  options.tuning.zero_ahead_gap_us = 30'000;
  options.tuning.hnsw_m = 4;
  options.tuning.hnsw_ef_construction = 16;
  // With the originals kept a record reads the same in every tier, but for the rounding of f16.
  options.tiers.profile = Profile::kPrecise;
  options.tiers.originals = Originals::kKeep;
  if (real) {
    setup.disk.sector_bytes = 512;
    setup.disk.file_bytes_max = options.layout.file_bytes_max = 32 << 20;
    setup.disk.device_bytes_max = 64 << 20;
    options.tuning.checkpoint_log_bytes = 256 << 10;
    return setup;
  }
  setup.disk.sector_bytes = 64;
  setup.disk.file_bytes_max = 512 << 10;
  setup.disk.device_bytes_max = 1 << 20;
  options.tuning.checkpoint_log_bytes = 8 << 10;
  options.layout.page_bytes = 256;
  options.layout.chunk_bytes = 1024;
  options.layout.group_bytes_max = 4096;
  options.layout.log_run_chunks_min = 2;
  options.layout.log_run_chunks_max = 8;
  options.layout.file_bytes_max = 512 << 10;
  return setup;
}

ModelRow makeRow(uint32_t serial, const std::string& source, int64_t time_ms) {
  SimRng rng(serial * 0x9e3779b97f4a7c15ull + 7);
  ModelRow row;
  row.record.vector = vectorOfSerial(serial);
  row.record.time_ms = time_ms;
  row.record.source = source;
  if (rng.chance(50)) row.record.label = "label-" + std::to_string(rng.below(6));
  if (rng.chance(40)) {
    const uint64_t bytes = rng.chance(5) ? 200 + rng.below(400) : 1 + rng.below(24);
    row.record.has_payload = true;
    for (uint64_t i = 0; i < bytes; ++i) {
      row.record.payload.push_back(static_cast<uint8_t>(rng.next()));
    }
  }
  return row;
}

std::string scanAll(Engine* engine, std::vector<Record>* out) {
  out->clear();
  ScanCursor cursor;
  std::vector<Record> part;
  for (int rounds = 0; !cursor.end; ++rounds) {
    if (rounds > 10'000) return "scan() does not end";
    part.clear();
    const Status status = engine->scan(Filter{}, kScanRecords, &cursor, &part);
    if (!status.ok()) return "scan() answers " + text(status);
    for (Record& record : part) {
      if (!out->empty() && record.id <= out->back().id) {
        return "scan() is not in ascending id order";
      }
      out->push_back(std::move(record));
    }
  }
  return "";
}

Status Checker::open(SimDisk* disk, Clock* clock, Rng* rng, std::unique_ptr<Engine>* out) const {
  OpenOptions options = setup_.options;
  options.path = setup_.path;
  options.disk = disk;
  options.clock = clock;
  options.rng = rng;
  return setup_.open(options, out);
}

std::string Checker::lookAround(Engine* engine, const State& state, SimRng& rng) const {
  std::vector<uint64_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(rng.below(state.next_id + 3));
  if (!state.live.empty()) {
    auto it = state.live.begin();
    std::advance(it, static_cast<ptrdiff_t>(rng.below(state.live.size())));
    ids.push_back(it->first);
  }
  std::vector<Record> records;
  const Status got = engine->get(ids, &records);
  if (!got.ok() || records.size() != ids.size()) return "get() answers " + text(got);
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto wanted = state.live.find(ids[i]);
    const bool live = wanted != state.live.end();
    if (records[i].found != live) {
      return "get() of id " + std::to_string(ids[i]) + " is wrong about it being live";
    }
    if (live && modelRecordOf(records[i]).hash != wanted->second.hash) {
      return "get() of id " + std::to_string(ids[i]) + " gives other bytes than were stored";
    }
  }
  if (state.live.empty()) return "";
  QueryRequest request;
  request.vectors = state.live.at(ids.back()).vector;
  request.k = 5;
  QueryResult result;
  const Status asked = engine->query(request, nullptr, &result);
  if (!asked.ok()) return "query() answers " + text(asked);
  const auto wanted = std::min<uint64_t>(request.k, state.live.size());
  if (result.counts.size() != 1 || result.counts[0] != wanted) {
    return "query() does not give k results";
  }
  if (result.degraded) return "query() says degraded";
  for (uint32_t i = 0; i < wanted; ++i) {
    if (state.live.count(static_cast<uint64_t>(result.ids[i])) == 0) {
      return "query() returns an expired id";
    }
  }
  if (setup_.options.metric == Metric::kL2 && result.ids[0] != static_cast<int64_t>(ids.back())) {
    return "query() by the vector of id " + std::to_string(ids.back()) + " finds " +
           std::to_string(result.ids[0]);
  }
  return "";
}

std::string Checker::compare(Engine* engine, const State& state, SimRng& rng) const {
  std::vector<Record> records;
  std::string wrong = scanAll(engine, &records);
  if (!wrong.empty()) return wrong;
  if (stateHash(records) != state.hash || records.size() != state.live.size()) {
    return "the running memory differs from the model:" + explainDifference(records, state);
  }
  return lookAround(engine, state, rng);
}

std::string Checker::check(SimDisk* disk, const Model& model, uint64_t floor, const Depth& depth,
                           SimRng& rng, Found* found) const {
  SimClock clock;
  clock.advanceMs(3'600'000);
  SimRng engine_rng(rng.next());
  const uint64_t before = forbiddenChanges(*disk);
  const bool existed = disk->exists(setup_.path);
  if (!existed && !depth.may_write_first) return "the store is gone";
  std::unique_ptr<Engine> engine;
  const Status opened = open(disk, &clock, &engine_rng, &engine);
  if (!opened.ok()) return "open() answers " + text(opened);
  if (existed && forbiddenChanges(*disk) != before) return "recovery wrote to the file";

  std::vector<Record> records;
  std::string wrong = scanAll(engine.get(), &records);
  if (!wrong.empty()) return wrong;
  if (!model.find(stateHash(records), floor, &found->match)) {
    return "no prefix of the calls explains what is there (promised: " + std::to_string(floor) +
           " of " + std::to_string(model.made()) + " calls); against the promised state:" +
           explainDifference(records, model.stateAt(floor)) +
           "\n  against all calls made:" + explainDifference(records, model.now());
  }
  const State state = model.stateOf(found->match);
  const Stats stats = engine->stats();
  found->next_id = stats.next_id;
  if (stats.live != state.live.size()) return "stats().live is " + std::to_string(stats.live);
  if (stats.holes != 0 || stats.lost_records != 0 || stats.degraded || stats.latched) {
    return "a crash is taken for corruption (holes " + std::to_string(stats.holes) + ", lost " +
           std::to_string(stats.lost_records) + ", degraded " + std::to_string(stats.degraded) +
           ")";
  }
  // An id once promised is never given again, be its record alive or not.
  const uint64_t next_id_min = model.stateAt(found->match.low).next_id;
  if (stats.next_id < next_id_min) {
    return "the next id is " + std::to_string(stats.next_id) + ", an id that was given before; " +
           std::to_string(next_id_min) + " is the first new one";
  }
  wrong = lookAround(engine.get(), state, rng);
  if (!wrong.empty()) return wrong;
  if (depth.deep) {
    CheckReport report;
    const Status checked = engine->check(true, &report);
    if (!checked.ok()) return "check() answers " + text(checked);
    if (!depth.rot && (!report.ok || !report.damaged.empty())) {
      return "check() finds damage: " + (report.damaged.empty() ? "?" : report.damaged[0]);
    }
  }
  if (existed && forbiddenChanges(*disk) != before) return "reading wrote to the file";
  if (!depth.probe) return "";

  Model after = model;
  after.recovered(found->match, false, stats.next_id);
  wrong = probe(disk, engine.get(), &after, rng);
  engine.reset();
  if (!wrong.empty()) return wrong;
  disk->cutPower();
  Found again;
  wrong =
      check(disk, after, after.floor(), Depth{depth.deep, false, false, depth.rot}, rng, &again);
  return wrong.empty() ? "" : "after recovery, a few calls and another power cut: " + wrong;
}

// Goes on with a recovered store: what was known must be answered -1, new ids must be new, and all
// that is acknowledged now must survive the power cut that follows (R10).
std::string Checker::probe(SimDisk* disk, Engine* engine, Model* model, SimRng& rng) const {
  Driver driver(engine, model, setup_.options.durability);
  const State state = model->now();
  if (!state.known.empty()) {
    auto mark = state.known.begin();
    std::advance(mark, static_cast<ptrdiff_t>(rng.below(state.known.size())));
    ModelCall again;
    again.source = mark->first.first;
    again.boot = mark->first.second;
    const uint64_t sequence = rng.chance(50) ? *mark->second.begin() : *mark->second.rbegin();
    for (uint32_t i = 0; i < 2; ++i) {
      if (i > 0 && model->doubtful(mark->first, sequence + i)) break;
      ModelRow row = makeRow(kProbeSerial + i, again.source, 5);
      row.has_sequence = true;
      row.sequence = sequence + i;
      again.rows.push_back(row);
    }
    driver.submit(again);
    if (rng.chance(50)) driver.pump();
    // Half of the time the power goes right after the dedupe hit was acknowledged.
    if (driver.queued() == 0 && rng.chance(50)) return driver.violation();
  }
  ModelCall fresh;
  for (uint32_t i = 0; i < 2; ++i) fresh.rows.push_back(makeRow(kProbeSerial + 10 + i, "", 6));
  driver.submit(fresh);
  if (!state.live.empty()) {
    ModelCall forget;
    forget.kind = CallKind::kForget;
    forget.ids = {state.live.begin()->first, state.live.rbegin()->first};
    if (forget.ids[0] == forget.ids[1]) forget.ids.pop_back();
    driver.submit(forget);
  }
  driver.pump();
  if (driver.refused() && disk->failed() == false) {
    driver.violate("a recovered store refuses calls");
  }
  return driver.violation();
}

}  // namespace rve::test
