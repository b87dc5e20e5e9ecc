// A disk in memory that forgets what was not synced, as a real one does when its power is cut.
//
// What the program sees (the page cache: read, view) and what the device holds are kept apart. A
// write is split into sectors; each sector version stays pending until sync(). cutPower() then
// decides the fate of every pending sector version, of grown sizes, and of folder changes, by a
// CrashChoice: all states that a device without promises may show (lost, kept, out of order, torn,
// zero, garbage) are reachable.
//
// After a failed sync the pending sectors are clean and lost, as on Linux: the cache shows them,
// the device does not, and no later sync writes them (RELIABILITY.md, fsync failures).
//
// One thread at a time, but for reads by view and prefetch(); its Files must not outlive it.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/env.hpp"
#include "test/sim/sim_env.hpp"

namespace rve::test {

enum class SimCall : uint8_t {
  kStat, kOpen, kRead, kReadDevice, kWrite, kSync, kGrow, kReserve, kPunch, kRename,
  kRemove, kSyncFolder, kList,
};
inline constexpr size_t kSimCalls = 13;
const char* simCallName(SimCall call);

// One call, for messages.
struct SimOp {
  SimCall call = SimCall::kStat;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  Code result = Code::kOk;
};

// What becomes of one pending sector version when the power goes.
enum class Fate : uint8_t {
  kLost,        // the sector keeps what it held before
  kApplied,     // the new content
  kFirstHalf,   // new first half, old second half
  kSecondHalf,  // old first half, new second half
  // Neither old nor new.
  kZeroed, kGarbage,
};

struct CrashChoice {
  // One per pending sector version, in issue order; missing ones are kLost.
  std::vector<Fate>sectors;
  uint32_t names = 0;         // that many of the pending folder changes survive, in order
  bool sizes = false;         // whether sizes changed since the last sync survive
};

// A pending sector version, for whoever chooses fates.
struct PendingSector {
  uint32_t inode = 0;
  uint32_t sector = 0;
  uint32_t write = 0;  // number of the write call it came with, ascending
};

struct SimDiskOptions {
  uint32_t sector_bytes = 64;
  uint64_t file_bytes_max = 1 << 20;      // address space of one file: grow() beyond it is kNoSpace
  uint64_t device_bytes_max = 4 << 20;    // space for all files together, by sectors in use
};

class SimDisk final : public Disk {
 public:
  explicit SimDisk(const SimDiskOptions& options, uint64_t seed = 1);
  ~SimDisk() override;
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  Status stat(const std::string& path, DiskStat* out) override;
  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override;
  Status renameNoReplace(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status syncFolder(const std::string& path) override;
  Status list(const std::string& path, const std::string& prefix,
              std::vector<std::string>* out) override;

  // Runs after each call that changes something (write, sync, grow, reserve, punch, rename, remove,
  // syncFolder), failed ones too. Calls to this disk from inside it do not run it again.
  std::function<void(SimCall)> after_change;

  // The nth call (0: the next) of a kind fails with `code`; `sticky`: all later ones too. A failing
  // write may have written a prefix; a failing sync loses a random part of what was pending.
  // Replaces an earlier plan.
  void failAt(SimCall call, uint64_t nth, Code code, bool sticky);
  void failNever();   // no further failures
  void forgetFault(); // as failNever, and failed() is false again
  // Whether a planned failure has happened.
  bool failed() const { return failed_; }
  uint64_t calls(SimCall call) const { return counts_[static_cast<size_t>(call)]; }
  uint64_t changes() const { return changes_; }
  uint64_t bytesWritten() const { return bytes_written_; }
  // Asked for by File::prefetch, over all files.
  uint64_t prefetchedBytes() const { return prefetched_bytes_; }

  // Becomes what `other` is at this moment as a SIGKILL would leave it: same cache, same pending
  // sectors, no open file. Reuses memory. Requires: no File of this disk is open.
  void copyFrom(const SimDisk& other);
  // Cuts the power: pending state meets its fate, the cache becomes the device. Requires: no File
  // is open.
  void cutPower(const CrashChoice& choice);
  // As cutPower with everything pending lost.
  void cutPower() { cutPower(CrashChoice{}); }

  const std::vector<PendingSector>& pendingSectors() const { return pending_; }
  uint32_t pendingNames() const { return static_cast<uint32_t>(pending_names_.size()); }
  bool pendingSizes() const;
  // Sectors whose cache the device lost in a failed sync.
  uint64_t lostSectors() const;

  // Hash of what the device holds for certain: names, sizes, content. Kept up by deltas: cheap.
  uint64_t durableHash() const;

  // Reads or damages the file itself, behind every cache (rot). The offset must lie inside the
  // file.
  bool exists(const std::string& path) const;
  uint64_t fileBytes(const std::string& path) const;
  Bytes peek(const std::string& path) const;  // the page cache's [0, size)
  void poke(const std::string& path, uint64_t offset, Bytes bytes);
  void truncate(const std::string& path, uint64_t bytes);

  // The last calls that changed something or failed, newest last, one a line.
  std::string trace() const;

 private:
  friend class SimFile;
  struct Inode;
  struct NameChange {
    SimCall call = SimCall::kOpen;  // kOpen: created
    std::string from, to;
    uint32_t inode = 0;
  };
  struct PendingBytes {
    size_t at = 0;  // offset of the sector's new content in pending_bytes_
  };

  bool fails(SimCall call, Status* status);
  Status note(SimCall call, uint64_t offset, uint64_t bytes, Status status);
  Inode& inodeOf(const std::string& path) const;
  uint64_t sectorHash(uint32_t inode, uint32_t sector, const std::byte* bytes) const;
  uint64_t usedBytes() const;
  void writeSectors(uint32_t inode, uint64_t offset, Bytes in, uint64_t bytes);
  void settleSector(uint32_t inode, uint32_t sector, const std::byte* bytes);
  void finishSync(uint32_t inode, bool ok);
  void applyFate(const PendingSector& pending, const std::byte* fresh, Fate fate);

  SimDiskOptions options_;
  SimRng rng_;
  std::vector<std::unique_ptr<Inode>> inodes_;
  std::map<std::string, uint32_t> names_;          // as the program sees them
  std::map<std::string, uint32_t> durable_names_;
  std::vector<NameChange> pending_names_;
  std::vector<PendingSector> pending_;
  std::vector<PendingBytes> pending_at_;           // parallel to pending_
  std::vector<std::byte> pending_bytes_;
  uint32_t writes_ = 0;

  bool fault_planned_ = false, fault_sticky_ = false, failed_ = false;
  SimCall fault_call_ = SimCall::kStat;
  uint64_t fault_left_ = 0;
  Code fault_code_ = Code::kIo;

  uint64_t counts_[kSimCalls] = {};
  uint64_t changes_ = 0;
  uint64_t bytes_written_ = 0;
  std::atomic<uint64_t> prefetched_bytes_{0};
  bool in_hook_ = false;
  std::vector<SimOp> trace_;  // ring of the last kTraceOps calls
  uint64_t traced_ = 0;
};

}  // namespace rve::test
