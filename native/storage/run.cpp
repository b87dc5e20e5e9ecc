#include "storage/run.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace rve {
namespace {

enum : size_t {
  kMagicAt = 0,
  kKindAt = 4,
  kVersionAt = 5,
  kReservedAt = 6,
  kCrcAt = 8,
  kOwnChunkAt = 12,
  kOwnChunksAt = 16,
  kNextChunkAt = 20,
  kSequenceAt = 24,
  kEpochAt = 32,
  kNextChunksAt = 36,
  kFirstLsnAt = 40,
  kUuidLowAt = 48,
};

uint64_t uuidLow(const Uuid& uuid) { return load<uint64_t>(bytesOf(uuid.data(), uuid.size()), 0); }

uint32_t headerCrc(Bytes page) {
  const uint32_t zero = 0;
  uint32_t crc = crc32c(page.first(kCrcAt));
  crc = crc32c(bytesOf(&zero, 1), crc);
  return crc32c(page.subspan(kCrcAt + 4, kRunHeaderBytes - kCrcAt - 4), crc);
}

}  // namespace

void encodeRunHeader(const RunHeader& header, const Uuid& uuid, MutableBytes page) {
  std::fill(page.begin(), page.end(), std::byte{0});
  store(page, kMagicAt, kRunMagic);
  store(page, kKindAt, static_cast<uint8_t>(header.kind));
  store(page, kVersionAt, uint8_t{1});
  store(page, kOwnChunkAt, header.own.first_chunk);
  store(page, kOwnChunksAt, header.own.chunks);
  store(page, kNextChunkAt, header.next.first_chunk);
  store(page, kSequenceAt, header.sequence);
  store(page, kEpochAt, header.epoch);
  store(page, kNextChunksAt, header.next.chunks);
  store(page, kFirstLsnAt, header.first_lsn);
  store(page, kUuidLowAt, uuidLow(uuid));
  store(page, kCrcAt, headerCrc(page));
}

Status decodeRunHeader(Bytes page, const Uuid& uuid, uint32_t own_chunk, RunHeader* out) {
  const uint8_t kind = load<uint8_t>(page, kKindAt);
  const bool valid = load<uint32_t>(page, kMagicAt) == kRunMagic &&
                     load<uint32_t>(page, kCrcAt) == headerCrc(page) &&
                     load<uint64_t>(page, kUuidLowAt) == uuidLow(uuid) &&
                     load<uint32_t>(page, kOwnChunkAt) == own_chunk && kind >= 1 && kind <= 3 &&
                     load<uint8_t>(page, kVersionAt) == 1 &&
                     load<uint16_t>(page, kReservedAt) == 0 &&
                     load<uint64_t>(page, kUuidLowAt + 8) == 0;
  if (!valid) return Status(Code::kCorrupt, "a run header fails its checksum");
  out->kind = static_cast<RunKind>(kind);
  out->own = {own_chunk, load<uint32_t>(page, kOwnChunksAt)};
  out->next = {load<uint32_t>(page, kNextChunkAt), load<uint32_t>(page, kNextChunksAt)};
  out->sequence = load<uint64_t>(page, kSequenceAt);
  out->epoch = load<uint32_t>(page, kEpochAt);
  out->first_lsn = load<uint64_t>(page, kFirstLsnAt);
  return {};
}

}  // namespace rve
