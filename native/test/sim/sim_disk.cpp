#include "test/sim/sim_disk.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/assert.hpp"

namespace rve::test {

namespace {

// As a mapping would be: a graph that is not on a multiple of 64 is refused.
constexpr size_t kViewAlign = 4096;
constexpr size_t kTraceOps = 32;  // Enough to see a few windows of a tiny store.

std::string folderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

struct FreeDelete {
  void operator()(std::byte* at) const { std::free(at); }
};

}  // namespace

const char* simCallName(SimCall call) {
  static const char* const kNames[kSimCalls] = {
      "stat",    "open",  "read",   "readDevice", "write",      "sync", "grow",
      "reserve", "punch", "rename", "remove",     "syncFolder", "list"};
  return kNames[static_cast<size_t>(call)];
}

// One file's bytes. `cache` is what the program sees; `device` holds the device's content of those
// sectors where it differs, or may differ, from the cache.
struct SimDisk::Inode {
  explicit Inode(const SimDiskOptions& options)
      : storage(static_cast<std::byte*>(std::calloc(options.file_bytes_max + kViewAlign, 1))),
        cache(storage.get() + (kViewAlign - addressOf(storage.get()) % kViewAlign) % kViewAlign),
        sector_bytes(options.sector_bytes),
        used(options.file_bytes_max / options.sector_bytes, false) {
    RVE_ASSERT(storage != nullptr);
  }

  std::byte* at(uint32_t sector) const { return cache + uint64_t{sector} * sector_bytes; }

  // Where the device's content of a sector lies.
  std::byte* deviceAt(uint32_t sector) {
    const auto found = device.find(sector);
    return found == device.end() ? at(sector) : device_bytes.data() + found->second;
  }

  // Keeps the device's content of a sector before the cache changes.
  void keepDevice(uint32_t sector) {
    if (!device.try_emplace(sector, device_bytes.size()).second) return;
    device_bytes.insert(device_bytes.end(), at(sector), at(sector) + sector_bytes);
  }

  void setUsed(uint32_t sector, bool value) {
    if (used[sector] == value) return;
    used[sector] = value;
    used_count += value ? 1 : -1;
  }

  std::unique_ptr<std::byte, FreeDelete> storage;
  std::byte* cache;
  uint32_t sector_bytes;
  uint64_t size = 0, durable_size = 0;
  std::unordered_map<uint32_t, size_t> device;
  std::vector<std::byte> device_bytes;
  std::vector<bool> used;  // sectors that take space (holes do not)
  int64_t used_count = 0;
  uint64_t durable_hash = 0;
  int readers = 0;
  bool writer = false;
};

class SimFile final : public File {
 public:
  SimFile(SimDisk* disk, uint32_t inode, bool write) : disk_(disk), inode_(inode), write_(write) {
    if (write_) node().writer = true;
    else ++node().readers;
  }
  ~SimFile() override { unlock(); }
  void unlock() override {
    if (unlocked_) return;
    unlocked_ = true;
    if (write_) node().writer = false;
    else --node().readers;
  }

  Status read(uint64_t offset, MutableBytes out) override {
    Status status;
    if (!disk_->fails(SimCall::kRead, &status)) {
      status = inside(offset, out.size());
      if (status.ok() && !out.empty()) std::memcpy(out.data(), node().cache + offset, out.size());
    }
    return disk_->note(SimCall::kRead, offset, out.size(), status);
  }

  void prefetch(uint64_t, uint64_t bytes) override { disk_->prefetched_bytes_ += bytes; }

  Status readDevice(uint64_t offset, MutableBytes out) override {
    Status status;
    if (disk_->fails(SimCall::kReadDevice, &status)) {
      return disk_->note(SimCall::kReadDevice, offset, out.size(), status);
    }
    status = inside(offset, out.size());
    if (status.ok()) readThrough(offset, out);
    return disk_->note(SimCall::kReadDevice, offset, out.size(), status);
  }

