// PUT_BATCH records (FORMAT.md 7.1): rows of one source. Written by the committer straight into a
// group, read in place through the view: the log's matrix is the hot tier at first.
#pragma once
#include "storage/group.hpp"

namespace rve {

// Flags in the record header.
enum : uint16_t {
  kPutIdsConsecutive = 1,  // one id is stored; row i has id + i
  kPutSequence = 2,        // source, boot and sequence are a dedupe key
  kPutLabelPerRow = 4,
  kPutTimePerRow = 8,
  // Cosine: rows are unit vectors, norms stand apart.
  kPutPayloads = 16, kPutNorms = 32,
};
inline constexpr uint16_t kPutFlagsKnown = 63;

enum class Dtype : uint8_t { kF32 = 1, kF16 = 2 };
inline uint32_t dtypeBytes(Dtype dtype) { return dtype == Dtype::kF32 ? 4 : 2; }

// What a record needs to be laid out. Offsets are relative to the record's start.
struct PutShape {
  uint32_t count = 0;
  uint32_t dims = 0;
  Dtype dtype = Dtype::kF32;
  uint16_t flags = 0;
  uint32_t payload_bytes = 0;
};

struct PutLayout {
  uint32_t ids_at = 0, times_at = 0, labels_at = 0, norms_at = 0, matrix_at = 0;
  uint32_t payload_ends_at = 0, payload_at = 0;
  uint32_t record_bytes = 0;
};

inline constexpr uint32_t kPutFixedBytes = 48;  // body fields before the arrays

// `record_at` is the record's offset in its group: the matrix is aligned to 64 bytes in the file,
// so the padding before it depends on where the record starts.
PutLayout layoutPut(const PutShape& shape, uint32_t record_at);
// An upper bound of record_bytes over all positions.
uint64_t putBytesMax(const PutShape& shape);

// A checked view of one PUT_BATCH.
struct PutView {
  RecordHeader header;
  PutShape shape;
  PutLayout at;
  uint32_t source = 0, boot = 0, label = 0;
  uint64_t sequence = 0;
  Bytes record;

  uint64_t idOf(uint32_t row) const;
  int64_t timeOf(uint32_t row) const;
  uint32_t labelOf(uint32_t row) const;
  float normOf(uint32_t row) const;
  // Begin and end of a row's payload, relative to the record; equal: no payload.
  void payloadOf(uint32_t row, uint32_t* begin, uint32_t* end) const;
};

// Writes the fixed body fields. `body` is what GroupBuilder::begin returned.
void encodePutFixed(const PutShape& shape, const PutLayout& at, uint32_t source, uint32_t boot,
                    uint32_t label, uint64_t sequence, MutableBytes body);
// Checks every count and offset against the record before anything is used.
Status decodePut(Bytes record, uint32_t record_at, uint32_t dims, PutView* out);

}  // namespace rve
