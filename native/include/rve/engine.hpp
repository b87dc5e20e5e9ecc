// ruvector-edge: the door to the engine for C++. (C programs: rve.h, the same door as a C ABI.)
//
// One Engine is one open memory: one file, one writer, any number of querying threads. An insert is
// durable before its completion runs (at the default level), searchable at once, and found again
// after power loss.
//
//   rve::OpenOptions options;
//   options.path = "robot.rve"; options.dimensions = 128;
//   std::unique_ptr<rve::Engine> memory;
//   rve::Status status = rve::Engine::open(options, &memory);
//
// Every call is thread-safe unless it says otherwise. Nothing throws. Completions run on the
// engine's committer or query threads, must be short, and must not call back into submit* (they may
// hand over).
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.hpp"
#include "base/limits.hpp"
#include "base/status.hpp"

namespace rve {

enum class Metric : uint8_t { kCosine = 1, kL2 = 2, kIp = 3 };  // FORMAT.md: identity.metric

// When a completion may run (STORAGE.md 2.5). From cheap to strict.
enum class Durability : uint8_t {
  kBuffered,  // in RAM: survives nothing, at most 1 s or one group behind
  kInterval,  // written, synced every interval_ms: survives SIGKILL
  kGroup,     // fdatasync of its group returned ok: survives power loss
  kSync,      // as kGroup, and no other call rides in its group
};

// How far down the tiers a memory may go to save bytes. Not stored: a file may be opened with
// another profile, and what is there is recoded in the background where the new one asks for it.
enum class Profile : uint8_t {
  kPrecise = 0,   // f32 and f16
  kBalanced = 1,  // and the 8-bit family
  kEdge = 2,      // and the 4-bit family and one bit; a byte budget of 0.30 of raw f32 by default
};

// What becomes of the f16 bytes of a record that is demoted below warm.
enum class Originals : uint8_t {
  kDrop = 0,  // recoded from what is left: a promotion brings no precision back
  kKeep = 1,  // stay on flash beside the short code: queries rank by them, promotions restore them
};

// Tiers (DESIGN.md section 4): which record belongs where, and how it is coded there.
struct TierOptions {
  Profile profile = Profile::kEdge;
  Originals originals = Originals::kDrop;
  // Budget of the whole file. Bytes win over the ratio; 0: none (ratio: the profile's own).
  uint64_t bytes_max = 0;
  double bytes_ratio_max = 0;     // of live vectors x dimensions x 4; 0.05..4
  // A budget that was asked for is used: where it has room, finer tiers reach down to colder
  // records. False, as for the profile's own: thresholds decide, and the budget only caps.
  bool fill_budget = true;
  // Lower bounds of hot, warm, cool, cold by heat, falling; below the last one: archive.
  float hot_threshold = 0.8f, warm_threshold = 0.4f, cool_threshold = 0.1f, cold_threshold = 0.01f;
  float promotion_threshold = 1.5f;  // times a tier's upper bound, at most 0.99
  float demotion_threshold = 0.5f;   // times its lower bound
  double half_life_s = 3600;
  uint32_t recompress_interval_s = 300;  // how often heat is looked at again
  float cool_bits = 0;   // 4.5..8 bits a dimension, side data included; 0: what the budget allows
  float cold_bits = 0;   // 2..4.5; 0: likewise
  uint32_t codebook_sample_rows = 8192;
  uint32_t codebook_update_rows = 10'000;  // new rows after which its distortion is measured again
};

// How the file is cut (FORMAT.md 1). open() accepts a file of this layout only; the crash
// enumerator passes tiny ones so that it can visit every state.
struct Layout {
  uint32_t page_bytes = 4096;                // header, group and checksum unit; power of two
  uint32_t chunk_bytes = 64 * 1024;          // unit of space
  uint32_t group_bytes_max = kGroupBytesMax; // one sync window
  uint32_t log_run_chunks_min = 4;           // 256 KiB
  uint32_t log_run_chunks_max = 64;          // 4 MiB
  uint64_t file_bytes_max = 64ull << 30;     // view address space
};

// What background work may do on its own. Tests set all_manual and call the jobs themselves.
struct Tuning {
  bool all_manual = false;  // no threads: pump() commits, maintain() runs one job at a time
  uint32_t query_threads = 0;           // 0: cores - 1, at least 1
  // Where so many rows wait for links, or there are eight graphs and more, two threads share a
  // query. 0, or a machine of one core: never.
  uint32_t helped_rows = 16'384;
  bool helped_when_manual = false;      // tests: by a thread, all_manual or not
  uint32_t freeze_rows = 8192;          // the tail is sealed from this many rows on
  uint32_t code_list_rows = 4096;       // a seal of so many rows puts its codes in lists; 0: never
  uint64_t checkpoint_log_bytes = 4u << 20;
  uint32_t checkpoint_groups = 256;
  uint32_t checkpoint_idle_ms = 30'000; // after the last write, when fewer
  // Callers that wait for each small group: this many in a row, each begun within this time of the
  // one before, and the log zeroes its next pages ahead (storage/log.hpp). 0 groups: never.
  uint32_t zero_ahead_groups = 8;
  uint32_t zero_ahead_gap_us = 500;
  uint32_t segment_rows_max = 262'144;  // no merge makes a larger one
  uint32_t row_window = 16'384;         // rows in tiers that nearness orders; 0: none
  uint32_t build_threads = 0;           // of the background's builds; 0: cores, at most 4
  uint32_t hnsw_m = 16;
  uint32_t hnsw_ef_construction = 80;
  uint32_t ef_search = 64;              // when a query names none
  double dead_ratio_compact = 0.2;  // compaction rewrites a segment above this share of dead rows
  // Tests: called by a manual job after it has read its input and between its writes, so that calls
  // can be submitted and pumped while a seal or a compaction is in flight.
  std::function<void()> on_step;
};

struct OpenOptions {
  std::string path;
  uint32_t dimensions = 0;       // 0: take the file's; needed to create one
  bool has_metric = false;       // false: take the file's, or cosine for a new file
  Metric metric = Metric::kCosine;
  bool read_only = false;
  bool create_if_missing = true;
  Durability durability = Durability::kGroup;
  // Wait for company before closing a group; 32 waiters or 64 KiB close it early.
  uint32_t linger_ms = 0;
  uint32_t interval_ms = 200;    // kInterval
  // Refuse inserts when the file would grow beyond; 0: Layout::file_bytes_max.
  uint64_t bytes_max = 0;
  TierOptions tiers;
  Layout layout;
  Tuning tuning;
  // Null: the real ones. Not owned; must outlive the Engine.
  Disk* disk = nullptr;
  Clock* clock = nullptr;
  Rng* rng = nullptr;
};

// n rows to store. Strings and vectors are owned, so the caller's memory is free at once.
struct InsertBatch {
  uint32_t count = 0;
  std::vector<float> matrix;  // count x dimensions, row-major; finite; non-zero rows under cosine
  std::vector<uint64_t> ids;        // empty: assigned in order; else count distinct ids <= kIdMax
  std::vector<int64_t> times_ms;    // empty: the clock's now; else count
  std::string source;               // "" : none
  // With source and boot: the key of dedupe. Rows take sequence, +1, +2 ...
  bool has_sequence = false;
  uint32_t boot = 0;
  uint64_t sequence = 0;
  std::vector<std::string> labels;  // 0, 1 (all rows) or count; "" is no label
  std::vector<uint32_t> payload_ends;  // empty, or count ascending ends in `payload_bytes`
  std::vector<uint8_t> payload_bytes;
};

struct InsertResult {
  Status status;
  // One per row; -1: known already by (source, boot, sequence), not stored again.
  std::vector<int64_t> ids;
  uint64_t lsn = 0;          // waitDurable(lsn) covers every row, known ones too
};
using InsertDone = std::function<void(InsertResult&&)>;

struct ForgetResult {
  Status status;
  uint64_t count = 0;  // live records that are gone now
  uint64_t lsn = 0;
};
using ForgetDone = std::function<void(ForgetResult&&)>;
using Done = std::function<void(Status)>;

// Conjunction of what is set. Times are ms, half-open [from, to).
struct Filter {
  bool has_source = false;
  std::string source;
  std::vector<std::string> labels;  // empty: any; else one of
  bool has_from = false, has_to = false;
  int64_t from_ms = 0, to_ms = 0;
};

struct QueryRequest {
  std::vector<float> vectors;  // count x dimensions
  uint32_t count = 1;
  uint32_t k = 10;             // 1..kKMax
  uint32_t ef = 0;             // 0: what `recall` asks, else tuning.ef_search; 1..kEfMax
  // 0: none; 0.5..0.999, with ef 0: ef as measured for it, a guess until that has been done.
  float recall = 0;
  Filter filter;
  bool with_embeddings = false;
};

// Row i of the answer is [i*k, i*k + counts[i]); the rest is padded with id -1 and score NaN.
struct QueryResult {
  std::vector<int64_t> ids;        // nearest first; ties by smaller id
  std::vector<float> scores;  // cosine, ip: similarity (larger is nearer); l2: squared distance
  std::vector<uint32_t> counts;
  std::vector<float> embeddings;   // count x k x dimensions when asked for; as get() gives them
  double latency_us = 0;
  bool degraded = false;           // part of the memory is damaged and was left out
};
using QueryDone = std::function<void(Status, QueryResult&&)>;

struct Record {
  bool found = false;
  uint64_t id = 0;
  std::vector<float> vector;  // under cosine the stored unit vector times its norm
  int64_t time_ms = 0;
  std::string source, label;
  bool has_payload = false;
  std::vector<uint8_t> payload;
  const char* tier = "hot";   // "hot" (f32), "warm" (f16), "cool", "cold" or "archive"
};

struct ScanCursor {
  uint64_t next_id = 0;  // records come in ascending id order; set by scan(); done when `end`
  bool end = false;
};

inline constexpr float kStatsRecalls[] = {0.9f, 0.95f, 0.99f};

struct SegmentStats {
  uint64_t id = 0;
  uint64_t rows = 0, dead = 0, bytes = 0;
  bool linked = false;
  bool calibrated = false;        // QueryRequest::recall is met by measurement, not by a guess
  uint32_t ef_of_recall[3] = {};  // what kStatsRecalls take at k = 10; 0 unless calibrated
};

// Heat in eighths: bin i counts records of heat [i / 8, (i + 1) / 8).
inline constexpr uint32_t kStatsHeatBins = 8;

struct TierStats {
  uint64_t rows = 0;    // live vectors
  uint64_t bytes = 0;   // of their records; columns, graph and codebooks are not in it
  uint64_t heat[kStatsHeatBins] = {};
};

struct Stats {
  // Hot, warm, cool, cold, archive. The tail and rows still in the log count as hot.
  TierStats tiers[5];
  double tier_share = 1;            // what the byte budget makes of a heat: times this
  float cool_bits = 0, cold_bits = 0;  // bits a dimension of records written next
  uint64_t codebook_id = 0;         // the newest; 0: none yet
  uint64_t codebook_rows = 0;       // sample it was trained on
  float codebook_distortion = 1;    // share of the variance that it leaves
  uint64_t codebooks_trained = 0, recompressions = 0, recompressed_rows = 0;  // since open
  uint64_t recompressed_bytes = 0;  // written by it, since open
  double byte_ratio = 0;            // file_bytes / (live x dimensions x 4)
  uint32_t dimensions = 0;
  Metric metric = Metric::kCosine;
  uint64_t live = 0;                // vectors that a query can return
  uint64_t tail_rows = 0, tail_dead = 0;
  uint64_t frozen_rows = 0;         // in sealed segments without a graph
  uint64_t linked_rows = 0;
  uint64_t dead_rows = 0;           // dead rows still in segments
  std::vector<SegmentStats> segments;
  uint64_t durable_lsn = 0, written_lsn = 0;
  uint64_t next_id = 0;
  uint32_t epoch = 0;
  uint32_t sources = 0, labels = 0, source_marks = 0;
  // File space (FORMAT.md 2). file = fixed + live + reclaimable; holes do not count.
  uint64_t file_bytes = 0, fixed_bytes = 0, live_bytes = 0, reclaimable_bytes = 0;
  uint64_t vector_bytes_inserted = 0;  // since open: count x dimensions x 4
  // Since open; ingest: log, seal and checkpoint.
  uint64_t bytes_written = 0, bytes_written_ingest = 0;
  uint64_t syncs = 0, groups = 0, checkpoints = 0, freezes = 0, links = 0, compactions = 0;
  uint64_t inserts = 0, duplicates = 0, deletes = 0, queries = 0;
  uint64_t queue_bytes = 0;
  bool latched = false, degraded = false, read_only = false, no_space = false;
  uint64_t holes = 0;               // ranges of acknowledged log found damaged at open
  uint64_t lost_records = 0;        // records known lost with them (at least)
  uint64_t helped = 0;  // queries of which another thread did a part, since open
  uint64_t warmed_bytes = 0;  // of codes, read into the system's cache since open
  uint64_t view_faults = 0;
  std::string kernels;              // "avx512", "avx2", "neon", "scalar"
  std::string path;
  uint8_t uuid[16] = {};
};

struct CheckReport {
  bool ok = true;
  std::vector<std::string> damaged;  // one sentence each: what, where
  uint64_t lost = 0;                 // records that cannot be read
  uint64_t holes = 0;
  std::vector<std::string> notes;    // stale temporaries, torn tail cut, ...
};

// A Version held across commits: what a long-running query would see. Tests of rules R6 and R13.
class HeldVersion {
 public:
  virtual ~HeldVersion() = default;
  virtual Status query(const QueryRequest& request, QueryResult* out) = 0;
  virtual Status get(const std::vector<uint64_t>& ids, std::vector<Record>* out) = 0;
};

// One step of background work, for tests and for settle().
enum class Job { kFreeze, kLink, kCompact, kCheckpoint, kShrinkLog, kRecompress };

class Engine {
 public:
  // Opens, recovers, or (create_if_missing) creates a memory. Errors: kNotAStore, kVersion,
  // kContradiction, kBusy (with the holder's pid), kPermission, kNotRegular, kTruncated, kCorrupt,
  // kNoSpace, kIo ... Recovery writes nothing to the file (STORAGE.md 2.8). Cost: two slots, the
  // manifest, the log since the last checkpoint, and the tail's vectors (at most 16 MiB), which are
  // read and coded again.
  [[nodiscard]] static Status open(const OpenOptions& options, std::unique_ptr<Engine>* out);
  virtual ~Engine() = default;

