// rve check and rve check --repair on a file that need not open.
#include <algorithm>

#include "engine/live_state.hpp"
#include "engine/reader.hpp"
#include "rve/engine.hpp"

namespace rve {

Status checkFile(Disk& disk, const std::string& path, CheckReport* out) {
  OpenOptions options;
  options.path = path;
  options.read_only = true;
  options.disk = &disk;
  options.tuning.all_manual = true;
  std::unique_ptr<Engine> engine;
  const Status opened = Engine::open(options, &engine);
  std::vector<std::string> stale;
  if (disk.list(path, path.substr(path.find_last_of('/') + 1) + ".tmp-", &stale).ok()) {
    for (const std::string& name : stale) {
      out->notes.push_back("an unfinished creation left " + name + ", which may be removed");
    }
  }
  if (opened.ok()) return engine->check(true, out);
  const Code code = opened.code();
  if (code != Code::kCorrupt && code != Code::kTruncated) return opened;
  out->ok = false;
  out->damaged.push_back(opened.message());
  return {};
}

}  // namespace rve