  Status write(uint64_t offset, Bytes in) override {
    Status status;
    if (!write_) {
      status = Status(Code::kReadOnly);
    } else if (disk_->fails(SimCall::kWrite, &status)) {
      if (status.code() == Code::kIo && inside(offset, in.size()).ok()) {
        disk_->writeSectors(inode_, offset, in, disk_->rng_.below(in.size() + 1));
      }
    } else {
      status = inside(offset, in.size());
      if (status.ok()) {
        disk_->writeSectors(inode_, offset, in, in.size());
        disk_->bytes_written_ += in.size();
      }
    }
    return disk_->note(SimCall::kWrite, offset, in.size(), status);
  }

  Status sync() override {
    Status status;
    disk_->finishSync(inode_, !disk_->fails(SimCall::kSync, &status));
    return disk_->note(SimCall::kSync, 0, 0, status);
  }

  Status grow(uint64_t bytes) override {
    Status status;
    if (!disk_->fails(SimCall::kGrow, &status)) {
      const uint64_t sectors = divideUp(bytes, disk_->options_.sector_bytes);
      const uint64_t old_sectors = divideUp(node().size, disk_->options_.sector_bytes);
      const uint64_t more = sectors > old_sectors ? sectors - old_sectors : 0;
      if (bytes > disk_->options_.file_bytes_max ||
          disk_->usedBytes() + more * disk_->options_.sector_bytes >
              disk_->options_.device_bytes_max) {
        status = Status(Code::kNoSpace, "the simulated device is full");
      } else if (bytes > node().size) {
        for (uint64_t s = old_sectors; s < sectors; ++s) {
          node().setUsed(static_cast<uint32_t>(s), true);
        }
        node().size = bytes;
      }
    }
    return disk_->note(SimCall::kGrow, 0, bytes, status);
  }

  Status reserve(uint64_t offset, uint64_t bytes) override {
    Status status;
    if (!disk_->fails(SimCall::kReserve, &status)) {
      status = inside(offset, bytes);
      const uint32_t sector_bytes = disk_->options_.sector_bytes;
      const uint64_t end = divideUp(offset + bytes, sector_bytes);
      for (uint64_t s = offset / sector_bytes; status.ok() && s < end; ++s) {
        if (node().used[s]) continue;
        if (disk_->usedBytes() + sector_bytes > disk_->options_.device_bytes_max) {
          status = Status(Code::kNoSpace, "the simulated device is full");
        } else {
          node().setUsed(static_cast<uint32_t>(s), true);
        }
      }
    }
    return disk_->note(SimCall::kReserve, offset, bytes, status);
  }

  Status punch(uint64_t offset, uint64_t bytes) override {
    Status status;
    if (!disk_->fails(SimCall::kPunch, &status)) {
      status = inside(offset, bytes);
      if (status.ok() && bytes > 0) {
        const std::vector<std::byte> zeros(bytes);
        disk_->writeSectors(inode_, offset, zeros, bytes);
        const uint32_t sector_bytes = disk_->options_.sector_bytes;
        const uint64_t end = (offset + bytes) / sector_bytes;
        for (uint64_t s = divideUp(offset, sector_bytes); s < end; ++s) {
          node().setUsed(static_cast<uint32_t>(s), false);
        }
      }
    }
    return disk_->note(SimCall::kPunch, offset, bytes, status);
  }

  uint64_t size() const override { return node().size; }
  uint64_t allocatedBytes() const override {
    return static_cast<uint64_t>(node().used_count) * disk_->options_.sector_bytes;
  }
  const std::byte* view() const override { return node().cache; }
  uint64_t viewFaults() const override { return 0; }

 private:
  SimDisk::Inode& node() const { return *disk_->inodes_[inode_]; }

  Status inside(uint64_t offset, uint64_t bytes) const {
    if (offset > node().size || bytes > node().size - offset) return Status(Code::kTruncated);
    return {};
  }