  // Checks and copies nothing further: the batch is taken over. `done` runs when the promise of
  // `durability` holds, or with an error, exactly once, in submission order. Returns an error (and
  // never calls `done`) when the batch is malformed, the queue is full (kBusy) or the engine is
  // closed or read-only. A batch above atomicRows() is split in order: a crash may keep a prefix.
  virtual Status submitInsert(InsertBatch&& batch, InsertDone done) = 0;
  // Deletes by id; ids that are unknown are skipped. Durable as an insert; immediate group at
  // kSync.
  virtual Status submitForget(std::vector<uint64_t> ids, ForgetDone done) = 0;
  // Deletes every record of a source.
  virtual Status submitForgetSource(std::string source, ForgetDone done) = 0;
  // `done` runs once everything below lsn survives power loss, whatever the durability level.
  virtual Status submitWaitDurable(uint64_t lsn, Done done) = 0;
  virtual Status submitCheckpoint(Done done) = 0;
  // `done` runs when background work has sealed, linked and compacted all it means to, and
  // checkpointed.
  virtual Status submitSettle(Done done) = 0;
  // Bytes accepted and not yet durable; submitInsert answers kBusy above kQueueBytesMax.
  virtual uint64_t queueBytes() const = 0;
  // Runs `room` (once) on the committer thread when the queue has fallen below half after a kBusy.
  virtual void onceQueueHasRoom(std::function<void()> room) = 0;

