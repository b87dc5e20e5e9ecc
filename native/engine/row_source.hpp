// Rows to be written into a new segment, wherever they stand now: in the tail or in segments.
#pragma once
#include "engine/segment.hpp"
#include "engine/version.hpp"

namespace rve {

struct RowRef {
  uint32_t input = 0;  // 0: the tail; i: segments[i - 1] of the source
  uint32_t row = 0;    // tail: ordinal less the first one's
  Tier tier = Tier::kHot;  // where it goes, if the output is in tiers
};

struct RowData {
  uint64_t id = 0;
  int64_t time_ms = 0;
  uint32_t source = 0, label = 0;
  float norm = 1.0f;
  int64_t heat_moment = 0;  // engine/heat.hpp
  VectorRef vector;
  uint64_t vector_at = 0;  // file offset
  uint64_t record_at = 0;  // of its log record, or 0: a dense block
  Bytes payload;
};

// Keeps what it reads from alive. Thread-safe.
class RowSource {
 public:
  // now_ms: active time; rows of the tail count as arrived just now.
  RowSource(const std::byte* view, std::shared_ptr<const TailBlocks> blocks, uint64_t tail_first,
            Segments segments, uint64_t now_ms)
      : view_(view), blocks_(std::move(blocks)), tail_first_(tail_first),
        segments_(std::move(segments)), now_ms_(now_ms) {}

  // False if the row's bytes are damaged.
  [[nodiscard]] bool read(const RowRef& ref, RowData* out) const;
  // True if the row is dead by now.
  bool isDead(const RowRef& ref) const;
  uint64_t ordinalOf(const RowRef& ref) const { return tail_first_ + ref.row; }
  const Segments& segments() const { return segments_; }
  // Pins of the log run that holds the file offset; empty if none of the inputs has it.
  RunPin pinOf(uint64_t offset, const Layout& layout) const;

 private:
  const std::byte* view_;
  std::shared_ptr<const TailBlocks> blocks_;
  uint64_t tail_first_;
  Segments segments_;
  uint64_t now_ms_;
};

}  // namespace rve
