// One open memory as JavaScript sees it from below: runtime/native.ts (NativeMemory) has the
// signatures.
//
// All members are for the JavaScript thread of the environment that opened it. Engine threads
// reach it only through the mailbox. The handle keeps itself alive until it is closed: a memory
// that is never closed stays open until its environment ends, and is then closed by the
// environment's cleanup hook.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "binding/caller_clock.hpp"
#include "binding/mailbox.hpp"
#include "rve/engine.hpp"

namespace rve::binding {

// Completions told to JavaScript in one turn of the event loop: about 1 ms of settled promises.
inline constexpr uint32_t kCompletionsPerTurnMax = 1024;
// Words of the inbox: numbers of many small completions, handed over by one call.
inline constexpr uint32_t kInboxWordsMax = 8192;
// What one read brings at a time, so that no turn of the event loop decodes more.
inline constexpr size_t kReadBytesMax = 128 * 1024;
inline constexpr uint32_t kReadRowsMax = 256;

class MemoryHandle;

// Instance data: one per environment (the main thread, each worker).
struct Instance {
  Napi::FunctionReference handle_class;
  std::set<MemoryHandle*> open;
};

class MemoryHandle : public Napi::ObjectWrap<MemoryHandle> {
 public:
  static Napi::Function defineClass(Napi::Env env);
  // Null, with a JavaScript exception pending, when the environment is going down.
  // `clock` is null, or what the engine reads as its clock.
  static Napi::Value create(Napi::Env env, std::unique_ptr<Engine> engine,
                            std::shared_ptr<CallerClock> clock, Napi::Function listener);

  explicit MemoryHandle(const Napi::CallbackInfo& info);
  ~MemoryHandle() override;

  // Closes on this thread: at process exit and when the environment ends.
  void closeNow();

 private:
  friend class CloseWorker;

  // Calls of runtime/native.ts. Those that take a token answer through the inbox.
  Napi::Value buffers(const Napi::CallbackInfo& info);
  Napi::Value insert(const Napi::CallbackInfo& info);
  Napi::Value forget(const Napi::CallbackInfo& info);
  Napi::Value waitDurable(const Napi::CallbackInfo& info);
  Napi::Value checkpoint(const Napi::CallbackInfo& info);
  Napi::Value settle(const Napi::CallbackInfo& info);
  Napi::Value onRoom(const Napi::CallbackInfo& info);
  Napi::Value query(const Napi::CallbackInfo& info);
  Napi::Value queryMany(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value querySync(const Napi::CallbackInfo& info);
  Napi::Value takeEmbeddings(const Napi::CallbackInfo& info);
  Napi::Value get(const Napi::CallbackInfo& info);
  Napi::Value scan(const Napi::CallbackInfo& info);
  Napi::Value check(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value setNow(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  // False, with ERR_CLOSED pending, once the engine has gone.
  bool isOpen(napi_env env);
  // Counts a call under way, which keeps the event loop alive. `status` becomes an exception if
  // not ok.
  bool accepted(napi_env env, const Status& status);
  Napi::Value submitQuery(napi_env env, QueryRequest&& request, uint32_t token, bool cancellable,
                          Kind kind);
  Status submitRead(uint32_t token, std::function<void(Completion*)> read);

  static void onWake(napi_env env, napi_value listener, void* context, void* data);
  static void onCleanup(void* context);
  // False where the environment ends (convert.hpp).
  bool makeBuffers(Napi::Env env);
  bool start(Napi::Env env, Napi::Function listener);
  // Tells JavaScript up to a turn's worth of completions; true if some are left.
  bool deliver(Napi::Env env, Napi::Function listener);
  // Appends one completion to the inbox. False if there is no space left in it.
  bool write(Napi::Env env, const Completion& completion, Napi::Array extras);
  void writeQuery(Napi::Env env, const QueryResult& result, Napi::Array extras);
  void put(double word) { inbox_words_[words_++] = word; }
  void extra(Napi::Array extras, Napi::Value value) { extras.Set(extras_++, value); }
  // After the engine has closed: no more wake-ups, no hold on the event loop, no engine.
  void release(Napi::Env env);

  Mailbox mailbox_;  // Before the engine: completions run until the engine is gone.
  std::shared_ptr<CallerClock> clock_;  // Before the engine, which reads it to its end.
  std::unique_ptr<Engine> engine_;
  Instance* instance_ = nullptr;
  napi_env env_ = nullptr;
  uint32_t dimensions_ = 0;
  bool closing_ = false;
  std::mutex close_mutex_;  // Held while the engine closes, by whichever thread closes it.

  napi_threadsafe_function wake_ = nullptr;
  Napi::FunctionReference listener_;
  uint64_t calls_under_way_ = 0;
  std::unordered_map<uint32_t, std::shared_ptr<std::atomic<bool>>> cancels_;  // By token.

  // Taken from the mailbox, told up to told_.
  std::vector<Completion> completions_;
  size_t told_ = 0;

  // Memory shared with JavaScript: `inbox` for completions, `sync` for querySync and query vectors.
  Napi::ObjectReference buffers_;
  double* inbox_words_ = nullptr;
  float* inbox_floats_ = nullptr;
  uint32_t words_ = 0, floats_ = 0, extras_ = 0;  // Filled so far.
  float* sync_vector_ = nullptr;
  double* sync_words_ = nullptr;   // ids, then latency and degraded
  float* sync_scores_ = nullptr;
  QueryRequest sync_request_;
  QueryResult sync_result_;
};

// Memory.open, Memory.check and Memory.repair: off the JavaScript thread, each answers a promise.
Napi::Value openMemory(const Napi::CallbackInfo& info);
Napi::Value checkStore(const Napi::CallbackInfo& info);
Napi::Value repairStore(const Napi::CallbackInfo& info);

}  // namespace rve::binding