  // A direct read writes dirty pages back first, so pending sectors show their new content; what a
  // failed sync lost shows what the device holds.
  void readThrough(uint64_t offset, MutableBytes out) {
    std::memcpy(out.data(), node().cache + offset, out.size());
    const uint32_t sector_bytes = disk_->options_.sector_bytes;
    for (const auto& [sector, at] : node().device) {
      const uint64_t begin = uint64_t{sector} * sector_bytes;
      if (begin + sector_bytes <= offset || begin >= offset + out.size()) continue;
      const bool dirty = std::any_of(
          disk_->pending_.begin(), disk_->pending_.end(),
          [&, s = sector](const PendingSector& p) { return p.inode == inode_ && p.sector == s; });
      if (dirty) continue;
      const uint64_t from = std::max(begin, offset);
      const uint64_t to = std::min(begin + sector_bytes, offset + out.size());
      std::memcpy(out.data() + (from - offset), node().device_bytes.data() + at + (from - begin),
                  to - from);
    }
  }

  SimDisk* disk_;
  uint32_t inode_;
  bool write_;
  bool unlocked_ = false;
};

SimDisk::SimDisk(const SimDiskOptions& options, uint64_t seed) : options_(options), rng_(seed) {
  RVE_ASSERT(options.sector_bytes > 0 && options.file_bytes_max % options.sector_bytes == 0);
}
SimDisk::~SimDisk() = default;

SimDisk::Inode& SimDisk::inodeOf(const std::string& path) const {
  const auto found = names_.find(path);
  RVE_ASSERT(found != names_.end());
  return *inodes_[found->second];
}

uint64_t SimDisk::sectorHash(uint32_t inode, uint32_t sector, const std::byte* bytes) const {
  uint64_t hash = (uint64_t{inode} << 32 | sector) * 0x9e3779b97f4a7c15ull + 1;
  const Bytes content(bytes, options_.sector_bytes);
  for (size_t at = 0; at + 8 <= content.size(); at += 8) {
    hash = (hash ^ load<uint64_t>(content, at)) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 32;
  }
  return hash;
}

uint64_t SimDisk::usedBytes() const {
  int64_t sectors = 0;
  for (const auto& [name, inode] : names_) sectors += inodes_[inode]->used_count;
  return static_cast<uint64_t>(sectors) * options_.sector_bytes;
}

bool SimDisk::fails(SimCall call, Status* status) {
  ++counts_[static_cast<size_t>(call)];
  if (!fault_planned_ || call != fault_call_) return false;
  if (fault_left_ > 0) {
    --fault_left_;
    return false;
  }
  if (!fault_sticky_) fault_planned_ = false;
  failed_ = true;
  *status = Status(fault_code_, std::string("simulated failure of ") + simCallName(call));
  return true;
}

Status SimDisk::note(SimCall call, uint64_t offset, uint64_t bytes, Status status) {
  if (trace_.size() < kTraceOps) trace_.resize(kTraceOps);
  const bool dull = status.ok() && (call == SimCall::kRead || call == SimCall::kReadDevice);
  if (!dull) trace_[traced_++ % kTraceOps] = {call, offset, bytes, status.code()};
  switch (call) {
    case SimCall::kWrite: case SimCall::kSync: case SimCall::kGrow: case SimCall::kReserve:
    case SimCall::kPunch: case SimCall::kRename: case SimCall::kRemove: case SimCall::kSyncFolder:
      ++changes_;
      if (after_change && !in_hook_) {
        in_hook_ = true;
        after_change(call);
        in_hook_ = false;
      }
      break;
    default: break;
  }
  return status;
}

std::string SimDisk::trace() const {
  std::string text;
  const uint64_t begin = traced_ > kTraceOps ? traced_ - kTraceOps : 0;
  for (uint64_t i = begin; i < traced_; ++i) {
    const SimOp& op = trace_[i % kTraceOps];
    text += "  " + std::to_string(i) + ' ' + simCallName(op.call) + " at " +
            std::to_string(op.offset) + " + " + std::to_string(op.bytes) + ' ' +
            codeName(op.result) + '\n';
  }
  return text;
}

void SimDisk::failAt(SimCall call, uint64_t nth, Code code, bool sticky) {
  fault_planned_ = true;
  fault_call_ = call;
  fault_left_ = nth;
  fault_code_ = code;
  fault_sticky_ = sticky;
  failed_ = false;
}

void SimDisk::failNever() { fault_planned_ = false; }

void SimDisk::forgetFault() { fault_planned_ = failed_ = false; }

// --- names ---

Status SimDisk::stat(const std::string& path, DiskStat* out) {
  Status status;
  *out = {};
  if (!fails(SimCall::kStat, &status)) {
    const auto found = names_.find(path);
    if (found != names_.end()) *out = {true, true, inodes_[found->second]->size};
  }
  return note(SimCall::kStat, 0, 0, status);
}

Status SimDisk::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  Status status;
  if (fails(SimCall::kOpen, &status)) return note(SimCall::kOpen, 0, 0, status);
  auto found = names_.find(path);
  if (mode == OpenMode::kCreateExclusive) {
    if (found != names_.end()) return note(SimCall::kOpen, 0, 0, Status(Code::kBusy, "exists"));
    inodes_.push_back(std::make_unique<Inode>(options_));
    found = names_.emplace(path, static_cast<uint32_t>(inodes_.size() - 1)).first;
    pending_names_.push_back({SimCall::kOpen, path, "", found->second});
  }
  if (found == names_.end()) return note(SimCall::kOpen, 0, 0, Status(Code::kNotFound));
  const Inode& inode = *inodes_[found->second];
  const bool write = mode != OpenMode::kReadOnly;
  if (inode.writer || (write && inode.readers > 0)) {
    return note(SimCall::kOpen, 0, 0, Status(Code::kBusy, "locked"));
  }
  *out = std::make_unique<SimFile>(this, found->second, write);
  return note(SimCall::kOpen, 0, 0, {});
}

