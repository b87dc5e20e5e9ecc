#include "storage/identity.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace rve {
namespace {

// Byte offsets of FORMAT.md 3.
enum : size_t {
  kMagicAt = 0,
  kMajorAt = 8,
  kMinorAt = 10,
  kCrcAt = 12,
  kUuidAt = 16,
  kCreatedAt = 32,
  kChunkLogAt = 40,
  kPageLogAt = 41,
  kCrcUnitLogAt = 42,
  kReservedAt = 43,
  kEndianAt = 44,
  kIncompatAt = 48,
  kRecordMaxAt = 56,
  kDimensionsAt = 60,
  kMetricAt = 64,
};
constexpr uint32_t kEndianTag = 0x01020304;

uint32_t pageCrc(Bytes page) {
  const uint32_t zero = 0;
  uint32_t crc = crc32c(page.first(kCrcAt));
  crc = crc32c(bytesOf(&zero, 1), crc);
  return crc32c(page.subspan(kCrcAt + 4), crc);
}

}  // namespace

bool layoutIsSane(const Layout& l) {
  const bool powers = std::has_single_bit(l.page_bytes) && std::has_single_bit(l.chunk_bytes);
  return powers && l.page_bytes >= 256 && l.page_bytes <= 65536 &&
         l.chunk_bytes >= 2 * l.page_bytes && l.chunk_bytes <= (1u << 24) &&
         l.group_bytes_max >= 4 * l.page_bytes && l.group_bytes_max % l.page_bytes == 0 &&
         l.log_run_chunks_min >= 1 && l.log_run_chunks_max >= l.log_run_chunks_min;
}

void encodeIdentity(const Identity& identity, MutableBytes page) {
  std::fill(page.begin(), page.end(), std::byte{0});
  store(page, kMagicAt, kIdentityMagic);
  store(page, kMajorAt, kFormatMajor);
  store(page, kMinorAt, kFormatMinor);
  store(page, kUuidAt, identity.uuid);
  store(page, kCreatedAt, identity.created_ms);
  store(page, kChunkLogAt, static_cast<uint8_t>(std::countr_zero(identity.chunk_bytes)));
  store(page, kPageLogAt, static_cast<uint8_t>(std::countr_zero(identity.page_bytes)));
  store(page, kCrcUnitLogAt, static_cast<uint8_t>(std::countr_zero(identity.page_bytes)));
  store(page, kEndianAt, kEndianTag);
  store(page, kIncompatAt, identity.feature_incompat);
  store(page, kRecordMaxAt, identity.record_bytes_max);
  store(page, kDimensionsAt, identity.dimensions);
  store(page, kMetricAt, static_cast<uint8_t>(identity.metric));
  store(page, kCrcAt, pageCrc(page));
}

Status decodeIdentity(Bytes page, Identity* out) {
  if (load<uint64_t>(page, kMagicAt) != kIdentityMagic) {
    return Status(Code::kNotAStore, "the first bytes are not those of a memory");
  }
  const uint16_t major = load<uint16_t>(page, kMajorAt);
  if (major > kFormatMajor) {
    return Status(Code::kVersion, "disk format " + std::to_string(major) + ", this version reads " +
                                      std::to_string(kFormatMajor));
  }
  if (load<uint32_t>(page, kCrcAt) != pageCrc(page)) {
    return Status(Code::kCorrupt, "the identity block fails its checksum");
  }
  out->uuid = load<Uuid>(page, kUuidAt);
  out->created_ms = load<int64_t>(page, kCreatedAt);
  const uint8_t chunk_log = load<uint8_t>(page, kChunkLogAt);
  const uint8_t page_log = load<uint8_t>(page, kPageLogAt);
  if (load<uint32_t>(page, kEndianAt) != kEndianTag || chunk_log > 24 || page_log > 16) {
    return Status(Code::kCorrupt, "the identity block has impossible values");
  }
  out->chunk_bytes = 1u << chunk_log;
  out->page_bytes = 1u << page_log;
  out->feature_incompat = load<uint64_t>(page, kIncompatAt);
  if ((out->feature_incompat & ~kFeaturesIncompat) != 0) {
    return Status(Code::kVersion, "the memory uses features unknown to this version");
  }
  out->record_bytes_max = load<uint32_t>(page, kRecordMaxAt);
  out->dimensions = load<uint32_t>(page, kDimensionsAt);
  const uint8_t metric = load<uint8_t>(page, kMetricAt);
  const bool fine = allZero(page.subspan(kMetricAt + 1)) && load<uint8_t>(page, kReservedAt) == 0 &&
                    out->dimensions >= 1 && out->dimensions <= kDimensionsMax && metric >= 1 &&
                    metric <= 3 && load<uint8_t>(page, kCrcUnitLogAt) == page_log;
  if (!fine) return Status(Code::kCorrupt, "the identity block has impossible values");
  out->metric = static_cast<Metric>(metric);
  return {};
}

}  // namespace rve
