#include "engine/rebuild.hpp"

#include "storage/store.hpp"

namespace rve {
namespace {

constexpr uint32_t kBatchRowsMax = 256;
constexpr size_t kBatchBytesMax = 256 * 1024;
// Queued before a group is written: fills it, and keeps little in memory.
constexpr uint64_t kQueuedMax = 2u << 20;

uint32_t addName(Symbols* symbols, SymbolKind kind, const std::string& name) {
  const uint32_t known = symbols->find(kind, name);
  if (known != 0) return known;
  return symbols->full(kind) ? 0 : symbols->add(kind, name);
}

// The same marks under the numbers that the new store gives the sources.
bool renumberMarks(const SourceMarks& marks, const std::map<uint32_t, uint32_t>& numbers,
                   SourceMarks* out) {
  WireWriter wire, renumbered;
  marks.encode(&wire);
  WireReader in(wire.bytes());
  const uint64_t count = in.getVarint();
  uint64_t kept = 0;
  for (uint64_t i = 0; i < count; i++) {
    const auto number = numbers.find(in.get<uint32_t>());
    const uint32_t boot = in.get<uint32_t>();
    const uint64_t high = in.get<uint64_t>();
    const uint8_t form = in.get<uint8_t>();
    const Bytes bitmap = in.getBytes(form == 0 ? 0 : SourceMarks::kWindow / 8);
    if (number == numbers.end()) continue;  // its name is lost: nobody can ask for it
    renumbered.put(number->second);
    renumbered.put(boot);
    renumbered.put(high);
    renumbered.put(form);
    renumbered.putBytes(bitmap);
    kept++;
  }
  WireWriter whole;
  whole.putVarint(kept);
  whole.putBytes(renumbered.bytes());
  WireReader back(whole.bytes());
  return !in.failed() && out->decode(&back);
}

}  // namespace

Status Rebuild::start(const OpenOptions& options, const SalvagedState& state) {
  options_ = options;
  options_.tuning.all_manual = true;
  options_.durability = Durability::kGroup;
  RVE_TRY(seed(options_, state));
  return Engine::open(options_, &engine_);
}

// Names, marks and the id counter are no records: they go straight into the first manifests, both
// of them.
Status Rebuild::seed(const OpenOptions& options, const SalvagedState& state) {
  StoreOptions store_options;
  store_options.path = options.path;
  store_options.dimensions = options.dimensions;
  store_options.has_metric = options.has_metric;
  store_options.metric = options.metric;
  store_options.layout = options.layout;
  store_options.disk = options.disk;
  store_options.clock = options.clock;
  store_options.rng = options.rng;
  std::unique_ptr<Store> store;
  RVE_TRY(Store::open(store_options, &store));
  std::map<uint32_t, uint32_t> numbers;
  for (const auto& [number, name] : state.sources) {
    numbers[number] = addName(&store->symbols(), SymbolKind::kSource, name);
  }
  for (const auto& [number, name] : state.labels) {
    addName(&store->symbols(), SymbolKind::kLabel, name);
  }
  if (!renumberMarks(state.marks, numbers, &store->marks())) {
    return Status(Code::kInternal, "source marks cannot be carried over");
  }
  for (uint32_t root = 0; root < 2; root++) {
    Manifest manifest = store->manifest();
    RVE_TRY(store->checkpoint(&manifest, {}, state.next_id, false));
  }
  return {};
}

Status Rebuild::put(const SalvagedRow& row) {
  const bool other_source = batch_.count > 0 && batch_.source != row.source;
  const bool full = batch_.count >= kBatchRowsMax ||
                    (batch_.matrix.size() + row.vector.size()) * 4 + batch_.payload_bytes.size() +
                            row.payload.size() > kBatchBytesMax;
  if (other_source || (full && batch_.count > 0)) RVE_TRY(endBatch());
  batch_.source = row.source;
  batch_.count++;
  batch_.ids.push_back(row.id);
  batch_.times_ms.push_back(row.time_ms);
  batch_.labels.push_back(row.label);
  batch_.matrix.insert(batch_.matrix.end(), row.vector.begin(), row.vector.end());
  for (const std::byte b : row.payload) batch_.payload_bytes.push_back(static_cast<uint8_t>(b));
  batch_.payload_ends.push_back(static_cast<uint32_t>(batch_.payload_bytes.size()));
  return failed_;
}

Status Rebuild::endBatch() {
  if (batch_.count == 0) return failed_;
  if (batch_.payload_bytes.empty()) batch_.payload_ends.clear();
  InsertBatch batch = std::move(batch_);
  batch_ = InsertBatch();
  InsertBatch again = batch;
  const Status status = submit(std::move(batch));
  if (status.code() == Code::kVector) return submitOneByOne(again);
  return status;
}

Status Rebuild::submit(InsertBatch&& batch) {
  const uint32_t rows = batch.count;
  RVE_TRY(engine_->submitInsert(std::move(batch), [this](InsertResult&& result) {
    if (!result.status.ok() && failed_.ok()) failed_ = result.status;
  }));
  rows_put_ += rows;
  if (engine_->queueBytes() < kQueuedMax) return failed_;
  RVE_TRY(pumpAll());
  if (rows_put_ - rows_at_freeze_ < options_.tuning.freeze_rows) return {};
  rows_at_freeze_ = rows_put_;
  bool did = false;
  RVE_TRY(engine_->maintain(Job::kFreeze, &did));
  return engine_->maintain(Job::kCheckpoint, &did);
}

Status Rebuild::submitOneByOne(const InsertBatch& batch) {
  const size_t dims = options_.dimensions;
  for (uint32_t row = 0; row < batch.count; row++) {
    InsertBatch one;
    one.count = 1;
    one.ids = {batch.ids[row]};
    one.times_ms = {batch.times_ms[row]};
    one.source = batch.source;
    one.labels = {batch.labels[row]};
    one.matrix.assign(batch.matrix.begin() + static_cast<std::ptrdiff_t>(row * dims),
                      batch.matrix.begin() + static_cast<std::ptrdiff_t>((row + 1) * dims));
    if (!batch.payload_ends.empty()) {
      const uint32_t from = row == 0 ? 0 : batch.payload_ends[row - 1];
      one.payload_bytes.assign(batch.payload_bytes.begin() + from,
                               batch.payload_bytes.begin() + batch.payload_ends[row]);
      one.payload_ends = {static_cast<uint32_t>(one.payload_bytes.size())};
    }
    const Status status = submit(std::move(one));
    if (status.code() == Code::kVector) {
      rows_refused_++;
    } else if (!status.ok()) {
      return status;
    }
  }
  return {};
}

Status Rebuild::pumpAll() {
  while (engine_->pump()) {
  }
  return failed_;
}

Status Rebuild::forget(const std::vector<uint64_t>& ids) {
  RVE_TRY(endBatch());
  RVE_TRY(engine_->submitForget(ids, [this](ForgetResult&& result) {
    if (!result.status.ok() && failed_.ok()) failed_ = result.status;
  }));
  return pumpAll();
}

Status Rebuild::forgetSource(const std::string& source) {
  RVE_TRY(endBatch());
  RVE_TRY(engine_->submitForgetSource(source, [this](ForgetResult&& result) {
    if (!result.status.ok() && failed_.ok()) failed_ = result.status;
  }));
  return pumpAll();
}

Status Rebuild::holds(uint64_t id, bool* out) {
  RVE_TRY(endBatch());
  RVE_TRY(pumpAll());
  std::vector<Record> records;
  RVE_TRY(engine_->get({id}, &records));
  *out = records[0].found;
  return {};
}

Status Rebuild::finish() {
  RVE_TRY(endBatch());
  RVE_TRY(pumpAll());
  bool did = false;
  // Twice, so that the older root too shows what was found.
  RVE_TRY(engine_->maintain(Job::kCheckpoint, &did));
  RVE_TRY(engine_->maintain(Job::kCheckpoint, &did));
  rows_live_ = engine_->stats().live;
  RVE_TRY(engine_->close());
  engine_.reset();
  return {};
}

}  // namespace rve
