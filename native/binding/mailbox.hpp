// Completions on their way from engine threads to the JavaScript thread.
//
// Engine threads post; the first post after a drain wakes the JavaScript thread, the others ride
// along. A burst of a thousand inserts therefore costs one wake-up, not a thousand.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "rve/engine.hpp"

namespace rve::binding {

// What one read brought: rows of get() or scan(), up to kReadBytesMax of them at a time.
struct RecordBatch {
  std::vector<Record> records;
  uint64_t covered = 0;  // get: how many of the ids asked for are answered. scan: the next id.
  bool end = false;      // scan: nothing follows
};

// The numbers are known to runtime/native.ts (EventKind).
enum class Kind : uint8_t {
  kDone = 0,     // nothing but the status
  kInsert = 1,   // lsn, ids
  kForget = 2,   // lsn, count
  kQuery = 3,    // query, one row
  kQueryMany = 4,
  kRecords = 5,
  kCheck = 6,
  kRoom = 7,     // the insert queue has room again
};

struct Completion {
  uint32_t token = 0;
  Kind kind = Kind::kDone;
  Status status;
  uint64_t lsn = 0;
  uint64_t count = 0;
  std::vector<int64_t> ids;
  std::unique_ptr<QueryResult> query;
  std::unique_ptr<RecordBatch> records;
  std::unique_ptr<CheckReport> report;
};

class Mailbox {
 public:
  // `wake` stays owned by the caller, who calls silence() before releasing it. JavaScript thread
  // only.
  void attach(napi_threadsafe_function wake);
  // Any thread. After silence() the completion is dropped: nobody is left to hear it.
  void post(Completion&& completion);
  // Takes all that waits, appended to `out`. JavaScript thread only.
  void take(std::vector<Completion>* out);
  // No wake-up is sent from now on. When it returns, none is being sent either.
  void silence();

 private:
  std::mutex mutex_;
  std::vector<Completion> waiting_;
  napi_threadsafe_function wake_ = nullptr;
  bool woken_ = false;  // a wake-up is on its way and nobody has taken since
};

}  // namespace rve::binding