  // On this thread, no promise, no lock on the read path. `cancel` (may be null) is polled.
  virtual Status query(const QueryRequest& request, const std::atomic<bool>* cancel,
                       QueryResult* out) = 0;
  // On the query pool. The shared flag may be set at any time: the query then ends with kAborted.
  virtual Status submitQuery(QueryRequest&& request, std::shared_ptr<std::atomic<bool>> cancel,
                             QueryDone done) = 0;
  // Runs any read-only work (get, scan, stats, check) on the query pool, off the caller's thread.
  virtual Status submitRead(std::function<void()> work) = 0;

  virtual Status get(const std::vector<uint64_t>& ids, std::vector<Record>* out) = 0;
  // Up to `records_max` live records with id >= cursor->next_id that match. Weakly consistent: each
  // record is one that was live at some moment of the call.
  virtual Status scan(const Filter& filter, uint32_t records_max, ScanCursor* cursor,
                      std::vector<Record>* out) = 0;
  virtual Stats stats() = 0;
  // Heat counts in this time from now on, not in the clock's: milliseconds, above 0 and never
  // falling. For simulations, which let hours pass in a moment.
  virtual void setHeatNow(uint64_t active_ms) = 0;
  // Reads and verifies every checksum of the live state; `deep` also audits the graphs.
  virtual Status check(bool deep, CheckReport* out) = 0;

