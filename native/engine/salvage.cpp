#include "engine/salvage.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace rve {
namespace {

// Chunk sizes at which the identity's copy is looked for when the first block is damaged (2^9 to
// 2^24).
constexpr uint32_t kChunkLogMin = 9, kChunkLogMax = 24;
constexpr uint32_t kPageLogMin = 8, kPageLogMax = 16;
// The last bytes of a manifest may be zero: an empty list is one, a mark's bitmap up to 128 and a
// few more.
constexpr size_t kManifestZerosMax = 256;

// Tries every page size: the checksum, over the whole page, says which one is meant.
bool decodeIdentityAt(File& file, uint64_t offset, Identity* out, Status* why) {
  for (uint32_t log = kPageLogMin; log <= kPageLogMax; log++) {
    std::vector<std::byte> page(size_t{1} << log);
    if (file.size() < offset + page.size() || !file.read(offset, page).ok()) return false;
    Identity found;
    const Status status = decodeIdentity(page, &found);
    if (status.ok() && found.page_bytes == page.size()) {
      *out = found;
      return true;
    }
    if (why->ok() || status.code() == Code::kVersion) *why = status;
  }
  return false;
}

}  // namespace

Status readAnyIdentity(File& file, Identity* out) {
  Status why;
  if (decodeIdentityAt(file, 0, out, &why)) return {};
  Status ignored;
  const Layout usual;
  if (decodeIdentityAt(file, identityOffset(usual, 1), out, &ignored)) return {};
  for (uint32_t log = kChunkLogMin; log <= kChunkLogMax; log++) {
    Layout layout;
    layout.chunk_bytes = 1u << log;
    const bool found = decodeIdentityAt(file, identityOffset(layout, 1), out, &ignored);
    if (found && out->chunk_bytes == layout.chunk_bytes) return {};
  }
  return why.ok() ? Status(Code::kNotAStore, "the file is too short") : why;
}

Status layoutOf(const Identity& identity, Layout* out) {
  *out = Layout();
  out->page_bytes = identity.page_bytes;
  out->chunk_bytes = identity.chunk_bytes;
  out->group_bytes_max = identity.record_bytes_max;
  if (!layoutIsSane(*out) || out->group_bytes_max > (64u << 20)) {
    return Status(Code::kVersion, "its layout is not one that this version opens");
  }
  return {};
}

Status SalvageScan::open(Disk& disk, const std::string& path, std::unique_ptr<SalvageScan>* out) {
  auto scan = std::make_unique<SalvageScan>();
  // Exclusive, although nothing is written: no writer may work on what is about to be replaced.
  RVE_TRY(disk.open(path, OpenMode::kReadWrite, &scan->file_));
  scan->bytes_ = scan->file_->size();
  RVE_TRY(scan->readIdentity(path));
  scan->readRunHeaders();
  std::vector<bool> covered(static_cast<size_t>(scan->bytes_ / scan->layout_.page_bytes) + 1);
  for (const RunHeader& run : scan->logs_) scan->readLogRun(run, &covered);
  scan->readStrayGroups(covered);
  *out = std::move(scan);
  return {};
}

Status SalvageScan::readIdentity(const std::string& path) {
  Status status = readAnyIdentity(*file_, &identity_);
  if (status.ok()) status = layoutOf(identity_, &layout_);
  if (!status.ok()) return Status(status.code(), path + ": " + status.message());
  chunk_count_ = chunkCountOf(layout_, bytes_);
  // What the slots say of the size that the file had; bounded by what a file may have.
  const uint32_t most = chunkCountOf(layout_, layout_.file_bytes_max);
  slots_ = readSlots(*file_, layout_, identity_.uuid, most);
  for (const Root& root : slots_) {
    chunk_count_ = std::max(chunk_count_, std::min(root.slot.chunk_count, most));
  }
  return {};
}

