// Life of a handle and the way of its completions to JavaScript (memory_handle.hpp).
#include "binding/convert.hpp"
#include "binding/memory_handle.hpp"
#include "engine/sentence.hpp"

namespace rve::binding {
namespace {

// Numbers of one small completion at most; larger results come as typed arrays of their own.
constexpr uint32_t kInlineIdsMax = 256;
constexpr uint32_t kHeadWords = 6;

}  // namespace

Napi::Function MemoryHandle::defineClass(Napi::Env env) {
  return DefineClass(env, "NativeMemory",
                     {
                         InstanceMethod<&MemoryHandle::buffers>("buffers"),
                         InstanceMethod<&MemoryHandle::insert>("insert"),
                         InstanceMethod<&MemoryHandle::forget>("forget"),
                         InstanceMethod<&MemoryHandle::waitDurable>("waitDurable"),
                         InstanceMethod<&MemoryHandle::checkpoint>("checkpoint"),
                         InstanceMethod<&MemoryHandle::settle>("settle"),
                         InstanceMethod<&MemoryHandle::onRoom>("onRoom"),
                         InstanceMethod<&MemoryHandle::query>("query"),
                         InstanceMethod<&MemoryHandle::queryMany>("queryMany"),
                         InstanceMethod<&MemoryHandle::cancel>("cancel"),
                         InstanceMethod<&MemoryHandle::querySync>("querySync"),
                         InstanceMethod<&MemoryHandle::takeEmbeddings>("takeEmbeddings"),
                         InstanceMethod<&MemoryHandle::get>("get"),
                         InstanceMethod<&MemoryHandle::scan>("scan"),
                         InstanceMethod<&MemoryHandle::check>("check"),
                         InstanceMethod<&MemoryHandle::stats>("stats"),
                         InstanceMethod<&MemoryHandle::setNow>("setNow"),
                         InstanceMethod<&MemoryHandle::drain>("drain"),
                         InstanceMethod<&MemoryHandle::close>("close"),
                     });
}

Napi::Value MemoryHandle::create(Napi::Env env, std::unique_ptr<Engine> engine,
                                 std::shared_ptr<CallerClock> clock, Napi::Function listener) {
  Instance* instance = env.GetInstanceData<Instance>();
  Napi::Object object = instance->handle_class.New({});
  if (object.IsEmpty()) return {};
  MemoryHandle* handle = Unwrap(object);
  if (handle == nullptr) return {};
  handle->clock_ = std::move(clock);
  handle->engine_ = std::move(engine);
  handle->instance_ = instance;
  // A handle that could not start has no listener; its destructor closes the engine.
  if (!handle->start(env, listener)) return {};
  return object;
}

MemoryHandle::MemoryHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MemoryHandle>(info), env_(info.Env()) {}

MemoryHandle::~MemoryHandle() { closeNow(); }

bool MemoryHandle::start(Napi::Env env, Napi::Function listener) {
  dimensions_ = engine_->dimensions();
  if (!makeBuffers(env)) return false;
  listener_ = Napi::Persistent(listener);
  const Napi::String name = Napi::String::New(env, "ruvector-edge");
  const napi_status made =
      napi_create_threadsafe_function(env, listener, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      &MemoryHandle::onWake, &wake_);
  RVE_ASSERT(made == napi_ok);
  napi_unref_threadsafe_function(env, wake_);  // Idle, it does not hold the process.
  mailbox_.attach(wake_);
  // Hooks run in reverse order: this one before the one that ends wake_.
  napi_add_env_cleanup_hook(env, &MemoryHandle::onCleanup, this);
  instance_->open.insert(this);
  Ref();
  return true;
}

bool MemoryHandle::makeBuffers(Napi::Env env) {
  Napi::Float64Array inbox_words = Napi::Float64Array::New(env, kInboxWordsMax);
  Napi::Float32Array inbox_floats = Napi::Float32Array::New(env, kInboxWordsMax);
  Napi::Float32Array sync_vector = Napi::Float32Array::New(env, dimensions_);
  Napi::Float64Array sync_words = Napi::Float64Array::New(env, kKMax + 2);
  Napi::Float32Array sync_scores = Napi::Float32Array::New(env, kKMax);
  if (inbox_words.IsEmpty() || inbox_floats.IsEmpty() || sync_vector.IsEmpty() ||
      sync_words.IsEmpty() || sync_scores.IsEmpty()) {
    return false;
  }
  inbox_words_ = inbox_words.Data();
  inbox_floats_ = inbox_floats.Data();
  sync_vector_ = sync_vector.Data();
  sync_words_ = sync_words.Data();
  sync_scores_ = sync_scores.Data();
  Napi::Object all = Napi::Object::New(env);
  all.Set("inboxWords", inbox_words);
  all.Set("inboxFloats", inbox_floats);
  all.Set("syncVector", sync_vector);
  all.Set("syncWords", sync_words);
  all.Set("syncScores", sync_scores);
  buffers_ = Napi::Persistent(all);
  return true;
}

Napi::Value MemoryHandle::buffers(const Napi::CallbackInfo&) { return buffers_.Value(); }

void MemoryHandle::onWake(napi_env env, napi_value listener, void* context, void*) {
  if (env == nullptr || listener == nullptr) return;  // Released: the handle may be gone.
  static_cast<MemoryHandle*>(context)->deliver(env, Napi::Function(env, listener));
}

// () : goes on where the turn's limit cut a delivery.
Napi::Value MemoryHandle::drain(const Napi::CallbackInfo& info) {
  if (!listener_.IsEmpty()) deliver(info.Env(), listener_.Value());
  return {};
}

bool MemoryHandle::deliver(Napi::Env env, Napi::Function listener) {
  if (told_ == completions_.size()) {
    completions_.clear();
    told_ = 0;
    mailbox_.take(&completions_);
  }
  const size_t turn_end = std::min<size_t>(completions_.size(), told_ + kCompletionsPerTurnMax);
  size_t read_bytes = 0;
  while (told_ < turn_end && read_bytes < kReadBytesMax) {
    words_ = floats_ = extras_ = 0;
    Napi::HandleScope scope(env);
    Napi::Array extras = Napi::Array::New(env);
    const size_t first = told_;
    while (told_ < turn_end && read_bytes < kReadBytesMax) {
      Completion& completion = completions_[told_];
      if (!write(env, completion, extras)) break;
      if (completion.records != nullptr) read_bytes += kReadBytesMax;  // One a turn.
      cancels_.erase(completion.token);
      completion = Completion();
      ++told_;
    }
    calls_under_way_ -= told_ - first;
    if (calls_under_way_ == 0 && wake_ != nullptr) napi_unref_threadsafe_function(env, wake_);
    // JavaScript calls drain() in a later turn for what this one leaves.
    const bool leave = told_ < completions_.size() &&
                       (told_ == turn_end || read_bytes >= kReadBytesMax);
    listener.Call({Napi::Number::New(env, words_), extras, Napi::Boolean::New(env, leave)});
    if (env.IsExceptionPending()) break;
  }
  return told_ < completions_.size();
}

bool MemoryHandle::write(Napi::Env env, const Completion& completion, Napi::Array extras) {
  const uint32_t needed = kHeadWords + kInlineIdsMax;
  if (words_ + needed > kInboxWordsMax || floats_ + kInlineIdsMax > kInboxWordsMax) return false;
  put(completion.token);
  if (!completion.status.ok()) {
    put(-1);
    extra(extras, Napi::String::New(env, codeName(completion.status.code())));
    extra(extras, Napi::String::New(env, sentenceOf(completion.status)));
    return true;
  }
  put(static_cast<double>(completion.kind));
  switch (completion.kind) {
    case Kind::kDone:
    case Kind::kRoom:
      break;
    case Kind::kInsert: {
      put(static_cast<double>(completion.lsn));
      const bool inlined = completion.ids.size() <= kInlineIdsMax;
      put(inlined ? static_cast<double>(completion.ids.size()) : -1.0);
      if (!inlined) extra(extras, idArray(env, completion.ids));
      else for (const int64_t id : completion.ids) put(static_cast<double>(id));
      break;
    }
    case Kind::kForget:
      put(static_cast<double>(completion.lsn));
      put(static_cast<double>(completion.count));
      break;
    case Kind::kQuery:
      writeQuery(env, *completion.query, extras);
      break;
    case Kind::kQueryMany: {
      const QueryResult& result = *completion.query;
      put(result.latency_us);
      put(result.degraded ? 1 : 0);
      extra(extras, idArray(env, result.ids));
      extra(extras, floatArray(env, result.scores));
      Napi::Uint32Array counts = Napi::Uint32Array::New(env, result.counts.size());
      if (!counts.IsEmpty()) std::copy(result.counts.begin(), result.counts.end(), counts.Data());
      extra(extras, counts);
      break;
    }
    case Kind::kRecords:
      put(static_cast<double>(completion.records->covered));
      put(completion.records->end ? 1 : 0);
      extra(extras, recordColumns(env, *completion.records, dimensions_));
      break;
    case Kind::kCheck:
      extra(extras, checkObject(env, *completion.report));
      break;
  }
  return true;
}

void MemoryHandle::writeQuery(Napi::Env env, const QueryResult& result, Napi::Array extras) {
  const uint32_t count = result.counts[0];
  const bool inlined = count <= kInlineIdsMax;
  put(result.latency_us);
  put(result.degraded ? 1 : 0);
  put(inlined ? static_cast<double>(count) : -1.0);
  put(result.embeddings.empty() ? 0 : 1);
  if (inlined) {
    for (uint32_t i = 0; i < count; ++i) put(static_cast<double>(result.ids[i]));
    for (uint32_t i = 0; i < count; ++i) inbox_floats_[floats_++] = result.scores[i];
  } else {
    extra(extras, idArray(env, {result.ids.data(), count}));
    extra(extras, floatArray(env, {result.scores.data(), count}));
  }
  if (result.embeddings.empty()) return;
  extra(extras, floatArray(env, {result.embeddings.data(), size_t{count} * dimensions_}));
}

// Closes off the JavaScript thread; completions go on arriving until it is done.
class CloseWorker : public Napi::AsyncWorker {
 public:
  CloseWorker(Napi::Env env, MemoryHandle* handle)
      : Napi::AsyncWorker(env), handle_(handle), deferred_(Napi::Promise::Deferred::New(env)) {
    handle_->Ref();
  }
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override {
    const std::lock_guard<std::mutex> lock(handle_->close_mutex_);
    if (handle_->engine_ != nullptr) status_ = handle_->engine_->close();
  }
  void OnOK() override {
    const Napi::Env env = Env();
    Napi::HandleScope scope(env);
    handle_->engine_.reset();  // Answers, with kClosed, what it had not begun.
    while (handle_->deliver(env, handle_->listener_.Value())) {
    }
    handle_->release(env);
    if (status_.ok()) deferred_.Resolve(env.Undefined());
    else deferred_.Reject(errorOf(env, status_));
    handle_->Unref();
  }
  void OnError(const Napi::Error&) override { OnOK(); }

 private:
  MemoryHandle* handle_;
  Napi::Promise::Deferred deferred_;
  Status status_;
};

Napi::Value MemoryHandle::close(const Napi::CallbackInfo& info) {
  if (!isOpen(info.Env())) return {};
  closing_ = true;
  auto* worker = new CloseWorker(info.Env(), this);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

void MemoryHandle::closeNow() {
  const std::lock_guard<std::mutex> lock(close_mutex_);  // A CloseWorker may be at it.
  if (engine_ == nullptr) return;
  // Nobody is left to tell of a failure: acknowledged records are durable whatever it says.
  static_cast<void>(engine_->close());
  release(env_);
}

void MemoryHandle::onCleanup(void* context) { static_cast<MemoryHandle*>(context)->closeNow(); }

void MemoryHandle::release(Napi::Env env) {
  mailbox_.silence();
  engine_.reset();
  if (wake_ == nullptr) return;
  napi_remove_env_cleanup_hook(env, &MemoryHandle::onCleanup, this);
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  wake_ = nullptr;
  instance_->open.erase(this);
  Unref();
}

}  // namespace rve::binding