Status SimDisk::renameNoReplace(const std::string& from, const std::string& to) {
  Status status;
  if (!fails(SimCall::kRename, &status)) {
    const auto found = names_.find(from);
    if (found == names_.end()) {
      status = Status(Code::kNotFound);
    } else if (names_.count(to) != 0) {
      status = Status(Code::kBusy);
    } else {
      pending_names_.push_back({SimCall::kRename, from, to, found->second});
      names_[to] = found->second;
      names_.erase(from);
    }
  }
  return note(SimCall::kRename, 0, 0, status);
}

Status SimDisk::remove(const std::string& path) {
  Status status;
  if (!fails(SimCall::kRemove, &status)) {
    const auto found = names_.find(path);
    if (found == names_.end()) {
      status = Status(Code::kNotFound);
    } else {
      pending_names_.push_back({SimCall::kRemove, path, "", found->second});
      names_.erase(found);
    }
  }
  return note(SimCall::kRemove, 0, 0, status);
}

Status SimDisk::syncFolder(const std::string&) {
  Status status;
  if (!fails(SimCall::kSyncFolder, &status)) {
    durable_names_ = names_;
    pending_names_.clear();
  }
  return note(SimCall::kSyncFolder, 0, 0, status);
}

Status SimDisk::list(const std::string& path, const std::string& prefix,
                     std::vector<std::string>* out) {
  Status status;
  out->clear();
  if (!fails(SimCall::kList, &status)) {
    const std::string folder = folderOf(path);
    for (const auto& [name, inode] : names_) {
      if (folderOf(name) == folder && name.compare(folder.size(), prefix.size(), prefix) == 0) {
        out->push_back(name.substr(folder.size()));
      }
    }
  }
  return note(SimCall::kList, 0, 0, status);
}

// --- bytes ---

