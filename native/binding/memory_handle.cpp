#include "binding/memory_handle.hpp"

#include "binding/convert.hpp"

namespace rve::binding {
namespace {

// One call's arguments, read by one call of Node-API. Absent ones are undefined.
template <size_t kCount>
struct Arguments {
  Arguments(const Napi::CallbackInfo& info) {
    for (size_t i = 0; i < kCount; ++i) at[i] = info[i];
  }
  napi_value operator[](size_t i) const { return at[i]; }
  napi_value at[kCount];
};

// Answers even if the engine drops the work unrun while it closes: a promise must not hang.
class ReadTicket {
 public:
  ReadTicket(Mailbox* mailbox, uint32_t token) : mailbox_(mailbox) { completion_.token = token; }
  ReadTicket(const ReadTicket&) = delete;
  ReadTicket& operator=(const ReadTicket&) = delete;
  ~ReadTicket() {
    if (silent_) return;
    if (!ran_) completion_.status = Status(Code::kClosed);
    mailbox_->post(std::move(completion_));
  }
  Completion* run() {
    ran_ = true;
    return &completion_;
  }
  // The engine refused the work: the caller says so at once.
  void silence() { silent_ = true; }

 private:
  Mailbox* mailbox_;
  Completion completion_;
  bool ran_ = false;
  bool silent_ = false;
};

size_t bytesOfRecords(const std::vector<Record>& records, size_t from) {
  size_t bytes = 0;
  for (size_t i = from; i < records.size(); ++i) {
    bytes += records[i].vector.size() * sizeof(float) + records[i].payload.size() + 64;
  }
  return bytes;
}

// Reads ids in small steps until kReadBytesMax or kReadRowsMax is reached; the caller asks for the
// rest.
Status readSome(Engine* engine, const std::vector<uint64_t>& ids, RecordBatch* out) {
  constexpr size_t kStep = 16;
  size_t bytes = 0;
  std::vector<Record> step;
  while (out->covered < ids.size() && bytes < kReadBytesMax && out->covered < kReadRowsMax) {
    const size_t count = std::min(kStep, ids.size() - out->covered);
    const auto first = ids.begin() + static_cast<ptrdiff_t>(out->covered);
    step.clear();
    RVE_TRY(engine->get({first, first + static_cast<ptrdiff_t>(count)}, &step));
    if (step.size() != count) return Status(Code::kInternal, "get() answered for other ids");
    bytes += bytesOfRecords(step, 0);
    for (Record& record : step) out->records.push_back(std::move(record));
    out->covered += count;
  }
  return Status();
}

Status scanSome(Engine* engine, const Filter& filter, uint64_t next_id, RecordBatch* out) {
  constexpr uint32_t kStep = 64;
  ScanCursor cursor;
  cursor.next_id = next_id;
  size_t bytes = 0;
  std::vector<Record> step;
  while (!cursor.end && bytes < kReadBytesMax && out->records.size() < kReadRowsMax) {
    step.clear();
    RVE_TRY(engine->scan(filter, kStep, &cursor, &step));
    bytes += bytesOfRecords(step, 0);
    for (Record& record : step) out->records.push_back(std::move(record));
  }
  out->covered = cursor.next_id;
  out->end = cursor.end;
  return Status();
}

}  // namespace

bool MemoryHandle::isOpen(napi_env env) {
  if (engine_ != nullptr && !closing_) return true;
  throwStatus(env, Status(Code::kClosed));
  return false;
}

bool MemoryHandle::accepted(napi_env env, const Status& status) {
  if (!status.ok()) {
    throwStatus(env, status);
    return false;
  }
  if (calls_under_way_++ == 0) napi_ref_threadsafe_function(env, wake_);
  return true;
}

// (token, matrix, ids?, times?, more?) -> true, or false when the queue is full.
Napi::Value MemoryHandle::insert(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const Arguments<5> args(info);
  uint32_t token = 0;
  std::span<const float> matrix;
  InsertBatch batch;
  if (!isOpen(env) || !readWord(env, args[0], &token) || !viewFloats(env, args[1], &matrix)) {
    return {};
  }
  batch.matrix.assign(matrix.begin(), matrix.end());
  batch.count = static_cast<uint32_t>(matrix.size() / dimensions_);
  if (!isAbsent(env, args[2]) && !readIds(env, args[2], &batch.ids)) return {};
  if (!isAbsent(env, args[3]) && !readTimes(env, args[3], &batch.times_ms)) return {};
  if (!readInsertMore(env, args[4], &batch)) return {};
  Mailbox* mailbox = &mailbox_;
  Status status = engine_->submitInsert(std::move(batch), [mailbox, token](InsertResult&& result) {
    Completion completion;
    completion.token = token;
    completion.kind = Kind::kInsert;
    completion.status = std::move(result.status);
    completion.lsn = result.lsn;
    completion.ids = std::move(result.ids);
    mailbox->post(std::move(completion));
  });
  if (status.code() == Code::kBusy) return Napi::Boolean::New(env, false);
  if (!accepted(env, status)) return {};
  return Napi::Boolean::New(env, true);
}

// (token, ids | source) -> true, or false when the queue is full.
Napi::Value MemoryHandle::forget(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const Arguments<2> args(info);
  uint32_t token = 0;
  if (!isOpen(env) || !readWord(env, args[0], &token)) return {};
  Mailbox* mailbox = &mailbox_;
  const auto done = [mailbox, token](ForgetResult&& result) {
    Completion completion;
    completion.token = token;
    completion.kind = Kind::kForget;
    completion.status = std::move(result.status);
    completion.lsn = result.lsn;
    completion.count = result.count;
    mailbox->post(std::move(completion));
  };
  Status status;
  if (info[1].IsString()) {
    std::string source;
    if (!readString(env, args[1], &source)) return {};
    status = engine_->submitForgetSource(std::move(source), done);
  } else {
    std::vector<uint64_t> ids;
    if (!readIds(env, args[1], &ids)) return {};
    status = engine_->submitForget(std::move(ids), done);
  }
  if (status.code() == Code::kBusy) return Napi::Boolean::New(env, false);
  if (!accepted(env, status)) return {};
  return Napi::Boolean::New(env, true);
}

namespace {

// What waitDurable, checkpoint and settle say when they are done.
Done tellDone(Mailbox* mailbox, uint32_t token) {
  return [mailbox, token](Status status) {
    Completion completion;
    completion.token = token;
    completion.status = std::move(status);
    mailbox->post(std::move(completion));
  };
}

}  // namespace

// (token, lsn)
Napi::Value MemoryHandle::waitDurable(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  uint32_t token = 0;
  double lsn = 0;
  if (!isOpen(env) || !readWord(env, info[0], &token) || !readDouble(env, info[1], &lsn)) return {};
  const uint64_t position = static_cast<uint64_t>(lsn);
  accepted(env, engine_->submitWaitDurable(position, tellDone(&mailbox_, token)));
  return {};
}

// (token)
Napi::Value MemoryHandle::checkpoint(const Napi::CallbackInfo& info) {
  uint32_t token = 0;
  if (!isOpen(info.Env()) || !readWord(info.Env(), info[0], &token)) return {};
  accepted(info.Env(), engine_->submitCheckpoint(tellDone(&mailbox_, token)));
  return {};
}

// (token)
Napi::Value MemoryHandle::settle(const Napi::CallbackInfo& info) {
  uint32_t token = 0;
  if (!isOpen(info.Env()) || !readWord(info.Env(), info[0], &token)) return {};
  accepted(info.Env(), engine_->submitSettle(tellDone(&mailbox_, token)));
  return {};
}

// () : a completion of kind kRoom follows once the insert queue has fallen below half.
Napi::Value MemoryHandle::onRoom(const Napi::CallbackInfo& info) {
  if (!isOpen(info.Env())) return {};
  accepted(info.Env(), Status());
  Mailbox* mailbox = &mailbox_;
  engine_->onceQueueHasRoom([mailbox] {
    Completion completion;
    completion.kind = Kind::kRoom;
    mailbox->post(std::move(completion));
  });
  return {};
}

Napi::Value MemoryHandle::submitQuery(napi_env env, QueryRequest&& request, uint32_t token,
                                      bool cancellable, Kind kind) {
  std::shared_ptr<std::atomic<bool>> cancel;
  if (cancellable) cancel = std::make_shared<std::atomic<bool>>(false);
  Mailbox* mailbox = &mailbox_;
  const Status status = engine_->submitQuery(
      std::move(request), cancel, [mailbox, token, kind](Status done, QueryResult&& result) {
        Completion completion;
        completion.token = token;
        completion.kind = kind;
        completion.status = std::move(done);
        completion.query = std::make_unique<QueryResult>(std::move(result));
        mailbox->post(std::move(completion));
      });
  if (accepted(env, status) && cancellable) cancels_[token] = std::move(cancel);
  return {};
}

// (token, k, ef, recall, filter?, withEmbeddings, cancellable), the vector lies in the sync buffer.
Napi::Value MemoryHandle::query(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const Arguments<7> args(info);
  uint32_t token = 0;
  bool cancellable = false;
  QueryRequest request;
  if (!isOpen(env) || !readWord(env, args[0], &token) || !readWord(env, args[1], &request.k) ||
      !readWord(env, args[2], &request.ef) || !readFloat(env, args[3], &request.recall) ||
      !readFilter(env, args[4], &request.filter) ||
      !readFlag(env, args[5], &request.with_embeddings) ||
      !readFlag(env, args[6], &cancellable)) {
    return {};
  }
  request.vectors.assign(sync_vector_, sync_vector_ + dimensions_);
  return submitQuery(env, std::move(request), token, cancellable, Kind::kQuery);
}

// (token, vectors, k, ef, recall, filter?, cancellable)
Napi::Value MemoryHandle::queryMany(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const Arguments<7> args(info);
  uint32_t token = 0;
  bool cancellable = false;
  std::span<const float> vectors;
  QueryRequest request;
  if (!isOpen(env) || !readWord(env, args[0], &token) || !viewFloats(env, args[1], &vectors) ||
      !readWord(env, args[2], &request.k) || !readWord(env, args[3], &request.ef) ||
      !readFloat(env, args[4], &request.recall) || !readFilter(env, args[5], &request.filter) ||
      !readFlag(env, args[6], &cancellable)) {
    return {};
  }
  request.vectors.assign(vectors.begin(), vectors.end());
  request.count = static_cast<uint32_t>(vectors.size() / dimensions_);
  return submitQuery(env, std::move(request), token, cancellable, Kind::kQueryMany);
}

// (token)
Napi::Value MemoryHandle::cancel(const Napi::CallbackInfo& info) {
  uint32_t token = 0;
  if (!readWord(info.Env(), info[0], &token)) return {};
  const auto found = cancels_.find(token);
  if (found != cancels_.end()) found->second->store(true, std::memory_order_relaxed);
  return {};
}

// (k, ef, recall, filter?, withEmbeddings) -> results; vector, ids and scores lie in the sync
// buffers.
Napi::Value MemoryHandle::querySync(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const Arguments<5> args(info);
  QueryRequest& request = sync_request_;  // Kept, so that its vectors keep their memory.
  request.filter = Filter();
  if (!isOpen(env) || !readWord(env, args[0], &request.k) || !readWord(env, args[1], &request.ef) ||
      !readFloat(env, args[2], &request.recall) || !readFilter(env, args[3], &request.filter) ||
      !readFlag(env, args[4], &request.with_embeddings)) {
    return {};
  }
  request.vectors.assign(sync_vector_, sync_vector_ + dimensions_);
  const Status status = engine_->query(request, nullptr, &sync_result_);
  if (!status.ok()) {
    throwStatus(env, status);
    return {};
  }
  const uint32_t count = sync_result_.counts[0];
  for (uint32_t i = 0; i < count; ++i) {
    sync_words_[i] = static_cast<double>(sync_result_.ids[i]);
    sync_scores_[i] = sync_result_.scores[i];
  }
  sync_words_[kKMax] = sync_result_.latency_us;
  sync_words_[kKMax + 1] = sync_result_.degraded ? 1 : 0;
  return Napi::Number::New(env, count);
}

// () -> the embeddings of the querySync before.
Napi::Value MemoryHandle::takeEmbeddings(const Napi::CallbackInfo& info) {
  return floatArray(info.Env(), sync_result_.embeddings);
}

Status MemoryHandle::submitRead(uint32_t token, std::function<void(Completion*)> read) {
  auto ticket = std::make_shared<ReadTicket>(&mailbox_, token);
  Status status = engine_->submitRead([ticket, read = std::move(read)] { read(ticket->run()); });
  if (!status.ok()) ticket->silence();
  return status;
}

// (token, ids): brings the first of them, at least one; its `covered` says how many.
Napi::Value MemoryHandle::get(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  uint32_t token = 0;
  std::vector<uint64_t> ids;
  if (!isOpen(env) || !readWord(env, info[0], &token) || !readIds(env, info[1], &ids)) return {};
  Engine* engine = engine_.get();
  const auto read = [engine, ids = std::move(ids)](Completion* completion) {
    completion->kind = Kind::kRecords;
    completion->records = std::make_unique<RecordBatch>();
    completion->status = readSome(engine, ids, completion->records.get());
  };
  accepted(env, submitRead(token, read));
  return {};
}

// (token, filter?, nextId): brings some records from nextId on.
Napi::Value MemoryHandle::scan(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  uint32_t token = 0;
  Filter filter;
  double next_id = 0;
  if (!isOpen(env) || !readWord(env, info[0], &token) || !readFilter(env, info[1], &filter) ||
      !readDouble(env, info[2], &next_id)) {
    return {};
  }
  Engine* engine = engine_.get();
  const auto read = [engine, filter, next_id](Completion* completion) {
    completion->kind = Kind::kRecords;
    completion->records = std::make_unique<RecordBatch>();
    completion->status = scanSome(engine, filter, static_cast<uint64_t>(next_id),
                                  completion->records.get());
  };
  accepted(env, submitRead(token, read));
  return {};
}

// (token, deep)
Napi::Value MemoryHandle::check(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  uint32_t token = 0;
  bool deep = false;
  if (!isOpen(env) || !readWord(env, info[0], &token) || !readFlag(env, info[1], &deep)) return {};
  Engine* engine = engine_.get();
  const auto read = [engine, deep](Completion* completion) {
    completion->kind = Kind::kCheck;
    completion->report = std::make_unique<CheckReport>();
    completion->status = engine->check(deep, completion->report.get());
  };
  accepted(env, submitRead(token, read));
  return {};
}

// (nowMs) of the caller's clock, where open was given one.
Napi::Value MemoryHandle::setNow(const Napi::CallbackInfo& info) {
  double now_ms = 0;
  if (!readDouble(info.Env(), info[0], &now_ms)) return {};
  if (clock_ != nullptr) clock_->tell(now_ms);
  return {};
}

Napi::Value MemoryHandle::stats(const Napi::CallbackInfo& info) {
  if (!isOpen(info.Env())) return {};
  return statsObject(info.Env(), engine_->stats());
}

}  // namespace rve::binding