void SalvageScan::readRunHeaders() {
  for (uint32_t chunk = 1; isInside(chunkOffset(layout_, chunk), layout_.page_bytes); chunk++) {
    const Bytes page = bytesAt(chunkOffset(layout_, chunk), layout_.page_bytes);
    RunHeader header;
    if (!decodeRunHeader(page, identity_.uuid, chunk, &header).ok()) continue;
    if (!runIsInside(header.own, chunk_count_)) continue;
    std::vector<RunHeader>& list = header.kind == RunKind::kLog     ? logs_
                                   : header.kind == RunKind::kParts ? parts_
                                                                    : manifests_;
    list.push_back(header);
  }
  const auto bySequence = [](const RunHeader& a, const RunHeader& b) {
    return a.sequence < b.sequence;
  };
  for (auto* list : {&logs_, &parts_, &manifests_}) {
    std::stable_sort(list->begin(), list->end(), bySequence);
  }
}

// Groups of a log run: each stands where its LSN says. What a recycled run left behind does not.
void SalvageScan::readLogRun(const RunHeader& run, std::vector<bool>* covered) {
  const uint64_t from = runOffset(layout_, run.own);
  const uint64_t end = std::min(runBytes(layout_, run.own), bytes_ - from);
  for (uint64_t at = layout_.page_bytes; at + layout_.page_bytes <= end;) {
    FoundGroup group;
    group.offset = from + at;
    group.placed = true;
    const uint64_t room = std::min<uint64_t>(end - at, layout_.group_bytes_max);
    const bool found = decodeGroupHeader(bytesAt(from + at, layout_.page_bytes), layout_, room,
                                         &group.header).ok() &&
                       group.header.lsn == run.first_lsn + (at - layout_.page_bytes);
    const uint64_t length = found ? group.header.length : layout_.page_bytes;
    if (found) {
      groups_.emplace(group.header.lsn, group);
      for (uint64_t page = 0; page < length; page += layout_.page_bytes) {
        (*covered)[static_cast<size_t>((from + at + page) / layout_.page_bytes)] = true;
      }
    }
    at += length;
  }
}

// Groups of a log run whose header is gone. Only a link from its predecessor makes one of them
// count.
void SalvageScan::readStrayGroups(const std::vector<bool>& covered) {
  const uint32_t page_bytes = layout_.page_bytes;
  for (uint64_t at = chunkOffset(layout_, 1); isInside(at, page_bytes);) {
    FoundGroup group;
    group.offset = at;
    const uint64_t room = std::min<uint64_t>(bytes_ - at, layout_.group_bytes_max);
    const bool found =
        !covered[static_cast<size_t>(at / page_bytes)] &&
        decodeGroupHeader(bytesAt(at, page_bytes), layout_, room, &group.header).ok() &&
        bodyIsIntact(group);
    if (found) groups_.emplace(group.header.lsn, group);
    at += found ? group.header.length : page_bytes;
  }
}

bool SalvageScan::bodyIsIntact(const FoundGroup& group) const {
  if (!isInside(group.offset, group.header.length)) return false;
  const Bytes bytes = bytesAt(group.offset, group.header.length);
  return crc32c(bytes.subspan(kGroupHeaderBytes)) == group.header.body_crc;
}

bool SalvageScan::findManifest(Root* root, Symbols* symbols, SourceMarks* marks,
                               bool* verified) const {
  for (const Root& candidate : slots_) {
    *root = candidate;
    const uint64_t at = runOffset(layout_, root->slot.manifest);
    if (!isInside(at, uint64_t{layout_.page_bytes} + root->slot.manifest_bytes)) continue;
    *verified = true;
    if (readManifest(*file_, layout_, identity_.uuid, chunk_count_, root, symbols, marks).ok()) {
      return true;
    }
  }
  for (size_t i = manifests_.size(); i > 0; i--) {
    *verified = false;
    if (decodeUnverified(manifests_[i - 1], root, symbols, marks)) return true;
  }
  return false;
}

