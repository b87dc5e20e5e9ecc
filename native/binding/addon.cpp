// The addon: the only place that knows Node. Context-aware: each environment has its own Instance.
#include <napi.h>

#include "binding/convert.hpp"
#include "binding/memory_handle.hpp"

namespace rve::binding {
namespace {

// () : closes every memory of this environment on this thread. For process.on('exit'), after which
// no asynchronous work runs and no cleanup hook either.
Napi::Value closeAll(const Napi::CallbackInfo& info) {
  Instance* instance = info.Env().GetInstanceData<Instance>();
  while (!instance->open.empty()) (*instance->open.begin())->closeNow();
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance();
  instance->handle_class = Napi::Persistent(MemoryHandle::defineClass(env));
  env.SetInstanceData(instance);
  exports.Set("open", Napi::Function::New(env, openMemory, "open"));
  exports.Set("checkFile", Napi::Function::New(env, checkStore, "checkFile"));
  exports.Set("repairFile", Napi::Function::New(env, repairStore, "repairFile"));
  exports.Set("closeAll", Napi::Function::New(env, closeAll, "closeAll"));
  return exports;
}

}  // namespace
}  // namespace rve::binding

static Napi::Object initAddon(Napi::Env env, Napi::Object exports) {
  return rve::binding::init(env, exports);
}

NODE_API_MODULE(ruvector_edge, initAddon)
