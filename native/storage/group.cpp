#include "storage/group.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace rve {
namespace {

enum : size_t {
  kMagicAt = 0,
  kHeaderCrcAt = 4,
  kBodyCrcAt = 8,
  kEpochAt = 12,
  kLsnAt = 16,
  kDurableAt = 24,
  kPreviousAt = 32,
  kLengthAt = 36,
  kRecordsAt = 40,
  kFlagsAt = 44,
  kLogicalAt = 48,
  kWallAt = 56,
};

enum : size_t {
  kRecordCrcAt = 0,
  kRecordLengthAt = 4,
  kRecordTypeAt = 8,
  kRecordVersionAt = 9,
  kRecordFlagsAt = 10,
  kRecordCollectionAt = 12,
  kRecordIdAt = 16,
  kRecordTimeAt = 24,
};

uint32_t headerCrc(Bytes group) {
  const uint32_t zero = 0;
  uint32_t crc = crc32c(group.first(kHeaderCrcAt));
  crc = crc32c(bytesOf(&zero, 1), crc);
  return crc32c(group.subspan(kHeaderCrcAt + 4, kGroupHeaderBytes - kHeaderCrcAt - 4), crc);
}

}  // namespace

void encodeGroupHeader(GroupHeader* header, MutableBytes group) {
  header->body_crc = crc32c(Bytes(group).subspan(kGroupHeaderBytes));
  store(group, kMagicAt, kGroupMagic);
  store(group, kBodyCrcAt, header->body_crc);
  store(group, kEpochAt, header->epoch);
  store(group, kLsnAt, header->lsn);
  store(group, kDurableAt, header->durable_lsn);
  store(group, kPreviousAt, header->previous_crc);
  store(group, kLengthAt, header->length);
  store(group, kRecordsAt, header->records);
  store(group, kFlagsAt, header->flags);
  store(group, kLogicalAt, header->logical_ms);
  store(group, kWallAt, header->wall_ms);
  header->header_crc = headerCrc(group);
  store(group, kHeaderCrcAt, header->header_crc);
}

Status decodeGroupHeader(Bytes page, const Layout& layout, uint64_t room, GroupHeader* out) {
  if (page.size() < kGroupHeaderBytes || load<uint32_t>(page, kMagicAt) != kGroupMagic ||
      load<uint32_t>(page, kHeaderCrcAt) != headerCrc(page)) {
    return Status(Code::kCorrupt);
  }
  out->header_crc = load<uint32_t>(page, kHeaderCrcAt);
  out->body_crc = load<uint32_t>(page, kBodyCrcAt);
  out->epoch = load<uint32_t>(page, kEpochAt);
  out->lsn = load<uint64_t>(page, kLsnAt);
  out->durable_lsn = load<uint64_t>(page, kDurableAt);
  out->previous_crc = load<uint32_t>(page, kPreviousAt);
  out->length = load<uint32_t>(page, kLengthAt);
  out->records = load<uint32_t>(page, kRecordsAt);
  out->flags = load<uint32_t>(page, kFlagsAt);
  out->logical_ms = load<uint64_t>(page, kLogicalAt);
  out->wall_ms = load<int64_t>(page, kWallAt);
  if (out->length == 0 || out->length % layout.page_bytes != 0 || out->length > room) {
    return Status(Code::kCorrupt);
  }
  return {};
}

GroupBuilder::GroupBuilder(const Layout& layout) : layout_(layout) {
  buffer_.resize(layout.group_bytes_max);
}

void GroupBuilder::reset() {
  used_ = kGroupHeaderBytes;
  records_ = 0;
}

uint32_t GroupBuilder::paddedWith(uint32_t more) const {
  const uint64_t bytes = roundUp(uint64_t{used_} + more, layout_.page_bytes);
  return bytes > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(bytes);
}

MutableBytes GroupBuilder::begin(const RecordHeader& header, uint32_t body_bytes,
                                 uint32_t* record_at) {
  const uint32_t length = recordBytes(body_bytes);
  RVE_ASSERT(fits(length) && open_length_ == 0);
  MutableBytes record(buffer_.data() + used_, length);
  std::fill(record.begin(), record.end(), std::byte{0});
  store(record, kRecordLengthAt, length);
  store(record, kRecordTypeAt, static_cast<uint8_t>(header.type));
  store(record, kRecordVersionAt, uint8_t{1});
  store(record, kRecordFlagsAt, header.flags);
  store(record, kRecordCollectionAt, header.collection);
  store(record, kRecordIdAt, header.id);
  store(record, kRecordTimeAt, header.time_ms);
  *record_at = used_;
  open_at_ = used_;
  open_length_ = length;
  return record.subspan(kRecordHeaderBytes, body_bytes);
}

void GroupBuilder::end() {
  RVE_ASSERT(open_length_ != 0);
  MutableBytes record(buffer_.data() + open_at_, open_length_);
  store(record, kRecordCrcAt, crc32c(Bytes(record).subspan(4)));
  used_ += open_length_;
  open_length_ = 0;
  records_++;
}

Bytes GroupBuilder::seal(GroupHeader* header) {
  RVE_ASSERT(open_length_ == 0);
  header->length = paddedWith(0);
  header->records = records_;
  std::fill(buffer_.begin() + used_, buffer_.begin() + header->length, std::byte{0});
  MutableBytes group(buffer_.data(), header->length);
  encodeGroupHeader(header, group);
  return group;
}

bool RecordIterator::next(RecordHeader* header, Bytes* record, uint32_t* record_at,
                          Status* status) {
  if (at_ + kRecordHeaderBytes > group_.size()) return false;
  if (load<uint32_t>(group_, at_ + kRecordLengthAt) == 0) return false;  // padding
  *status = decodeRecordHeader(group_.subspan(at_), header);
  if (!status->ok()) return false;
  *record = group_.subspan(at_, header->length);
  *record_at = static_cast<uint32_t>(at_);
  at_ += header->length;
  return true;
}

bool recordIsIntact(Bytes record) {
  return record.size() >= kRecordHeaderBytes &&
         load<uint32_t>(record, kRecordLengthAt) == record.size() &&
         load<uint32_t>(record, kRecordCrcAt) == crc32c(record.subspan(4));
}

Status decodeRecordHeader(Bytes record, RecordHeader* out) {
  if (record.size() < kRecordHeaderBytes) return Status(Code::kCorrupt, "a record is cut short");
  out->length = load<uint32_t>(record, kRecordLengthAt);
  out->type = static_cast<RecordType>(load<uint8_t>(record, kRecordTypeAt));
  out->flags = load<uint16_t>(record, kRecordFlagsAt);
  out->collection = load<uint32_t>(record, kRecordCollectionAt);
  out->id = load<uint64_t>(record, kRecordIdAt);
  out->time_ms = load<int64_t>(record, kRecordTimeAt);
  if (out->length < kRecordHeaderBytes || out->length % 8 != 0 || out->length > record.size()) {
    return Status(Code::kCorrupt, "a record has an impossible length");
  }
  const bool optional = (load<uint8_t>(record, kRecordTypeAt) & kRecordOptionalBit) != 0;
  if (load<uint8_t>(record, kRecordVersionAt) != 1 && !optional) {
    return Status(Code::kVersion, "a record has a version unknown to this program");
  }
  return {};
}

}  // namespace rve
