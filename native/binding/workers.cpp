// Memory.open, Memory.check and Memory.repair run on libuv's pool: they read, and may wait for a
// disk.
#include "binding/convert.hpp"
#include "binding/memory_handle.hpp"

namespace rve::binding {
namespace {

class OpenWorker : public Napi::AsyncWorker {
 public:
  OpenWorker(Napi::Env env, OpenOptions&& options, std::shared_ptr<CallerClock> clock,
             Napi::Function listener)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)),
        options_(std::move(options)), clock_(std::move(clock)),
        listener_(Napi::Persistent(listener)) {
    options_.clock = clock_.get();
  }
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { status_ = Engine::open(options_, &engine_); }

  void OnOK() override {
    const Napi::Env env = Env();
    Napi::HandleScope scope(env);
    if (!status_.ok()) {
      deferred_.Reject(errorOf(env, status_));
      return;
    }
    const Napi::Value handle =
        MemoryHandle::create(env, std::move(engine_), clock_, listener_.Value());
    if (!handle.IsEmpty()) deferred_.Resolve(handle);
  }

 private:
  Napi::Promise::Deferred deferred_;
  OpenOptions options_;
  std::shared_ptr<CallerClock> clock_;  // Before the engine, which reads it to its end.
  Napi::FunctionReference listener_;
  std::unique_ptr<Engine> engine_;
  Status status_;
};

class FileWorker : public Napi::AsyncWorker {
 public:
  FileWorker(Napi::Env env, std::string path, bool repair)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)),
        path_(std::move(path)), repair_(repair) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    const std::unique_ptr<Disk> disk = makePosixDisk();
    if (!repair_) {
      status_ = checkFile(*disk, path_, &report_);
      return;
    }
    const std::unique_ptr<Clock> clock = makePosixClock();
    const std::unique_ptr<Rng> rng = makePosixRng();
    status_ = repairFile(*disk, *clock, *rng, path_, &report_);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    Napi::HandleScope scope(env);
    if (status_.ok()) deferred_.Resolve(checkObject(env, report_));
    else deferred_.Reject(errorOf(env, status_));
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::string path_;
  bool repair_;
  CheckReport report_;
  Status status_;
};

Napi::Value startFileWorker(const Napi::CallbackInfo& info, bool repair) {
  std::string path;
  if (!readString(info.Env(), info[0], &path)) return {};
  auto* worker = new FileWorker(info.Env(), std::move(path), repair);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace

// (path, options, listener, nowMs?) -> Promise<NativeMemory>; nowMs is of a clock of the caller's.
Napi::Value openMemory(const Napi::CallbackInfo& info) {
  OpenOptions options;
  if (!readOpenOptions(info.Env(), info[0], info[1], &options)) return {};
  std::shared_ptr<CallerClock> clock;
  if (!isAbsent(info.Env(), info[3])) {
    double now_ms = 0;
    if (!readDouble(info.Env(), info[3], &now_ms)) return {};
    clock = std::make_shared<CallerClock>(now_ms);
  }
  auto* worker = new OpenWorker(info.Env(), std::move(options), std::move(clock),
                                info[2].As<Napi::Function>());
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value checkStore(const Napi::CallbackInfo& info) { return startFileWorker(info, false); }
Napi::Value repairStore(const Napi::CallbackInfo& info) { return startFileWorker(info, true); }

}  // namespace rve::binding
