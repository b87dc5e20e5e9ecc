// Columns (FORMAT.md 11): 64-bit values packed by frame of reference in blocks of 256 rows
// (Goldstein et al., ICDE 1998): each block has its smallest value and a bit width. Consecutive ids
// cost one byte a row.
#pragma once
#include <vector>

#include "storage/part.hpp"

namespace rve {

inline constexpr uint32_t kColumnBlockRows = 256;

// The packed form of `values`.
std::vector<std::byte> encodeColumn(const std::vector<uint64_t>& values);

// Reads one column in place. A damaged page makes get() return false.
class ColumnView {
 public:
  ColumnView() = default;
  // kCorrupt if the sizes cannot hold `rows` values. An absent section reads as `absent`
  // everywhere.
  static Status open(const PartView* part, SectionKind kind, uint32_t rows, uint64_t absent,
                     ColumnView* out);
  [[nodiscard]] bool get(uint32_t row, uint64_t* out) const;
  uint32_t rows() const { return rows_; }

 private:
  const PartView* part_ = nullptr;
  Bytes bytes_;
  uint64_t offset_ = 0;
  uint32_t rows_ = 0;
  uint64_t absent_ = 0;
};

}  // namespace rve
