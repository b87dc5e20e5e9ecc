#include "storage/slot.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace rve {
namespace {

enum : size_t {
  kMagicAt = 0,
  kMajorAt = 8,
  kMinorAt = 10,
  kCrcAt = 12,
  kUuidAt = 16,
  kGenerationAt = 32,
  kReplayAt = 40,
  kManifestLsnAt = 48,
  kDurableAt = 56,
  kScanChunkAt = 64,
  kManifestChunkAt = 68,
  kManifestBytesAt = 72,
  kManifestCrcAt = 76,
  kEpochAt = 80,
  kScanChunksAt = 84,
  kNextIdAt = 88,
  kLogicalAt = 96,
  kWallAt = 104,
  kBootAt = 112,
  kRoCompatAt = 136,
  kIncompatAt = 144,
  kFlagsAt = 152,
  kChunkCountAt = 156,
  kManifestChunksAt = 160,
  kPreviousCrcAt = 164,
  kLastGroupCrcAt = 168,
  kEndAt = 172,  // zero from here on
};

uint32_t pageCrc(Bytes page) {
  const uint32_t zero = 0;
  uint32_t crc = crc32c(page.first(kCrcAt));
  crc = crc32c(bytesOf(&zero, 1), crc);
  return crc32c(page.subspan(kCrcAt + 4), crc);
}

}  // namespace

void encodeSlot(const Slot& slot, const Uuid& uuid, MutableBytes page) {
  std::fill(page.begin(), page.end(), std::byte{0});
  store(page, kMagicAt, kSlotMagic);
  store(page, kMajorAt, kFormatMajor);
  store(page, kMinorAt, kFormatMinor);
  store(page, kUuidAt, uuid);
  store(page, kGenerationAt, slot.generation);
  store(page, kReplayAt, slot.replay_lsn);
  store(page, kManifestLsnAt, slot.manifest_lsn);
  store(page, kDurableAt, slot.durable_lsn);
  store(page, kScanChunkAt, slot.scan.first_chunk);
  store(page, kManifestChunkAt, slot.manifest.first_chunk);
  store(page, kManifestBytesAt, slot.manifest_bytes);
  store(page, kManifestCrcAt, slot.manifest_crc);
  store(page, kEpochAt, slot.epoch);
  store(page, kScanChunksAt, slot.scan.chunks);
  store(page, kNextIdAt, slot.next_id);
  store(page, kLogicalAt, slot.logical_ms);
  store(page, kWallAt, slot.wall_ms);
  store(page, kBootAt, slot.boot);
  store(page, kRoCompatAt, slot.feature_ro_compat);
  store(page, kIncompatAt, slot.feature_incompat);
  store(page, kFlagsAt, slot.flags);
  store(page, kChunkCountAt, slot.chunk_count);
  store(page, kManifestChunksAt, slot.manifest.chunks);
  store(page, kPreviousCrcAt, slot.previous_slot_crc);
  store(page, kLastGroupCrcAt, slot.last_group_crc);
  store(page, kCrcAt, pageCrc(page));
}

Status decodeSlot(Bytes page, const Uuid& uuid, Slot* out) {
  const uint32_t crc = load<uint32_t>(page, kCrcAt);
  if (load<uint64_t>(page, kMagicAt) != kSlotMagic || crc != pageCrc(page) ||
      load<Uuid>(page, kUuidAt) != uuid) {
    return Status(Code::kCorrupt, "a slot fails its checksum");
  }
  if (!allZero(page.subspan(kEndAt))) {
    return Status(Code::kCorrupt, "a slot has impossible values");
  }
  out->own_crc = crc;
  out->generation = load<uint64_t>(page, kGenerationAt);
  out->replay_lsn = load<uint64_t>(page, kReplayAt);
  out->manifest_lsn = load<uint64_t>(page, kManifestLsnAt);
  out->durable_lsn = load<uint64_t>(page, kDurableAt);
  out->scan = {load<uint32_t>(page, kScanChunkAt), load<uint32_t>(page, kScanChunksAt)};
  out->manifest = {load<uint32_t>(page, kManifestChunkAt), load<uint32_t>(page, kManifestChunksAt)};
  out->manifest_bytes = load<uint32_t>(page, kManifestBytesAt);
  out->manifest_crc = load<uint32_t>(page, kManifestCrcAt);
  out->epoch = load<uint32_t>(page, kEpochAt);
  out->next_id = load<uint64_t>(page, kNextIdAt);
  out->logical_ms = load<uint64_t>(page, kLogicalAt);
  out->wall_ms = load<int64_t>(page, kWallAt);
  out->boot = load<BootId>(page, kBootAt);
  out->feature_ro_compat = load<uint64_t>(page, kRoCompatAt);
  out->feature_incompat = load<uint64_t>(page, kIncompatAt);
  out->flags = load<uint32_t>(page, kFlagsAt);
  out->chunk_count = load<uint32_t>(page, kChunkCountAt);
  out->previous_slot_crc = load<uint32_t>(page, kPreviousCrcAt);
  out->last_group_crc = load<uint32_t>(page, kLastGroupCrcAt);
  return {};
}

}  // namespace rve