void SimDisk::writeSectors(uint32_t inode, uint64_t offset, Bytes in, uint64_t bytes) {
  if (bytes == 0) return;
  Inode& node = *inodes_[inode];
  const uint32_t sector_bytes = options_.sector_bytes;
  const auto first = static_cast<uint32_t>(offset / sector_bytes);
  const auto last = static_cast<uint32_t>((offset + bytes - 1) / sector_bytes);
  for (uint32_t s = first; s <= last; ++s) {
    node.keepDevice(s);
    node.setUsed(s, true);
  }
  std::memcpy(node.cache + offset, in.data(), bytes);
  for (uint32_t s = first; s <= last; ++s) {
    pending_.push_back({inode, s, writes_});
    pending_at_.push_back({pending_bytes_.size()});
    pending_bytes_.insert(pending_bytes_.end(), node.at(s), node.at(s) + sector_bytes);
  }
  ++writes_;
}

// Makes `bytes` the device's content of a sector. The cache keeps what it shows.
void SimDisk::settleSector(uint32_t inode, uint32_t sector, const std::byte* bytes) {
  Inode& node = *inodes_[inode];
  std::byte* held = node.deviceAt(sector);
  node.durable_hash ^= sectorHash(inode, sector, held) ^ sectorHash(inode, sector, bytes);
  std::memmove(held, bytes, options_.sector_bytes);
}

void SimDisk::finishSync(uint32_t inode, bool ok) {
  Inode& node = *inodes_[inode];
  size_t kept = 0;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i].inode != inode) {
      pending_[kept] = pending_[i];
      pending_at_[kept++] = pending_at_[i];
      continue;
    }
    if (ok || rng_.chance(50)) {
      settleSector(inode, pending_[i].sector, pending_bytes_.data() + pending_at_[i].at);
    }
  }
  pending_.resize(kept);
  pending_at_.resize(kept);
  if (kept == 0) pending_bytes_.clear();
  if (ok) node.durable_size = node.size;
  for (auto it = node.device.begin(); it != node.device.end();) {
    const bool same = std::memcmp(node.device_bytes.data() + it->second, node.at(it->first),
                                  options_.sector_bytes) == 0;
    it = same ? node.device.erase(it) : std::next(it);
  }
  if (node.device.empty()) node.device_bytes.clear();
}

bool SimDisk::pendingSizes() const {
  return std::any_of(inodes_.begin(), inodes_.end(),
                     [](const auto& inode) { return inode->size != inode->durable_size; });
}

uint64_t SimDisk::lostSectors() const {
  uint64_t lost = 0;
  for (uint32_t i = 0; i < inodes_.size(); ++i) {
    for (const auto& [sector, at] : inodes_[i]->device) {
      lost += std::none_of(
          pending_.begin(), pending_.end(),
          [&, s = sector](const PendingSector& p) { return p.inode == i && p.sector == s; });
    }
  }
  return lost;
}

uint64_t SimDisk::durableHash() const {
  uint64_t hash = 0;
  for (const auto& [name, inode] : durable_names_) {
    uint64_t h =
        inodes_[inode]->durable_hash ^ (inodes_[inode]->durable_size * 0x9e3779b97f4a7c15ull);
    for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
    hash ^= h;
  }
  return hash;
}

// --- crash ---

void SimDisk::copyFrom(const SimDisk& other) {
  RVE_ASSERT(options_.sector_bytes == other.options_.sector_bytes &&
             options_.file_bytes_max == other.options_.file_bytes_max);
  while (inodes_.size() < other.inodes_.size()) {
    inodes_.push_back(std::make_unique<Inode>(options_));
  }
  for (size_t i = 0; i < inodes_.size(); ++i) {
    Inode& to = *inodes_[i];
    RVE_ASSERT(!to.writer && to.readers == 0);
    const uint64_t size = i < other.inodes_.size() ? other.inodes_[i]->size : 0;
    if (to.size > size) std::memset(to.cache + size, 0, to.size - size);
    if (i >= other.inodes_.size()) continue;
    const Inode& from = *other.inodes_[i];
    std::memcpy(to.cache, from.cache, size);
    to.size = size;
    to.durable_size = from.durable_size;
    to.device = from.device;
    to.device_bytes = from.device_bytes;
    to.used = from.used;
    to.used_count = from.used_count;
    to.durable_hash = from.durable_hash;
  }
  inodes_.resize(other.inodes_.size());
  names_ = other.names_;
  durable_names_ = other.durable_names_;
  pending_names_ = other.pending_names_;
  pending_ = other.pending_;
  pending_at_ = other.pending_at_;
  pending_bytes_ = other.pending_bytes_;
  writes_ = other.writes_;
  rng_ = other.rng_;
  forgetFault();
}

