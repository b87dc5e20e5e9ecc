// Every bound of the product, named once. runtime/limits takes its numbers from here through the
// binding.
#pragma once
#include <cstdint>

namespace rve {

inline constexpr uint32_t kDimensionsMax = 4096;  // One row must fit a group with room to spare.
// Safe in a JS number, packs with 16 spare bits.
inline constexpr uint64_t kIdMax = (1ull << 48) - 1;
// Larger objects belong in a file of their own. One byte above 64 KiB: the JavaScript door puts a
// kind in front.
inline constexpr uint32_t kPayloadBytesMax = 64 * 1024 + 1;
inline constexpr uint32_t kNameBytesMax = 256;           // A source or label name, UTF-8.
inline constexpr uint32_t kSourcesMax = 4096;
inline constexpr uint32_t kLabelsMax = 65536;
// One sync window; bounds what a crash may tear.
inline constexpr uint32_t kGroupBytesMax = 1024 * 1024;
// One call's rows (per row: vector, payload, names, and 28 bytes) that a crash leaves whole or not
// at all.
inline constexpr uint32_t kAtomicBytes = 1024 * 1024 - 4096;
inline constexpr uint32_t kKMax = 1024;                  // Results of one query.
inline constexpr uint32_t kEfMax = 4096;                 // Candidate list of one graph search.
inline constexpr uint64_t kQueueBytesMax = 32u << 20;    // Inserts accepted and not yet in a group.
inline constexpr uint32_t kTailRowsMax = 65536;          // Read and coded again at a cold start.
inline constexpr uint32_t kTailGroupsMax = 4096;         // Entries of the tail directory.
// Beyond it inserts run at the linker's speed.
inline constexpr uint32_t kUnlinkedRowsMax = 786432;
inline constexpr uint32_t kReaderSlotsMax = 64;          // Threads that may query at one time.

}  // namespace rve
