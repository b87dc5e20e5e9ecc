// Groups, and the PUT_BATCH records in them.
#include "storage/edit.hpp"
#include "storage/put_batch.hpp"
#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

Layout tinyLayout() {
  Layout layout;
  layout.page_bytes = 512;
  layout.chunk_bytes = 4096;
  layout.group_bytes_max = 64 * 1024;
  return layout;
}

// One group of `count` NOOP records whose bodies are their number.
Bytes sealNoops(GroupBuilder* builder, uint32_t count, GroupHeader* header) {
  builder->reset();
  for (uint32_t i = 0; i < count; i++) {
    RecordHeader record;
    record.type = RecordType::kNoop;
    record.id = i;
    uint32_t at = 0;
    store(builder->begin(record, 4, &at), 0, i);
    builder->end();
  }
  return builder->seal(header);
}

TEST(a_group_gives_its_records_back_in_order) {
  GroupBuilder builder(tinyLayout());
  GroupHeader header;
  header.lsn = 4096;
  header.epoch = 3;
  header.durable_lsn = 512;
  header.previous_crc = 77;
  const Bytes group = sealNoops(&builder, 20, &header);
  CHECK_EQ(group.size() % 512, 0u);
  GroupHeader got;
  REQUIRE_OK(decodeGroupHeader(group, tinyLayout(), group.size(), &got));
  CHECK_EQ(got.lsn, 4096u);
  CHECK_EQ(got.epoch, 3u);
  CHECK_EQ(got.durable_lsn, 512u);
  CHECK_EQ(got.previous_crc, 77u);
  CHECK_EQ(got.records, 20u);
  CHECK_EQ(got.length, group.size());
  RecordIterator records(group);
  RecordHeader record;
  Bytes bytes;
  uint32_t at = 0, count = 0;
  Status status;
  while (records.next(&record, &bytes, &at, &status)) {
    CHECK(recordIsIntact(bytes));
    CHECK_EQ(record.id, count);
    CHECK_EQ(load<uint32_t>(bytes, kRecordHeaderBytes), count);
    count++;
  }
  CHECK_OK(status);
  CHECK_EQ(count, 20u);
}