void SimDisk::applyFate(const PendingSector& pending, const std::byte* fresh, Fate fate) {
  const uint32_t bytes = options_.sector_bytes;
  std::vector<std::byte> content(fresh, fresh + bytes);
  const std::byte* held = inodes_[pending.inode]->deviceAt(pending.sector);
  switch (fate) {
    case Fate::kLost: return;
    case Fate::kApplied: break;
    case Fate::kFirstHalf:
      std::memcpy(content.data() + bytes / 2, held + bytes / 2, bytes / 2);
      break;
    case Fate::kSecondHalf: std::memcpy(content.data(), held, bytes / 2); break;
    case Fate::kZeroed: std::fill(content.begin(), content.end(), std::byte{0}); break;
    case Fate::kGarbage:
      for (std::byte& b : content) b ^= static_cast<std::byte>(1 + rng_.below(255));
      break;
  }
  settleSector(pending.inode, pending.sector, content.data());
}

void SimDisk::cutPower(const CrashChoice& choice) {
  for (size_t i = 0; i < pending_.size() && i < choice.sectors.size(); ++i) {
    applyFate(pending_[i], pending_bytes_.data() + pending_at_[i].at, choice.sectors[i]);
  }
  pending_.clear();
  pending_at_.clear();
  pending_bytes_.clear();
  for (auto& inode : inodes_) {
    RVE_ASSERT(!inode->writer && inode->readers == 0);
    for (const auto& [sector, at] : inode->device) {
      std::memcpy(inode->at(sector), inode->device_bytes.data() + at, options_.sector_bytes);
    }
    inode->device.clear();
    inode->device_bytes.clear();
    if (choice.sizes) inode->durable_size = inode->size;
    if (inode->size > inode->durable_size) {
      const uint64_t begin = inode->durable_size;
      std::memset(inode->cache + begin, 0, inode->size - begin);
      inode->size = begin;
    }
  }
  for (uint32_t i = 0; i < choice.names && i < pending_names_.size(); ++i) {
    const NameChange& change = pending_names_[i];
    if (change.call != SimCall::kOpen) durable_names_.erase(change.from);
    if (change.call == SimCall::kOpen) durable_names_[change.from] = change.inode;
    if (change.call == SimCall::kRename) durable_names_[change.to] = change.inode;
  }
  pending_names_.clear();
  names_ = durable_names_;
}

// --- rot ---

bool SimDisk::exists(const std::string& path) const { return names_.count(path) != 0; }
uint64_t SimDisk::fileBytes(const std::string& path) const { return inodeOf(path).size; }
Bytes SimDisk::peek(const std::string& path) const {
  const Inode& inode = inodeOf(path);
  return {inode.cache, inode.size};
}

void SimDisk::poke(const std::string& path, uint64_t offset, Bytes bytes) {
  Inode& inode = inodeOf(path);
  RVE_ASSERT(offset <= inode.size && bytes.size() <= inode.size - offset);
  std::memcpy(inode.cache + offset, bytes.data(), bytes.size());
  for (const auto& [sector, at] : inode.device) {
    const uint64_t begin = uint64_t{sector} * options_.sector_bytes;
    for (uint64_t i = 0; i < options_.sector_bytes; ++i) {
      const uint64_t place = begin + i;
      if (place >= offset && place < offset + bytes.size()) {
        inode.device_bytes[at + i] = bytes[place - offset];
      }
    }
  }
}

void SimDisk::truncate(const std::string& path, uint64_t bytes) {
  Inode& inode = inodeOf(path);
  RVE_ASSERT(bytes <= inode.size);
  std::memset(inode.cache + bytes, 0, inode.size - bytes);
  inode.size = inode.durable_size = bytes;
}

}  // namespace rve::test