  // Rows that one atomic group can hold, payloads and labels aside.
  virtual uint32_t atomicRows() const = 0;
  virtual uint32_t dimensions() const = 0;
  virtual Metric metric() const = 0;

  // Idempotent. Drains inserts, aborts queries after 1 s, stops background work at its next step,
  // writes a last checkpoint, releases the lock. Calls after it get kClosed.
  virtual Status close() = 0;

  // --- tuning.all_manual only: one thread, no background, nothing happens unasked. ---
  // Commits what is queued as one group (false: nothing was queued). Completions run inside.
  virtual bool pump() = 0;
  // Runs one background job to its end; *did says whether there was work.
  virtual Status maintain(Job job, bool* did) = 0;
  // The present state, until the result is destroyed (before the Engine).
  virtual std::unique_ptr<HeldVersion> holdVersion() = 0;
};

// Reads a store that need not open: reports what is damaged (rve check). Never writes.
Status checkFile(Disk& disk, const std::string& path, CheckReport* out);
// Makes a store that refuses to open usable again as far as its bytes allow: rebuilds a manifest
// and both slots from what verifies. Keeps the old file as PATH.damaged. `out` says what was lost.
Status repairFile(Disk& disk, Clock& clock, Rng& rng, const std::string& path, CheckReport* out);

}  // namespace rve
