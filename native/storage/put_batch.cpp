#include "storage/put_batch.hpp"

namespace rve {
namespace {

// Offsets in the body, which starts 32 bytes into the record.
enum : size_t {
  kCountAt = 0,
  kDimsAt = 4,
  kDtypeAt = 8,
  kReservedAt = 9,
  kSourceAt = 12,
  kBootAt = 16,
  kLabelAt = 20,
  kSequenceAt = 24,
  kMatrixAt = 32,
  // Zero from here to kPutFixedBytes.
  kPayloadAt = 36, kFixedEndAt = 40,
};

}  // namespace

PutLayout layoutPut(const PutShape& s, uint32_t record_at) {
  PutLayout at;
  uint32_t next = static_cast<uint32_t>(kRecordHeaderBytes) + kPutFixedBytes;
  at.ids_at = next;
  next += (s.flags & kPutIdsConsecutive) != 0 ? 8 : 8 * s.count;
  at.times_at = next;
  next += (s.flags & kPutTimePerRow) != 0 ? 8 * s.count : 0;
  at.labels_at = next;
  next += (s.flags & kPutLabelPerRow) != 0 ? 4 * s.count : 0;
  at.norms_at = next;
  next += (s.flags & kPutNorms) != 0 ? 4 * s.count : 0;
  at.matrix_at = static_cast<uint32_t>(roundUp(uint64_t{record_at} + next, 64)) - record_at;
  next = at.matrix_at + s.count * s.dims * dtypeBytes(s.dtype);
  next = static_cast<uint32_t>(roundUp(next, 4));
  at.payload_ends_at = next;
  if ((s.flags & kPutPayloads) != 0) next += 4 * s.count;
  at.payload_at = next;
  next += s.payload_bytes;
  at.record_bytes = static_cast<uint32_t>(roundUp(next, 8));
  return at;
}

uint64_t putBytesMax(const PutShape& s) {
  const uint64_t per_row = 8 + 8 + 4 + 4 + 4 + uint64_t{s.dims} * dtypeBytes(s.dtype);
  return kRecordHeaderBytes + kPutFixedBytes + 64 + 16 + per_row * s.count + s.payload_bytes;
}

void encodePutFixed(const PutShape& s, const PutLayout& at, uint32_t source, uint32_t boot,
                    uint32_t label, uint64_t sequence, MutableBytes body) {
  store(body, kCountAt, s.count);
  store(body, kDimsAt, s.dims);
  store(body, kDtypeAt, static_cast<uint8_t>(s.dtype));
  store(body, kSourceAt, source);
  store(body, kBootAt, boot);
  store(body, kLabelAt, label);
  store(body, kSequenceAt, sequence);
  store(body, kMatrixAt, at.matrix_at);
  store(body, kPayloadAt, at.payload_at);
}

Status decodePut(Bytes record, uint32_t record_at, uint32_t dims, PutView* out) {
  const Status bad(Code::kCorrupt, "a PUT_BATCH record has impossible values");
  RVE_TRY(decodeRecordHeader(record, &out->header));
  if (record.size() < kRecordHeaderBytes + kPutFixedBytes) return bad;
  const Bytes body = record.subspan(kRecordHeaderBytes);
  out->record = record;
  PutShape& s = out->shape;
  s.flags = out->header.flags;
  s.count = load<uint32_t>(body, kCountAt);
  s.dims = load<uint32_t>(body, kDimsAt);
  const uint8_t dtype = load<uint8_t>(body, kDtypeAt);
  out->source = load<uint32_t>(body, kSourceAt);
  out->boot = load<uint32_t>(body, kBootAt);
  out->label = load<uint32_t>(body, kLabelAt);
  out->sequence = load<uint64_t>(body, kSequenceAt);
  const bool fine = s.count >= 1 && s.count <= record.size() && s.dims == dims &&
                    (dtype == 1 || dtype == 2) && (s.flags & ~kPutFlagsKnown) == 0 &&
                    allZero(body.subspan(kReservedAt, 3)) &&
                    allZero(body.subspan(kFixedEndAt, kPutFixedBytes - kFixedEndAt));
  if (!fine) return bad;
  s.dtype = static_cast<Dtype>(dtype);
  s.payload_bytes = 0;
  if (putBytesMax(s) - 64 - 16 - 28ull * s.count > record.size()) return bad;
  out->at = layoutPut(s, record_at);
  if (out->at.matrix_at != load<uint32_t>(body, kMatrixAt) ||
      out->at.payload_at != load<uint32_t>(body, kPayloadAt) ||
      out->at.record_bytes > record.size()) {
    return bad;
  }
  if ((s.flags & kPutPayloads) != 0) {
    uint32_t before = 0;
    for (uint32_t row = 0; row < s.count; row++) {
      const uint32_t end = load<uint32_t>(record, out->at.payload_ends_at + 4ull * row);
      if (end < before || end > record.size() - out->at.payload_at) return bad;
      before = end;
    }
    s.payload_bytes = before;
  }
  for (uint32_t row = 0; row < s.count; row++) {
    if (out->idOf(row) > kIdMax) return bad;
  }
  return {};
}

uint64_t PutView::idOf(uint32_t row) const {
  if ((shape.flags & kPutIdsConsecutive) != 0) return load<uint64_t>(record, at.ids_at) + row;
  return load<uint64_t>(record, at.ids_at + 8ull * row);
}

int64_t PutView::timeOf(uint32_t row) const {
  if ((shape.flags & kPutTimePerRow) == 0) return header.time_ms;
  return load<int64_t>(record, at.times_at + 8ull * row);
}

uint32_t PutView::labelOf(uint32_t row) const {
  if ((shape.flags & kPutLabelPerRow) == 0) return label;
  return load<uint32_t>(record, at.labels_at + 4ull * row);
}

float PutView::normOf(uint32_t row) const {
  if ((shape.flags & kPutNorms) == 0) return 1.0f;
  return load<float>(record, at.norms_at + 4ull * row);
}

void PutView::payloadOf(uint32_t row, uint32_t* begin, uint32_t* end) const {
  *begin = *end = 0;
  if ((shape.flags & kPutPayloads) == 0) return;
  const uint32_t from =
      row == 0 ? 0 : load<uint32_t>(record, at.payload_ends_at + 4ull * (row - 1));
  *begin = at.payload_at + from;
  *end = at.payload_at + load<uint32_t>(record, at.payload_ends_at + 4ull * row);
}

}  // namespace rve
