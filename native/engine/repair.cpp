// rve check and rve check --repair on a file that need not open.
#include <algorithm>

#include "engine/salvage_rows.hpp"
#include "rve/engine.hpp"

namespace rve {
namespace {

constexpr uint32_t kDamagedNamesMax = 1000;

std::string fileName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

// The full path of a sibling of `path`.
std::string siblingOf(const std::string& path, const std::string& name) {
  return path.substr(0, path.size() - fileName(path).size()) + name;
}

// The layout that the file itself states; the released one where it states none.
Layout statedLayout(Disk& disk, const std::string& path) {
  std::unique_ptr<File> file;
  Identity identity;
  Layout layout;
  if (!disk.open(path, OpenMode::kReadOnly, &file).ok()) return Layout();
  if (!readAnyIdentity(*file, &identity).ok() || !layoutOf(identity, &layout).ok()) return Layout();
  return layout;
}

// What stands in the way of opening: each root, as far as it can be told.
void describeRoots(Disk& disk, const std::string& path, const Layout& layout, CheckReport* out) {
  std::unique_ptr<File> file;
  Identity identity;
  if (!disk.open(path, OpenMode::kReadOnly, &file).ok()) return;
  if (!readAnyIdentity(*file, &identity).ok()) return;
  const uint32_t chunk_count = chunkCountOf(layout, file->size());
  bool found[2] = {};
  for (Root& root : readSlots(*file, layout, identity.uuid, chunk_count)) {
    found[root.which] = true;
    Symbols symbols;
    SourceMarks marks;
    const Status status =
        readManifest(*file, layout, identity.uuid, chunk_count, &root, &symbols, &marks);
    if (status.ok()) continue;
    out->damaged.push_back(std::string("the manifest of slot ") + (root.which == 0 ? "A" : "B") +
                           ": " + status.message());
  }
  for (const uint32_t which : {0u, 1u}) {
    if (found[which]) continue;
    out->damaged.push_back(std::string("slot ") + (which == 0 ? "A" : "B") +
                           " and its copy fail their checksums or point outside the file");
  }
}

// A crash between the two renames of repair leaves no file at `path`, but its successor, which is
// whole.
Status finishInterrupted(Disk& disk, const std::string& path, CheckReport* out) {
  std::vector<std::string> names;
  RVE_TRY(disk.list(path, fileName(path) + ".repair-", &names));
  if (names.size() != 1) {
    std::string text = "cannot repair " + path;
    for (const std::string& name : names) text += "; an earlier repair left " + name;
    return Status(Code::kNotFound, text);
  }
  const std::string successor = siblingOf(path, names[0]);
  CheckReport report;
  RVE_TRY(checkFile(disk, successor, &report));
  if (!report.ok) return Status(Code::kCorrupt, successor + " of an earlier repair is damaged");
  RVE_TRY(disk.renameNoReplace(successor, path));
  RVE_TRY(disk.syncFolder(path));
  out->notes.push_back(
      "an earlier repair was interrupted before its last step, and is finished now");
  return {};
}

// Gives the old file the first free name of PATH.damaged, PATH.damaged-2, ...
Status setAside(Disk& disk, const std::string& path, std::string* kept) {
  Status status;
  for (uint32_t i = 1; i <= kDamagedNamesMax; i++) {
    *kept = path + ".damaged" + (i == 1 ? "" : "-" + std::to_string(i));
    status = disk.renameNoReplace(path, *kept);
    if (status.code() != Code::kBusy) return status;
  }
  return status;
}

Status rebuildInto(const OpenOptions& options, const SalvageScan& scan, CheckReport* out) {
  Salvage salvage(scan, out);
  Rebuild rebuild;
  RVE_TRY(rebuild.start(options, salvage.prepare()));
  RVE_TRY(salvage.stream(&rebuild));
  // Nothing takes the place of the old file before it has been read back whole.
  CheckReport fresh;
  RVE_TRY(checkFile(*options.disk, options.path, &fresh));
  if (fresh.ok) return {};
  return Status(Code::kInternal, "the rebuilt store fails its check: " + fresh.damaged.front());
}

}  // namespace

Status checkFile(Disk& disk, const std::string& path, CheckReport* out) {
  std::vector<std::string> stale;
  const std::string name = fileName(path);
  for (const char* kind : {".tmp-", ".repair-"}) {
    if (!disk.list(path, name + kind, &stale).ok()) continue;
    for (const std::string& left : stale) {
      out->notes.push_back(std::string("an unfinished ") +
                           (kind[1] == 't' ? "creation" : "repair") + " left " + left +
                           ", which may be removed");
    }
  }
  DiskStat stat;
  RVE_TRY(disk.stat(path, &stat));
  if (stat.exists && !stat.regular) return Status(Code::kNotRegular, "cannot check " + path);
  OpenOptions options;
  options.path = path;
  options.read_only = true;
  options.disk = &disk;
  options.tuning.all_manual = true;
  if (stat.exists) options.layout = statedLayout(disk, path);
  std::unique_ptr<Engine> engine;
  const Status opened = Engine::open(options, &engine);
  if (opened.ok()) return engine->check(true, out);
  const Code code = opened.code();
  if (code != Code::kCorrupt && code != Code::kTruncated) return opened;
  out->ok = false;
  out->damaged.push_back(opened.message());
  describeRoots(disk, path, options.layout, out);
  return {};
}

// The old file is only read. The order of the end, and what a power cut in between leaves:
//   1. PATH.repair-<random> is complete, checked and durable.   PATH as it was, and a spare file to
//   remove.
//   2. PATH becomes PATH.damaged (or -2, -3 ...).               Both under clear names, none at
//   PATH; repairing
//   3. PATH.repair-<random> becomes PATH.                       PATH again does step 3.
//   4. The folder is synced.
Status repairFile(Disk& disk, Clock& clock, Rng& rng, const std::string& path, CheckReport* out) {
  DiskStat stat;
  RVE_TRY(disk.stat(path, &stat));
  if (!stat.exists) return finishInterrupted(disk, path, out);
  RVE_TRY(checkFile(disk, path, out));
  if (out->ok) {
    out->notes.push_back("nothing is damaged: nothing was changed");
    return {};
  }
  std::unique_ptr<SalvageScan> scan;
  RVE_TRY(SalvageScan::open(disk, path, &scan));
  OpenOptions options;
  options.path = path + ".repair-" + std::to_string(rng.next() & 0xFFFFFFFFu);
  options.dimensions = scan->identity().dimensions;
  options.has_metric = true;
  options.metric = scan->identity().metric;
  options.layout = scan->layout();
  options.disk = &disk;
  options.clock = &clock;
  options.rng = &rng;
  // What the check counted is counted again by the salvage, which knows more.
  out->lost = out->holes = 0;
  Status status = rebuildInto(options, *scan, out);
  std::string kept;
  if (status.ok()) status = setAside(disk, path, &kept);
  if (!status.ok()) {
    // The old file still stands at its place.
    static_cast<void>(disk.remove(options.path));
    return status;
  }
  RVE_TRY(disk.renameNoReplace(options.path, path));
  RVE_TRY(disk.syncFolder(path));
  out->ok = out->lost == 0 && out->holes == 0;
  out->notes.push_back("the old file is kept as " + kept);
  return {};
}

}  // namespace rve
