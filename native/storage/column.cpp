#include "storage/column.hpp"

#include <algorithm>
#include <bit>

namespace rve {
namespace {

// Block directory entry: base u64, byte offset of the packed values u32, bit width u32.
constexpr size_t kEntryBytes = 16;
constexpr size_t kTailPadBytes = 16;  // a packed value is read as two whole words

}  // namespace

std::vector<std::byte> encodeColumn(const std::vector<uint64_t>& values) {
  const size_t blocks = divideUp(values.size(), kColumnBlockRows);
  std::vector<std::byte> out(blocks * kEntryBytes);
  for (size_t b = 0; b < blocks; b++) {
    const size_t first = b * kColumnBlockRows;
    const size_t last = std::min(values.size(), first + kColumnBlockRows);
    const auto [low, high] =
        std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(first),
                            values.begin() + static_cast<std::ptrdiff_t>(last));
    const uint32_t width = static_cast<uint32_t>(std::bit_width(*high - *low));
    const uint64_t base = *low;
    const uint32_t at = static_cast<uint32_t>(out.size());
    store(MutableBytes(out), b * kEntryBytes, base);
    store(MutableBytes(out), b * kEntryBytes + 8, at);
    store(MutableBytes(out), b * kEntryBytes + 12, width);
    out.resize(out.size() + divideUp(uint64_t{width} * (last - first), 8));
    for (size_t i = first; i < last; i++) {
      uint64_t value = values[i] - base;
      uint64_t bit = uint64_t{width} * (i - first);
      for (uint32_t left = width; left > 0;) {
        const uint32_t shift = static_cast<uint32_t>(bit % 8);
        const uint32_t take = std::min(left, 8 - shift);
        const uint64_t part = value & ((uint64_t{1} << take) - 1);
        out[at + bit / 8] |= static_cast<std::byte>(part << shift);
        value = take == 64 ? 0 : value >> take;
        bit += take;
        left -= take;
      }
    }
  }
  out.resize(out.size() + kTailPadBytes);
  return out;
}

Status ColumnView::open(const PartView* part, SectionKind kind, uint32_t rows, uint64_t absent,
                        ColumnView* out) {
  out->part_ = part;
  out->bytes_ = part->section(kind);
  out->offset_ = part->offsetOf(kind);
  out->rows_ = rows;
  out->absent_ = absent;
  if (!part->has(kind)) return {};
  const uint64_t need = divideUp(rows, kColumnBlockRows) * kEntryBytes + kTailPadBytes;
  if (out->bytes_.size() < need) return Status(Code::kCorrupt, "a column is shorter than its rows");
  return {};
}

bool ColumnView::get(uint32_t row, uint64_t* out) const {
  if (bytes_.empty()) {
    *out = absent_;
    return true;
  }
  RVE_ASSERT(row < rows_);
  const size_t entry = size_t{row / kColumnBlockRows} * kEntryBytes;
  if (!part_->ensure(offset_ + entry, kEntryBytes)) return false;
  const uint64_t base = load<uint64_t>(bytes_, entry);
  const uint32_t at = load<uint32_t>(bytes_, entry + 8);
  const uint32_t width = load<uint32_t>(bytes_, entry + 12);
  if (width > 64) return false;
  const uint64_t bit = uint64_t{width} * (row % kColumnBlockRows);
  const uint64_t byte = at + bit / 8;
  const uint32_t shift = static_cast<uint32_t>(bit % 8);
  if (byte + kTailPadBytes > bytes_.size()) return false;
  if (!part_->ensure(offset_ + byte, kTailPadBytes)) return false;
  uint64_t value = load<uint64_t>(bytes_, static_cast<size_t>(byte)) >> shift;
  if (shift > 0 && shift + width > 64) {
    value |= load<uint64_t>(bytes_, static_cast<size_t>(byte) + 8) << (64 - shift);
  }
  if (width < 64) value &= (uint64_t{1} << width) - 1;
  *out = base + value;
  return true;
}

}  // namespace rve
