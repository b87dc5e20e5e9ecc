// Superblock slots (FORMAT.md 4): the two roots that alternate, each with a copy. A slot names a
// manifest that was synced before it (R4), and where in the log recovery goes on from there.
#pragma once
#include "storage/identity.hpp"

namespace rve {

inline constexpr uint64_t kSlotMagic = 0x544F4C5345564552ull;  // "REVESLOT"

struct Slot {
  uint64_t generation = 0;      // grows by one per checkpoint; the larger valid one counts
  uint64_t replay_lsn = 0;      // oldest unsealed PUT: the log is kept from here
  uint64_t manifest_lsn = 0;    // every edit below is in the manifest
  uint64_t durable_lsn = 0;
  Run scan;  // log run that holds manifest_lsn, or whose successor starts with it
  Run manifest;
  uint32_t manifest_bytes = 0;
  uint32_t manifest_crc = 0;
  uint32_t epoch = 0;
  uint64_t next_id = 0;
  uint64_t logical_ms = 0;
  int64_t wall_ms = 0;
  BootId boot;
  uint64_t feature_ro_compat = 0;
  uint64_t feature_incompat = 0;
  uint32_t flags = 0;           // kSlotClean
  uint32_t chunk_count = 0;
  // Header crc of the group that ends at manifest_lsn; 0 before the first.
  uint32_t last_group_crc = 0;
  uint32_t previous_slot_crc = 0;
  uint32_t own_crc = 0;         // set by decode
};

inline constexpr uint32_t kSlotClean = 1;  // written by close(); information only

void encodeSlot(const Slot& slot, const Uuid& uuid, MutableBytes page);
// kCorrupt unless checksum, identity and magic hold. Run bounds are checked by the caller, who
// knows the file.
Status decodeSlot(Bytes page, const Uuid& uuid, Slot* out);

}  // namespace rve
