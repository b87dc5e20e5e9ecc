#include "storage/part_peek.hpp"

#include "base/crc32c.hpp"

namespace rve {
namespace {

// FORMAT.md 10: the part header.
enum : size_t {
  kMagicAt = 0,
  kKindAt = 4,
  kCrcAt = 8,
  kUuidAt = 16,
  kSegmentAt = 32,
  kRowsAt = 40,
  kDataPagesAt = 48,
};
constexpr uint32_t kPartMagic = 0x54525052;  // "RPRT"

}  // namespace

bool peekPart(Bytes rest, const Layout& layout, const Uuid& uuid, PartPeek* out) {
  if (rest.size() < layout.page_bytes) return false;
  const Bytes header = rest.first(layout.page_bytes);
  if (load<uint32_t>(header, kMagicAt) != kPartMagic || load<Uuid>(header, kUuidAt) != uuid) {
    return false;
  }
  const uint32_t zero = 0;
  uint32_t crc = crc32c(header.first(kCrcAt));
  crc = crc32c(bytesOf(&zero, 1), crc);
  crc = crc32c(header.subspan(kCrcAt + 4), crc);
  if (crc != load<uint32_t>(header, kCrcAt)) return false;
  const uint8_t kind = load<uint8_t>(header, kKindAt);
  const uint64_t data_pages = load<uint32_t>(header, kDataPagesAt);
  const uint64_t table_pages = divideUp(data_pages * 4, layout.page_bytes);
  const uint64_t bytes = (data_pages + table_pages) * layout.page_bytes;
  if (kind < 1 || kind > kPartsMax || data_pages == 0 || bytes > rest.size()) return false;
  out->segment_id = load<uint64_t>(header, kSegmentAt);
  out->rows = load<uint32_t>(header, kRowsAt);
  out->entry.kind = static_cast<PartKind>(kind);
  out->entry.pages = static_cast<uint32_t>(data_pages + table_pages);
  out->entry.header_crc = crc;
  out->entry.table_crc = crc32c(rest.subspan(static_cast<size_t>(data_pages * layout.page_bytes),
                                             static_cast<size_t>(table_pages * layout.page_bytes)));
  return true;
}

}  // namespace rve
