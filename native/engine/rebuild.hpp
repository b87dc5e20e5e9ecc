// Writes what repair finds into a fresh store, through the engine's own door: so that it is as
// sound as any other.
#pragma once
#include "storage/marks.hpp"
#include "storage/symbols.hpp"
#include "rve/engine.hpp"

namespace rve {

struct SalvagedRow {
  uint64_t id = 0;
  int64_t time_ms = 0;
  std::string source, label;
  std::vector<float> vector;  // as get() gives it
  Bytes payload;
};

// What a store knows beside its records.
struct SalvagedState {
  std::map<uint32_t, std::string> sources, labels;  // by the numbers that records use
  SourceMarks marks;                                // by those numbers too
  uint64_t next_id = 0;
};

// One thread. The first error stays; nothing is written after it.
class Rebuild {
 public:
  // Creates the store at options.path (which must not exist) with the names, marks and the id
  // counter of `state`.
  Status start(const OpenOptions& options, const SalvagedState& state);
  // Replaces an earlier row of that id. Rows ride together; ids between two calls of endBatch() are
  // distinct.
  Status put(const SalvagedRow& row);
  Status endBatch();
  Status forget(const std::vector<uint64_t>& ids);
  Status forgetSource(const std::string& source);
  // What was put so far is looked at, too.
  Status holds(uint64_t id, bool* out);
  // Everything durable, and the store closed.
  Status finish();

  uint64_t rowsPut() const { return rows_put_; }
  uint64_t rowsLive() const { return rows_live_; }  // after finish()
  // Rows that the door refuses: not finite, or zero under cosine.
  uint64_t rowsRefused() const { return rows_refused_; }

 private:
  Status seed(const OpenOptions& options, const SalvagedState& state);
  Status submit(InsertBatch&& batch);
  Status submitOneByOne(const InsertBatch& batch);
  Status pumpAll();

  OpenOptions options_;
  std::unique_ptr<Engine> engine_;
  InsertBatch batch_;
  Status failed_;
  uint64_t rows_put_ = 0, rows_refused_ = 0, rows_live_ = 0, rows_at_freeze_ = 0;
};

}  // namespace rve
