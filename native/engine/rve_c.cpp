// The C door (rve/rve.h) over the C++ one.
#include "rve/rve.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <type_traits>

#include "engine/sentence.hpp"
#include "rve/engine.hpp"

using rve::Code;
using rve::Status;

struct rve_memory {
  std::unique_ptr<rve::Engine> engine;
  std::atomic<uint64_t> lsn_max{0};  // what rve_flush waits for
};

namespace {

// First byte of a stored payload, and the bytes it adds. As in runtime/memory/payload.ts.
constexpr uint8_t kPayloadIsBytes = 0;
constexpr uint8_t kPayloadIsCbor = 1;

static_assert(RVE_DIMENSIONS_MAX == rve::kDimensionsMax && RVE_ID_MAX == rve::kIdMax);
static_assert(RVE_K_MAX == rve::kKMax && RVE_EF_MAX == rve::kEfMax);
static_assert(RVE_PAYLOAD_BYTES_MAX + 1 == rve::kPayloadBytesMax);
static_assert(RVE_NAME_BYTES_MAX == rve::kNameBytesMax);

constexpr bool same(rve_status status, Code code) {
  return static_cast<uint32_t>(status) == static_cast<uint32_t>(code);
}
static_assert(same(RVE_ERR_DIMENSIONS, Code::kDimensions) && same(RVE_ERR_VECTOR, Code::kVector));
static_assert(same(RVE_ERR_ID_RANGE, Code::kIdRange));
static_assert(same(RVE_ERR_ID_DUPLICATE, Code::kIdDuplicate));
static_assert(same(RVE_ERR_OPTION, Code::kOption));
static_assert(same(RVE_ERR_NOT_AVAILABLE, Code::kNotAvailable));
static_assert(same(RVE_ERR_ARGUMENT, Code::kArgument) && same(RVE_ERR_PAYLOAD, Code::kPayload));
static_assert(same(RVE_ERR_BATCH, Code::kBatch) && same(RVE_ERR_BUSY, Code::kBusy));
static_assert(same(RVE_ERR_CLOSED, Code::kClosed) && same(RVE_ERR_READ_ONLY, Code::kReadOnly));
static_assert(same(RVE_ERR_ABORTED, Code::kAborted) && same(RVE_ERR_NO_SPACE, Code::kNoSpace));
static_assert(same(RVE_ERR_IO, Code::kIo) && same(RVE_ERR_LATCHED, Code::kLatched));
static_assert(same(RVE_ERR_CORRUPT, Code::kCorrupt));
static_assert(same(RVE_ERR_NOT_A_STORE, Code::kNotAStore));
static_assert(same(RVE_ERR_VERSION, Code::kVersion));
static_assert(same(RVE_ERR_CONTRADICTION, Code::kContradiction));
static_assert(same(RVE_ERR_NOT_FOUND, Code::kNotFound));
static_assert(same(RVE_ERR_PERMISSION, Code::kPermission));
static_assert(same(RVE_ERR_NO_MEMORY, Code::kNoMemory) && same(RVE_ERR_SYMBOLS, Code::kSymbols));
static_assert(same(RVE_ERR_NAME, Code::kName) && same(RVE_ERR_FILTER, Code::kFilter));
static_assert(same(RVE_ERR_NOT_REGULAR, Code::kNotRegular));
static_assert(same(RVE_ERR_TRUNCATED, Code::kTruncated) && same(RVE_ERR_INTERNAL, Code::kInternal));

std::string& lastError() {
  thread_local std::string text;
  return text;
}

rve_status told(const Status& status) {
  if (!status.ok()) lastError() = rve::sentenceOf(status);
  return static_cast<rve_status>(status.code());
}

rve_status refuse(Code code, const char* message) { return told(Status(code, message)); }

// One answer handed from an engine thread to the caller who waits for it.
template <typename T>
class Answer {
 public:
  void give(T value) {
    // Notified under the lock: the waiter destroys this object as soon as it may go on.
    const std::lock_guard<std::mutex> lock(mutex_);
    value_ = std::move(value);
    given_ = true;
    given_changed_.notify_one();
  }
  T wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    given_changed_.wait(lock, [this] { return given_; });
    return std::move(value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_changed_;
  T value_{};
  bool given_ = false;
};

// Copies a versioned struct over defaults. A caller's newer fields must be zero: this library
// cannot honour them. False: they are not, or the size is none.
template <typename T>
bool readVersioned(const T* given, T* out) {
  const size_t bytes = given->bytes;
  if (bytes < sizeof(uint32_t)) return false;
  const auto* from = static_cast<const unsigned char*>(static_cast<const void*>(given));
  for (size_t i = sizeof(T); i < bytes; ++i) {
    if (from[i] != 0) return false;
  }
  std::memcpy(out, given, std::min(bytes, sizeof(T)));
  return true;
}

rve_status unknownFields() {
  return refuse(Code::kOption, "A struct has a wrong size, or fields unknown to this library");
}

bool toDurability(rve_durability from, rve::Durability* out) {
  switch (from) {
    case RVE_DURABILITY_GROUP: *out = rve::Durability::kGroup; return true;
    case RVE_DURABILITY_SYNC: *out = rve::Durability::kSync; return true;
    case RVE_DURABILITY_INTERVAL: *out = rve::Durability::kInterval; return true;
    case RVE_DURABILITY_BUFFERED: *out = rve::Durability::kBuffered; return true;
  }
  return false;
}

// A caller's enum may hold any number, which C++ must not load as one of the enum.
template <typename E>
uint32_t numberOf(const E& foreign) {
  static_assert(sizeof(E) == sizeof(uint32_t));
  uint32_t number;
  std::memcpy(&number, &foreign, sizeof number);
  return number;
}

Status toTierOptions(const rve_options& given, rve::TierOptions* out) {
  switch (numberOf(given.profile)) {
    case RVE_PROFILE_EDGE: out->profile = rve::Profile::kEdge; break;
    case RVE_PROFILE_BALANCED: out->profile = rve::Profile::kBalanced; break;
    case RVE_PROFILE_PRECISE: out->profile = rve::Profile::kPrecise; break;
    default: return Status(Code::kOption, "There is no such profile");
  }
  switch (numberOf(given.originals)) {
    case RVE_ORIGINALS_DROP: out->originals = rve::Originals::kDrop; break;
    case RVE_ORIGINALS_KEEP: out->originals = rve::Originals::kKeep; break;
    default: return Status(Code::kOption, "originals are dropped or kept");
  }
  const double ratio = given.tier_ratio_max;
  if (ratio != 0 && !(ratio >= 0.05 && ratio <= 4)) {
    return Status(Code::kOption, "tier_ratio_max is 0, or 0.05 to 4");
  }
  out->bytes_max = given.tier_bytes_max;
  out->bytes_ratio_max = ratio;
  return Status();
}

Status toOpenOptions(const char* path, const rve_options& given, rve::OpenOptions* out) {
  out->path = path;
  out->dimensions = given.dimensions;
  out->read_only = given.read_only != 0;
  out->create_if_missing = !out->read_only;
  out->linger_ms = given.linger_ms;
  out->interval_ms = given.interval_ms;
  out->bytes_max = given.bytes_max;
  if (given.metric != RVE_METRIC_FILE) {
    out->has_metric = true;
    out->metric = static_cast<rve::Metric>(given.metric);
  }
  const bool known = given.metric >= RVE_METRIC_FILE && given.metric <= RVE_METRIC_IP &&
                     given.reserved == 0 && toDurability(given.durability, &out->durability);
  if (!known || given.linger_ms > 60000 || given.interval_ms < 10 || given.interval_ms > 60000) {
    return Status(Code::kOption, "An open option is out of range");
  }
  if (given.dimensions > RVE_DIMENSIONS_MAX) {
    return Status(Code::kDimensions, "A memory has at most 4096 dimensions");
  }
  return toTierOptions(given, &out->tiers);
}

Status toBatch(const rve_memory& memory, const float* matrix, uint32_t count,
               const rve_insert_options& given, rve::InsertBatch* out) {
  out->count = count;
  out->matrix.assign(matrix, matrix + size_t{count} * memory.engine->dimensions());
  if (given.ids != nullptr) out->ids.assign(given.ids, given.ids + count);
  if (given.times_ms != nullptr) out->times_ms.assign(given.times_ms, given.times_ms + count);
  if (given.source != nullptr) out->source = given.source;
  out->has_sequence = given.has_sequence != 0;
  out->boot = given.boot;
  out->sequence = given.sequence;
  const bool labelled = given.label_count != 0;
  const bool fits = given.label_count == 1 || given.label_count == count;
  if (labelled && (given.labels == nullptr || !fits)) {
    return Status(Code::kArgument, "labels must have one entry, or one per row");
  }
  for (uint32_t i = 0; i < given.label_count; ++i) {
    out->labels.emplace_back(given.labels[i] == nullptr ? "" : given.labels[i]);
  }
  if (given.payloads == nullptr) return Status();
  if (given.payload_bytes == nullptr) return Status(Code::kArgument, "payloads need payload_bytes");
  for (uint32_t i = 0; i < count; ++i) {
    if (given.payloads[i] != nullptr) {
      if (given.payload_bytes[i] > RVE_PAYLOAD_BYTES_MAX) return Status(Code::kPayload);
      const auto* body = static_cast<const uint8_t*>(given.payloads[i]);
      out->payload_bytes.push_back(kPayloadIsBytes);
      out->payload_bytes.insert(out->payload_bytes.end(), body, body + given.payload_bytes[i]);
    }
    if (out->payload_bytes.size() > std::numeric_limits<uint32_t>::max()) {
      return Status(Code::kBatch);
    }
    out->payload_ends.push_back(static_cast<uint32_t>(out->payload_bytes.size()));
  }
  return Status();
}

void noteLsn(rve_memory* memory, uint64_t lsn) {
  uint64_t known = memory->lsn_max.load(std::memory_order_relaxed);
  while (known < lsn && !memory->lsn_max.compare_exchange_weak(known, lsn)) {
  }
}

// Submits until the queue has room: the caller's thread waits, as the door promises.
template <typename Submit>
Status submitWhenRoom(rve::Engine& engine, const Submit& submit) {
  while (true) {
    Status status = submit();
    if (status.code() != Code::kBusy) return status;
    Answer<bool> room;
    engine.onceQueueHasRoom([&room] { room.give(true); });
    room.wait();
  }
}

template <typename Submit>
rve_status forgetAndWait(rve_memory* memory, uint64_t* gone, const Submit& submit) {
  Answer<rve::ForgetResult> answer;
  const Status status = submitWhenRoom(*memory->engine, [&] {
    return submit([&answer](rve::ForgetResult&& result) { answer.give(std::move(result)); });
  });
  if (!status.ok()) return told(status);
  const rve::ForgetResult result = answer.wait();
  noteLsn(memory, result.lsn);
  if (gone != nullptr) *gone = result.count;
  return told(result.status);
}

template <typename Submit>
rve_status submitAndWait(const Submit& submit) {
  Answer<Status> answer;
  const Status status = submit([&answer](Status done) { answer.give(std::move(done)); });
  return told(status.ok() ? answer.wait() : status);
}

// The record and all it points to.
struct OwnedRecord {
  rve_record c;
  rve::Record record;
};

// The report and all it points to.
struct OwnedReport {
  rve_check_report c;
  rve::CheckReport report;
  std::vector<const char*> damaged, notes;
};

std::vector<const char*> pointersTo(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

rve_check_report* toReport(rve::CheckReport&& from) {
  auto* owned = new OwnedReport{{}, std::move(from), {}, {}};
  owned->damaged = pointersTo(owned->report.damaged);
  owned->notes = pointersTo(owned->report.notes);
  rve_check_report& to = owned->c;
  to.ok = owned->report.ok ? 1 : 0;
  to.lost = owned->report.lost;
  to.holes = owned->report.holes;
  to.damaged_count = static_cast<uint32_t>(owned->damaged.size());
  to.damaged = owned->damaged.data();
  to.note_count = static_cast<uint32_t>(owned->notes.size());
  to.notes = owned->notes.data();
  return &to;
}

constexpr const char* kTierNames[RVE_TIERS] = {"hot", "warm", "cool", "cold", "archive"};
static_assert(std::extent_v<decltype(rve::Stats::tiers)> == RVE_TIERS);
static_assert(rve::kStatsHeatBins == RVE_HEAT_BINS);

rve_tier tierOf(const char* name) {
  uint32_t tier = RVE_TIER_HOT;
  while (tier < RVE_TIER_ARCHIVE && std::strcmp(name, kTierNames[tier]) != 0) tier++;
  return static_cast<rve_tier>(tier);
}

void setTiers(const rve::Stats& from, rve_statistics* to) {
  for (uint32_t tier = 0; tier < RVE_TIERS; ++tier) {
    to->tiers[tier].vectors = from.tiers[tier].rows;
    to->tiers[tier].bytes = from.tiers[tier].bytes;
    std::copy_n(from.tiers[tier].heat, RVE_HEAT_BINS, to->tiers[tier].heat);
  }
  to->byte_ratio = from.byte_ratio;
  to->tier_share = from.tier_share;
  to->cool_bits = from.cool_bits;
  to->cold_bits = from.cold_bits;
  to->codebook_id = from.codebook_id;
  to->codebook_rows = from.codebook_rows;
  to->codebook_distortion = static_cast<double>(from.codebook_distortion);
  to->codebooks_trained = from.codebooks_trained;
  to->recompressions = from.recompressions;
  to->recompressed_rows = from.recompressed_rows;
  to->recompressed_bytes = from.recompressed_bytes;
}

Status toFilter(const rve_query_options& given, rve::Filter* out) {
  if (given.label_count != 0 && given.labels == nullptr) {
    return Status(Code::kFilter, "A filter counts labels and has none");
  }
  out->has_source = given.source != nullptr;
  if (given.source != nullptr) out->source = given.source;
  for (uint32_t i = 0; i < given.label_count; ++i) {
    if (given.labels[i] == nullptr) return Status(Code::kFilter, "A label of a filter is NULL");
    out->labels.emplace_back(given.labels[i]);
  }
  out->has_from = given.has_from != 0;
  out->has_to = given.has_to != 0;
  out->from_ms = given.from_ms;
  out->to_ms = given.to_ms;
  return Status();
}

}  // namespace

extern "C" {

const char* rve_status_name(rve_status status) {
  return status == RVE_OK ? "OK" : rve::codeName(static_cast<Code>(status));
}

const char* rve_last_error(void) { return lastError().c_str(); }

void rve_options_init(rve_options* options) {
  *options = {};
  options->bytes = sizeof *options;
  options->interval_ms = 200;
}

void rve_insert_options_init(rve_insert_options* options) {
  *options = {};
  options->bytes = sizeof *options;
}

void rve_query_options_init(rve_query_options* options) {
  *options = {};
  options->bytes = sizeof *options;
  options->k = 10;
}

rve_status rve_open(const char* path, const rve_options* options, rve_memory** memory) {
  if (memory == nullptr) return refuse(Code::kArgument, "The out-parameter is NULL");
  *memory = nullptr;
  if (path == nullptr || *path == '\0') return refuse(Code::kArgument, "The path is empty");
  rve_options given;
  rve_options_init(&given);
  if (options != nullptr && !readVersioned(options, &given)) return unknownFields();
  rve::OpenOptions open_options;
  Status status = toOpenOptions(path, given, &open_options);
  if (!status.ok()) return told(status);
  auto opened = std::make_unique<rve_memory>();
  status = rve::Engine::open(open_options, &opened->engine);
  if (!status.ok()) return told(status);
  *memory = opened.release();
  return RVE_OK;
}

rve_status rve_close(rve_memory* memory) {
  if (memory == nullptr) return RVE_OK;
  const std::unique_ptr<rve_memory> owned(memory);
  return told(owned->engine->close());
}

rve_status rve_insert(rve_memory* memory, const float* matrix, uint32_t count,
                      const rve_insert_options* options, int64_t* ids, uint64_t* lsn) {
  if (lsn != nullptr) *lsn = 0;
  for (uint32_t i = 0; ids != nullptr && i < count; ++i) ids[i] = -1;
  if (memory == nullptr || (matrix == nullptr && count != 0)) {
    return refuse(Code::kArgument, "The memory or the matrix is NULL");
  }
  rve_insert_options given;
  rve_insert_options_init(&given);
  if (options != nullptr && !readVersioned(options, &given)) return unknownFields();
  if (count == 0) return RVE_OK;
  Answer<rve::InsertResult> answer;
  const Status status = submitWhenRoom(*memory->engine, [&] {
    rve::InsertBatch batch;  // Anew each time: a refused one may have been taken apart.
    RVE_TRY(toBatch(*memory, matrix, count, given, &batch));
    return memory->engine->submitInsert(std::move(batch), [&answer](rve::InsertResult&& result) {
      answer.give(std::move(result));
    });
  });
  if (!status.ok()) return told(status);
  const rve::InsertResult result = answer.wait();
  if (!result.status.ok()) return told(result.status);
  noteLsn(memory, result.lsn);
  if (ids != nullptr) std::copy(result.ids.begin(), result.ids.end(), ids);
  if (lsn != nullptr) *lsn = result.lsn;
  return RVE_OK;
}

rve_status rve_query(rve_memory* memory, const float* vector, const rve_query_options* options,
                     int64_t* ids, float* scores, uint32_t* count) {
  if (count != nullptr) *count = 0;
  if (memory == nullptr || vector == nullptr || ids == nullptr || scores == nullptr ||
      count == nullptr) {
    return refuse(Code::kArgument, "A pointer of the query is NULL");
  }
  rve_query_options given;
  rve_query_options_init(&given);
  if (options != nullptr && !readVersioned(options, &given)) return unknownFields();
  if (given.k < 1 || given.k > RVE_K_MAX || given.ef > RVE_EF_MAX) {
    return refuse(Code::kOption, "k or ef is out of range");
  }
  const bool by_recall = given.recall != 0;
  if (given.reserved != 0 || (by_recall && !(given.recall >= 0.5f && given.recall <= 0.999f))) {
    return refuse(Code::kOption, "recall is 0, or 0.5 to 0.999");
  }
  if (by_recall && given.ef != 0) {
    return refuse(Code::kOption, "recall and ef say the same in two ways: give one of them");
  }
  rve::QueryRequest request;
  request.vectors.assign(vector, vector + memory->engine->dimensions());
  request.k = given.k;
  request.ef = given.ef;
  request.recall = given.recall;
  Status status = toFilter(given, &request.filter);
  if (!status.ok()) return told(status);
  rve::QueryResult result;
  status = memory->engine->query(request, nullptr, &result);
  if (!status.ok()) return told(status);
  *count = result.counts[0];
  std::copy_n(result.ids.begin(), *count, ids);
  std::copy_n(result.scores.begin(), *count, scores);
  return RVE_OK;
}

rve_status rve_get(rve_memory* memory, uint64_t id, rve_record** record) {
  if (record == nullptr) return refuse(Code::kArgument, "The out-parameter is NULL");
  *record = nullptr;
  if (memory == nullptr) return refuse(Code::kArgument, "The memory is NULL");
  std::vector<rve::Record> found;
  const Status status = memory->engine->get({id}, &found);
  if (!status.ok()) return told(status);
  if (found.empty() || !found[0].found) return RVE_OK;
  auto* owned = new OwnedRecord{{}, std::move(found[0])};
  const rve::Record& from = owned->record;
  rve_record& to = owned->c;
  to.id = from.id;
  to.time_ms = from.time_ms;
  to.vector = from.vector.data();
  to.dimensions = static_cast<uint32_t>(from.vector.size());
  if (from.has_payload && !from.payload.empty()) {
    to.payload_kind = from.payload[0] == kPayloadIsCbor ? RVE_PAYLOAD_CBOR : RVE_PAYLOAD_BYTES;
    to.payload = from.payload.data() + 1;
    to.payload_bytes = static_cast<uint32_t>(from.payload.size() - 1);
  }
  to.tier = tierOf(from.tier);
  to.source = from.source.empty() ? nullptr : from.source.c_str();
  to.label = from.label.empty() ? nullptr : from.label.c_str();
  *record = &to;
  return RVE_OK;
}

void rve_record_free(rve_record* record) {
  // The C struct is the first member of a standard-layout prefix: its address is the owner's.
  static_assert(offsetof(OwnedRecord, c) == 0);
  delete static_cast<OwnedRecord*>(static_cast<void*>(record));
}

rve_status rve_forget(rve_memory* memory, const uint64_t* ids, uint32_t count, uint64_t* gone) {
  if (gone != nullptr) *gone = 0;
  if (memory == nullptr || (ids == nullptr && count != 0)) {
    return refuse(Code::kArgument, "The memory or the list of ids is NULL");
  }
  if (count == 0) return RVE_OK;
  return forgetAndWait(memory, gone, [&](rve::ForgetDone done) {
    return memory->engine->submitForget({ids, ids + count}, std::move(done));
  });
}

rve_status rve_forget_source(rve_memory* memory, const char* source, uint64_t* gone) {
  if (gone != nullptr) *gone = 0;
  if (memory == nullptr || source == nullptr) {
    return refuse(Code::kArgument, "The memory or the source is NULL");
  }
  return forgetAndWait(memory, gone, [&](rve::ForgetDone done) {
    return memory->engine->submitForgetSource(source, std::move(done));
  });
}

rve_status rve_stats(rve_memory* memory, rve_statistics* stats) {
  if (memory == nullptr || stats == nullptr || stats->bytes < sizeof(uint32_t)) {
    return refuse(Code::kArgument, "A pointer is NULL, or the statistics' size is not set");
  }
  const rve::Stats from = memory->engine->stats();
  rve_statistics to = {};
  to.bytes = stats->bytes;
  to.dimensions = from.dimensions;
  to.metric = static_cast<rve_metric>(from.metric);
  to.flags = (from.latched ? RVE_FLAG_LATCHED : 0) | (from.degraded ? RVE_FLAG_DEGRADED : 0) |
             (from.read_only ? RVE_FLAG_READ_ONLY : 0) | (from.no_space ? RVE_FLAG_NO_SPACE : 0);
  to.live = from.live;
  to.tail_rows = from.tail_rows;
  to.frozen_rows = from.frozen_rows;
  to.linked_rows = from.linked_rows;
  to.dead_rows = from.dead_rows;
  to.durable_lsn = from.durable_lsn;
  to.next_id = from.next_id;
  to.file_bytes = from.file_bytes;
  to.fixed_bytes = from.fixed_bytes;
  to.live_bytes = from.live_bytes;
  to.reclaimable_bytes = from.reclaimable_bytes;
  to.bytes_written = from.bytes_written;
  to.syncs = from.syncs;
  to.inserts = from.inserts;
  to.duplicates = from.duplicates;
  to.deletes = from.deletes;
  to.queries = from.queries;
  to.holes = from.holes;
  to.lost_records = from.lost_records;
  setTiers(from, &to);
  // A caller older than this library gets the fields that it knows; what a newer one adds reads
  // zero.
  std::memset(stats, 0, to.bytes);
  std::memcpy(stats, &to, std::min<size_t>(to.bytes, sizeof to));
  return RVE_OK;
}

rve_status rve_flush(rve_memory* memory) {
  if (memory == nullptr) return refuse(Code::kArgument, "The memory is NULL");
  return submitAndWait([&](rve::Done done) {
    return memory->engine->submitWaitDurable(memory->lsn_max.load(), std::move(done));
  });
}

rve_status rve_checkpoint(rve_memory* memory) {
  if (memory == nullptr) return refuse(Code::kArgument, "The memory is NULL");
  return submitAndWait(
      [&](rve::Done done) { return memory->engine->submitCheckpoint(std::move(done)); });
}

rve_status rve_settle(rve_memory* memory) {
  if (memory == nullptr) return refuse(Code::kArgument, "The memory is NULL");
  return submitAndWait(
      [&](rve::Done done) { return memory->engine->submitSettle(std::move(done)); });
}

rve_status rve_check(rve_memory* memory, uint32_t deep, rve_check_report** report) {
  if (report == nullptr) return refuse(Code::kArgument, "The out-parameter is NULL");
  *report = nullptr;
  if (memory == nullptr) return refuse(Code::kArgument, "The memory is NULL");
  rve::CheckReport found;
  const Status status = memory->engine->check(deep != 0, &found);
  if (!status.ok()) return told(status);
  *report = toReport(std::move(found));
  return RVE_OK;
}

rve_status rve_check_file(const char* path, rve_check_report** report) {
  if (report == nullptr) return refuse(Code::kArgument, "The out-parameter is NULL");
  *report = nullptr;
  if (path == nullptr || *path == '\0') return refuse(Code::kArgument, "The path is empty");
  const std::unique_ptr<rve::Disk> disk = rve::makePosixDisk();
  rve::CheckReport found;
  const Status status = rve::checkFile(*disk, path, &found);
  if (!status.ok()) return told(status);
  *report = toReport(std::move(found));
  return RVE_OK;
}

void rve_check_report_free(rve_check_report* report) {
  static_assert(offsetof(OwnedReport, c) == 0);
  delete static_cast<OwnedReport*>(static_cast<void*>(report));
}

}  // extern "C"