TEST(every_flipped_bit_of_a_group_header_or_body_is_found) {
  const Layout layout = tinyLayout();
  GroupBuilder builder(layout);
  GroupHeader header;
  const Bytes sealed = sealNoops(&builder, 5, &header);
  std::vector<std::byte> group(sealed.begin(), sealed.end());
  uint32_t missed = 0;
  for (size_t bit = 0; bit < group.size() * 8; bit++) {
    group[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    GroupHeader got;
    bool found = !decodeGroupHeader(group, layout, group.size(), &got).ok();
    if (!found) {
      GroupHeader again = got;
      std::vector<std::byte> copy = group;
      encodeGroupHeader(&again, copy);
      found = again.body_crc != got.body_crc;
    }
    if (!found) missed++;
    group[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
  }
  CHECK_EQ(missed, 0u);
}

TEST(a_group_longer_than_its_room_is_refused) {
  GroupBuilder builder(tinyLayout());
  GroupHeader header, got;
  const Bytes group = sealNoops(&builder, 50, &header);
  REQUIRE(group.size() > 512);
  CHECK(!decodeGroupHeader(group, tinyLayout(), group.size() - 512, &got).ok());
  CHECK(!decodeGroupHeader(group.first(kGroupHeaderBytes - 1), tinyLayout(), 4096, &got).ok());
}

TEST(a_builder_takes_exactly_what_fits_its_group) {
  const Layout layout = tinyLayout();
  GroupBuilder builder(layout);
  builder.reset();
  const uint32_t all = layout.group_bytes_max - static_cast<uint32_t>(kGroupHeaderBytes);
  CHECK(builder.fits(all));
  CHECK(!builder.fits(all + 1));
  RecordHeader record;
  uint32_t at = 0;
  builder.begin(record, all - static_cast<uint32_t>(kRecordHeaderBytes), &at);
  builder.end();
  CHECK(!builder.fits(1));
  GroupHeader header;
  CHECK_EQ(builder.seal(&header).size(), layout.group_bytes_max);
}

TEST(hostile_record_lengths_end_the_walk_with_an_error) {
  GroupBuilder builder(tinyLayout());
  for (const uint32_t length : {1u, 8u, 24u, 31u, 33u, 0x7FFFFFF8u, 0xFFFFFFF8u, 0xFFFFFFFFu}) {
    GroupHeader header;
    const Bytes sealed = sealNoops(&builder, 2, &header);
    std::vector<std::byte> group(sealed.begin(), sealed.end());
    store(MutableBytes(group), kGroupHeaderBytes + 4, length);
    RecordIterator records(group);
    RecordHeader record;
    Bytes bytes;
    uint32_t at = 0;
    Status status;
    CHECK(!records.next(&record, &bytes, &at, &status));
    CHECK_EQ(status.code(), Code::kCorrupt);
  }
}

// Fills a PUT_BATCH with known values; `record_before` shifts it so that the matrix needs other
// padding.
struct Put {
  Put(uint16_t flags, uint32_t count, uint32_t dims, Dtype dtype, uint32_t shift)
      : builder(tinyLayout()) {
    builder.reset();
    uint32_t record_at = 0;
    if (shift > 0) {
      builder.begin(RecordHeader(), shift, &record_at);
      builder.end();
    }
    shape.count = count;
    shape.dims = dims;
    shape.dtype = dtype;
    shape.flags = flags;
    if ((flags & kPutPayloads) != 0) shape.payload_bytes = 3 * (count / 2);
    at = layoutPut(shape, builder.bytes());
    RecordHeader header;
    header.type = RecordType::kPutBatch;
    header.flags = flags;
    header.time_ms = 500;
    const size_t skip = kRecordHeaderBytes;
    const MutableBytes body =
        builder.begin(header, at.record_bytes - static_cast<uint32_t>(skip), &record_at);
    encodePutFixed(shape, at, 4, 5, 6, 7, body);
    if ((flags & kPutIdsConsecutive) != 0) store(body, at.ids_at - skip, uint64_t{100});
    for (uint32_t i = 0; i < count; i++) {
      if ((flags & kPutIdsConsecutive) == 0) {
        store(body, at.ids_at - skip + 8 * i, uint64_t{100} + i);
      }
      if ((flags & kPutTimePerRow) != 0) store(body, at.times_at - skip + 8 * i, int64_t{900} + i);
      if ((flags & kPutLabelPerRow) != 0) store(body, at.labels_at - skip + 4 * i, 40 + i);
      if ((flags & kPutNorms) != 0) {
        store(body, at.norms_at - skip + 4 * i, 2.0f + static_cast<float>(i));
      }
      if ((flags & kPutPayloads) != 0) {
        store(body, at.payload_ends_at - skip + 4 * i, 3 * ((i + 1) / 2));
      }
    }
    record_from = record_at;
    builder.end();
    const Bytes group = builder.seal(&group_header);
    record.assign(group.begin() + record_at, group.begin() + record_at + at.record_bytes);
  }
  GroupBuilder builder;
  PutShape shape;
  PutLayout at;
  GroupHeader group_header;
  uint32_t record_from = 0;
  std::vector<std::byte> record;
};

TEST(put_batches_of_every_flag_combination_read_back) {
  uint32_t wrong = 0, read = 0;
  for (uint16_t flags = 0; flags <= kPutFlagsKnown; flags++) {
    for (const uint32_t shift : {0u, 8u, 40u}) {
      for (const Dtype dtype : {Dtype::kF32, Dtype::kF16}) {
        const Put put(flags, 5, 3, dtype, shift);
        PutView view;
        if (!decodePut(put.record, put.record_from, 3, &view).ok()) {
          wrong++;
          continue;
        }
        read++;
        CHECK_EQ((put.record_from + view.at.matrix_at) % 64, 0u);
        CHECK(put.record.size() <= putBytesMax(put.shape));
        for (uint32_t i = 0; i < 5; i++) {
          uint32_t begin = 0, end = 0;
          view.payloadOf(i, &begin, &end);
          const bool payloads = (flags & kPutPayloads) != 0;
          const bool fine =
              view.idOf(i) == 100 + i &&
              view.timeOf(i) == ((flags & kPutTimePerRow) != 0 ? 900 + i : 500) &&
              view.labelOf(i) == ((flags & kPutLabelPerRow) != 0 ? 40 + i : 6) &&
              view.normOf(i) == ((flags & kPutNorms) != 0 ? 2.0f + static_cast<float>(i) : 1.0f) &&
              end - begin == (payloads && i % 2 == 1 ? 3u : 0u) && end <= put.record.size();
          if (!fine) wrong++;
        }
      }
    }
  }
  CHECK_EQ(wrong, 0u);
  CHECK_EQ(read, 64u * 3 * 2);
}

// Method: every 32-bit word of the record takes hostile values. What is accepted must lie inside
// the record.
TEST(hostile_put_batches_are_refused_or_stay_inside_their_record) {
  const uint32_t hostile[] = {0, 1, 6, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF, 0x01010101};
  uint64_t refused = 0, accepted = 0, outside = 0;
  for (uint16_t flags :
       {uint16_t{0}, kPutFlagsKnown, uint16_t{kPutPayloads}, uint16_t{kPutIdsConsecutive}}) {
    const Put put(flags, 5, 3, Dtype::kF32, 8);
    for (size_t at = 4; at + 4 <= put.record.size(); at += 4) {
      for (const uint32_t value : hostile) {
        std::vector<std::byte> record = put.record;
        store(MutableBytes(record), at, value);
        PutView view;
        if (!decodePut(record, put.record_from, 3, &view).ok()) {
          refused++;
          continue;
        }
        accepted++;
        const uint64_t stride = 3ull * dtypeBytes(view.shape.dtype);
        if (view.at.matrix_at + stride * view.shape.count > record.size()) outside++;
        for (uint32_t i = 0; i < view.shape.count; i++) {
          uint32_t begin = 0, end = 0;
          view.payloadOf(i, &begin, &end);
          if (begin > end || end > record.size() || view.idOf(i) > kIdMax) outside++;
          view.timeOf(i);
          view.labelOf(i);
          view.normOf(i);
        }
      }
    }
  }
  CHECK_EQ(outside, 0u);
  CHECK(refused > 100);
  CHECK(accepted > 100);
}

TEST(a_put_batch_of_other_dimensions_is_refused) {
  const Put put(0, 2, 3, Dtype::kF32, 0);
  PutView view;
  CHECK(!decodePut(put.record, put.record_from, 4, &view).ok());
  CHECK(!decodePut(Bytes(put.record).first(40), put.record_from, 3, &view).ok());
}

TEST(deletes_and_symbols_round_trip_and_refuse_lies) {
  DeleteEdit ids;
  ids.ids = {1, 2, kIdMax};
  std::vector<std::byte> body(deleteBodyBytes(ids));
  encodeDelete(ids, body);
  DeleteEdit got;
  REQUIRE_OK(decodeDelete(body, &got));
  CHECK(got.ids == ids.ids);
  store(MutableBytes(body), 4, uint32_t{4});
  CHECK(!decodeDelete(body, &got).ok());
  store(MutableBytes(body), 0, uint32_t{9});
  CHECK(!decodeDelete(body, &got).ok());
  const SymbolEdit symbol{SymbolKind::kLabel, 12, "worn"};
  std::vector<std::byte> named(symbolBodyBytes(symbol.name));
  encodeSymbol(symbol, named);
  SymbolEdit back;
  REQUIRE_OK(decodeSymbol(named, &back));
  CHECK_EQ(back.name, symbol.name);
  CHECK_EQ(back.number, 12u);
  store(MutableBytes(named), 8, uint32_t{5});
  CHECK(!decodeSymbol(named, &back).ok());
}

}  // namespace
}  // namespace rve::test
