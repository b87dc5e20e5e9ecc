// What can still be found in a damaged store, without trusting any root: run headers, log groups,
// parts and manifests identify and check themselves, so a scan of the file finds them wherever they
// stand.
#pragma once
#include <map>

#include "storage/part_peek.hpp"
#include "storage/recovery.hpp"

namespace rve {

struct FoundGroup {
  GroupHeader header;
  uint64_t offset = 0;
  bool placed = false;  // stands in a log run at the place that its LSN names; else only its link
                        // vouches for it
};

// A part of the log in order, from one LSN on.
struct LogChain {
  std::vector<FoundGroup> groups;
  std::vector<Hole> holes;  // missing, although a later group proves that it was durable
};

// A damaged store, opened for reading under the exclusive lock. Cost: one look at each page of the
// file.
class SalvageScan {
 public:
  // kNotAStore, kVersion or kCorrupt if neither copy of the identity can be read: nothing says then
  // how many dimensions a vector has.
  static Status open(Disk& disk, const std::string& path, std::unique_ptr<SalvageScan>* out);

  const Layout& layout() const { return layout_; }
  const Identity& identity() const { return identity_; }
  File& file() const { return *file_; }
  // Chunks that the store may have had: a truncated file has fewer, yet what names them must still
  // decode.
  uint32_t chunkCount() const { return chunk_count_; }
  const std::vector<RunHeader>& logRuns() const { return logs_; }
  const std::vector<Root>& slots() const { return slots_; }
  // True if the bytes lie inside the file as it is.
  bool isInside(uint64_t offset, uint64_t bytes) const {
    return offset <= bytes_ && bytes <= bytes_ - offset;
  }
  Bytes bytesAt(uint64_t offset, uint64_t bytes) const {
    return {file_->view() + offset, static_cast<size_t>(bytes)};
  }
  bool bodyIsIntact(const FoundGroup& group) const;

  // The newest manifest that a slot vouches for, else the newest one found whose log can be
  // followed.
  bool findManifest(Root* root, Symbols* symbols, SourceMarks* marks, bool* verified) const;
  // Groups from `lsn` on. Follows links (R8); jumps only to a group that says that what is missing
  // was durable. `previous_crc`: what the first one must link to, where a slot tells (null: it must
  // stand in a log run).
  LogChain chainFrom(uint64_t lsn, uint32_t epoch, const uint32_t* previous_crc) const;
  // First LSN of the newest log runs that follow one another without a gap.
  uint64_t newestChainStart() const;
  // All intact groups, by LSN; several lives may have used one LSN.
  const std::multimap<uint64_t, FoundGroup>& groups() const { return groups_; }
  // Segments whose base and vectors were found by their part headers, by id.
  std::map<uint64_t, SegmentEntry> segmentsByParts() const;

 private:
  Status readIdentity(const std::string& path);
  void readRunHeaders();
  void readLogRun(const RunHeader& run, std::vector<bool>* covered);
  void readStrayGroups(const std::vector<bool>& covered);
  bool decodeUnverified(const RunHeader& run, Root* root, Symbols* symbols,
                        SourceMarks* marks) const;
  bool logIsKnownAt(uint64_t lsn) const;

  std::unique_ptr<File> file_;
  uint64_t bytes_ = 0;
  uint32_t chunk_count_ = 0;
  Layout layout_;
  Identity identity_;
  std::vector<Root> slots_;  // newest first
  std::vector<RunHeader> logs_, parts_, manifests_;
  std::multimap<uint64_t, FoundGroup> groups_;
};

// The layout and dimensions that a file's identity states, from whichever copy is whole.
Status readAnyIdentity(File& file, Identity* out);
// The layout that such an identity asks for; kVersion if it is none that could be opened.
Status layoutOf(const Identity& identity, Layout* out);

}  // namespace rve
