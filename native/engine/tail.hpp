// The tail: vectors not yet sealed. Their bytes stand in the log and are read through the view;
// here are their 1-bit codes and what a filter needs, in blocks that readers share.
#pragma once
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "codecs/binary.hpp"
#include "storage/manifest.hpp"
#include "storage/put_batch.hpp"
#include "storage/space.hpp"

namespace rve {

// Up to so many live rows exact distances cost less than codes and their re-ranking, and no code is
// read.
inline constexpr uint32_t kExactRows = 1024;

inline constexpr uint64_t kAlive = ~uint64_t{0};

// 1,024 rows. The committer appends; readers look only at rows below the end of their Version.
struct TailBlock {
  static constexpr uint32_t kRows = 1024;

  TailBlock(uint64_t ordinal, std::shared_ptr<const BinaryCodec> code);

  uint64_t first_ordinal;
  std::shared_ptr<const BinaryCodec> codec;
  std::array<uint64_t, kRows> ids;
  std::array<int64_t, kRows> times;
  std::array<uint64_t, kRows> vector_at;   // file offset of the row's first value
  std::array<uint64_t, kRows> record_at;   // file offset of its record
  std::array<uint64_t, kRows> payload_at;  // file offset; meaningful if payload_bytes > 0
  std::array<uint32_t, kRows> payload_bytes;
  std::array<uint32_t, kRows> sources;
  std::array<uint32_t, kRows> labels;
  std::array<float, kRows> norms;
  std::array<Dtype, kRows> dtypes;
  std::array<std::atomic<uint64_t>, kRows> dead_lsn;  // kAlive, or the group that ended the row
  std::vector<std::byte> code_storage;
  std::byte* codes;                  // 64-byte aligned in code_storage

  // Log runs that the rows stand in. The committer adds; the seal copies.
  void pinRun(const RunPin& run);
  std::vector<RunPin> pinnedRuns() const;

 private:
  mutable std::mutex pins_mutex_;
  std::vector<RunPin> pins_;
};

using TailBlocks = std::vector<std::shared_ptr<TailBlock>>;

// Where a row of the tail stands in a list of blocks.
struct TailRow {
  TailBlock* block;
  uint32_t at;
};

// Requires: ordinal lies in one of the blocks.
TailRow tailRow(const TailBlocks& blocks, uint64_t ordinal);

// A group that put rows and is not sealed.
struct UnsealedGroup {
  TailGroup group;
  uint64_t first_ordinal = 0;
};

// The writer's side. Used by the committer alone, but for `find`, which takes the index lock.
class Tail {
 public:
  // Adds a row (no code yet); returns its ordinal.
  uint64_t append(const PutView& put, uint32_t row, uint64_t record_at, const RunPin& run,
                  std::shared_ptr<const BinaryCodec> codec);
  void beginGroup(const TailGroup& group);
  // Forgets rows below `lsn`, which a segment holds now.
  void sealUpTo(uint64_t lsn);

  uint64_t first() const { return first_; }
  uint64_t end() const { return end_; }
  uint64_t rows() const { return end_ - first_; }
  uint64_t deadCount() const { return dead_; }
  void countDead() { dead_++; }
  const std::deque<UnsealedGroup>& groups() const { return groups_; }
  // Replaced, never changed, when a block comes or goes.
  std::shared_ptr<const TailBlocks> blocks() const { return blocks_; }
  // Ordinal of the live row with this id, or kAlive.
  uint64_t find(uint64_t id) const;
  void erase(uint64_t id);

 private:
  std::shared_ptr<const TailBlocks> blocks_ = std::make_shared<TailBlocks>();
  std::deque<UnsealedGroup> groups_;
  uint64_t first_ = 0, end_ = 0, dead_ = 0;
  mutable std::mutex index_mutex_;
  std::unordered_map<uint64_t, uint64_t> index_;
};

}  // namespace rve