// Its length and checksum stood in the slot. The form gives the length: it ends exactly where its
// lists end.
bool SalvageScan::decodeUnverified(const RunHeader& run, Root* root, Symbols* symbols,
                                   SourceMarks* marks) const {
  const uint64_t from = runOffset(layout_, run.own) + layout_.page_bytes;
  if (from >= bytes_) return false;
  const uint64_t room = std::min(runBytes(layout_, run.own) - layout_.page_bytes, bytes_ - from);
  const Bytes bytes = bytesAt(from, room);
  size_t shortest = bytes.size();
  while (shortest > 0 && bytes[shortest - 1] == std::byte{0}) shortest--;
  const size_t longest = std::min(bytes.size(), shortest + kManifestZerosMax);
  for (size_t length = shortest; length <= longest; length++) {
    *root = Root();
    const Status decoded = decodeManifest(bytes.first(length), layout_, chunk_count_,
                                          &root->manifest, symbols, marks);
    if (!decoded.ok()) continue;
    root->slot.generation = run.sequence;
    root->slot.epoch = run.epoch;
    root->slot.manifest_lsn = root->manifest.lsn;
    root->slot.next_id = root->manifest.next_id;
    return logIsKnownAt(root->manifest.lsn);
  }
  return false;
}

// A manifest that has outlived its log says nothing about the present.
bool SalvageScan::logIsKnownAt(uint64_t lsn) const {
  if (lsn == 0 || groups_.contains(lsn)) return true;
  const auto after = groups_.upper_bound(lsn);
  if (after == groups_.begin()) return false;
  const FoundGroup& before = std::prev(after)->second;
  return before.header.lsn + before.header.length == lsn;
}

LogChain SalvageScan::chainFrom(uint64_t lsn, uint32_t epoch, const uint32_t* first_crc) const {
  LogChain chain;
  bool linked = first_crc != nullptr;
  uint32_t previous_crc = linked ? *first_crc : 0;
  for (;;) {
    const FoundGroup* next = nullptr;
    const auto [first, last] = groups_.equal_range(lsn);
    for (auto it = first; it != last; ++it) {
      const GroupHeader& h = it->second.header;
      const bool fits = linked ? h.previous_crc == previous_crc : it->second.placed;
      if (!fits || h.epoch < epoch) continue;
      if (next == nullptr || h.epoch > next->header.epoch) next = &it->second;
    }
    if (next == nullptr) {
      for (auto it = last; it != groups_.end() && next == nullptr; ++it) {
        const GroupHeader& h = it->second.header;
        if (it->second.placed && h.epoch >= epoch && h.durable_lsn > lsn) next = &it->second;
      }
      if (next == nullptr) return chain;
      chain.holes.push_back({lsn, next->header.lsn});
    }
    chain.groups.push_back(*next);
    lsn = next->header.lsn + next->header.length;
    epoch = next->header.epoch;
    previous_crc = next->header.header_crc;
    linked = true;
  }
}

uint64_t SalvageScan::newestChainStart() const {
  if (logs_.empty()) return 0;
  size_t first = logs_.size() - 1;
  while (first > 0 && logs_[first - 1].sequence + 1 == logs_[first].sequence) first--;
  return logs_[first].first_lsn;
}

std::map<uint64_t, SegmentEntry> SalvageScan::segmentsByParts() const {
  std::map<uint64_t, SegmentEntry> found;
  for (const RunHeader& run : parts_) {
    const uint64_t from = runOffset(layout_, run.own);
    const uint64_t end = std::min(runBytes(layout_, run.own), bytes_ - from);
    for (uint64_t page = 1; (page + 1) * layout_.page_bytes <= end;) {
      PartPeek peek;
      const uint64_t at = page * layout_.page_bytes;
      if (!peekPart(bytesAt(from + at, end - at), layout_, identity_.uuid, &peek)) break;
      if (peek.segment_id != run.sequence) break;
      SegmentEntry& entry = found[run.sequence];
      if (entry.rows == 0) entry.rows = peek.rows;
      peek.entry.run = run.own;
      peek.entry.page = static_cast<uint32_t>(page);
      if (peek.rows == entry.rows && entry.part(peek.entry.kind) == nullptr) {
        entry.parts.push_back(peek.entry);
      }
      page += peek.entry.pages;
    }
  }
  for (auto& [id, entry] : found) {
    entry.id = id;
    entry.id_max = kIdMax;
  }
  std::erase_if(found, [](const auto& item) {
    return item.second.part(PartKind::kBase) == nullptr ||
           item.second.part(PartKind::kVectors) == nullptr;
  });
  return found;
}

}  // namespace rve
