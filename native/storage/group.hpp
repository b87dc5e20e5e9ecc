// Log groups (FORMAT.md 6): the unit of commit (R1). A group starts on a page and is a multiple of
// pages long; its header binds it to its place in the chain: epoch, LSN and the previous header's
// checksum (R8).
#pragma once
#include <vector>

#include "storage/identity.hpp"

namespace rve {

inline constexpr uint32_t kGroupMagic = 0x47455652;  // "RVEG"
inline constexpr size_t kGroupHeaderBytes = 64;
inline constexpr uint32_t kGroupFirstOfEpoch = 1;  // flag: may raise the epoch

struct GroupHeader {
  uint32_t header_crc = 0;    // set by encode and decode; the next group names it
  uint32_t body_crc = 0;      // of [64, length)
  uint32_t epoch = 0;
  uint64_t lsn = 0;           // position in the log as one growing byte count
  uint64_t durable_lsn = 0;   // everything below was synced when this was written (R3)
  uint32_t previous_crc = 0;
  uint32_t length = 0;
  uint32_t records = 0;
  uint32_t flags = 0;
  uint64_t logical_ms = 0;    // accumulated active time
  int64_t wall_ms = 0;
};

// Writes the header into the first 64 bytes of `group` after taking the checksum of its body.
void encodeGroupHeader(GroupHeader* header, MutableBytes group);
// kCorrupt unless magic, checksum and length hold (length: a positive multiple of the page, at most
// `room`).
Status decodeGroupHeader(Bytes page, const Layout& layout, uint64_t room, GroupHeader* out);

// Record types. The top bit marks those that a reader may skip by length when unknown.
enum class RecordType : uint8_t {
  kPutBatch = 1,
  kDelete = 2,
  kSymbol = 3,
  kSeal = 4,
  kReplace = 5,
  kParams = 6,
  kClockStep = 7,
  kNoop = 0x80,
  kOverlay = 0x81,
};
inline constexpr uint8_t kRecordOptionalBit = 0x80;
inline constexpr size_t kRecordHeaderBytes = 32;

struct RecordHeader {
  uint32_t length = 0;  // header and padding included; multiple of 8
  RecordType type = RecordType::kNoop;
  uint16_t flags = 0;
  uint32_t collection = 0;  // 0: the only one yet
  uint64_t id = 0;
  int64_t time_ms = 0;
};

// Collects records in one page-aligned buffer with room for the header. Reused: no allocation after
// the first.
class GroupBuilder {
 public:
  explicit GroupBuilder(const Layout& layout);
  void reset();
  bool empty() const { return records_ == 0; }
  uint32_t records() const { return records_; }
  uint32_t bytes() const { return used_; }  // unpadded, header included
  // Bytes that the group has on disk if `more` bytes of records are added.
  uint32_t paddedWith(uint32_t more) const;
  bool fits(uint32_t more) const { return paddedWith(more) <= layout_.group_bytes_max; }
  // Starts a record of exactly `body_bytes` (rounded up to 8 with zeros); returns its body, zeroed,
  // and its offset in the group. Requires fits(recordBytes(body_bytes)).
  MutableBytes begin(const RecordHeader& header, uint32_t body_bytes, uint32_t* record_at);
  // Takes the checksum of the record begun last. Must follow once its body is complete.
  void end();
  // Pads, fills the header (length and records are set here) and returns the whole group.
  Bytes seal(GroupHeader* header);
  // The group sealed last, until the next reset or begin.
  Bytes sealed(uint32_t length) const { return Bytes(buffer_).first(length); }

  static uint32_t recordBytes(uint32_t body_bytes) {
    return static_cast<uint32_t>(roundUp(kRecordHeaderBytes + uint64_t{body_bytes}, 8));
  }

 private:
  Layout layout_;
  std::vector<std::byte> buffer_;
  uint32_t used_ = kGroupHeaderBytes;
  uint32_t records_ = 0;
  uint32_t open_at_ = 0, open_length_ = 0;
};

// Walks the records of one group whose checksums hold. Offsets are relative to the group's start.
class RecordIterator {
 public:
  explicit RecordIterator(Bytes group) : group_(group) {}
  // False at the end. kCorrupt in *status if a length is impossible (a hostile file: checksums are
  // not security).
  bool next(RecordHeader* header, Bytes* record, uint32_t* record_at, Status* status);

 private:
  Bytes group_;
  size_t at_ = kGroupHeaderBytes;
};

// Verifies one record's own checksum; `record` starts at its header. Used for random reads of the
// log.
bool recordIsIntact(Bytes record);
// Reads a record header without its checksum; kCorrupt if the length does not fit.
Status decodeRecordHeader(Bytes record, RecordHeader* out);

}  // namespace rve
