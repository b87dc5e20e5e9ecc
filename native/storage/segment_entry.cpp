#include "storage/segment_entry.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace rve {
namespace {

void putRun(const Run& run, WireWriter* out) {
  out->put(run.first_chunk);
  out->put(run.chunks);
}

bool getRun(WireReader* in, uint32_t chunk_count, Run* run) {
  run->first_chunk = in->get<uint32_t>();
  run->chunks = in->get<uint32_t>();
  return !in->failed() && runIsInside(*run, chunk_count);
}

size_t varintBytes(uint64_t value) {
  size_t bytes = 1;
  while (value >= 0x80) {
    value >>= 7;
    bytes++;
  }
  return bytes;
}

}  // namespace

const PartEntry* SegmentEntry::part(PartKind kind) const {
  for (const PartEntry& p : parts) {
    if (p.kind == kind) return &p;
  }
  return nullptr;
}

std::vector<Run> SegmentEntry::runs() const {
  std::vector<Run> all = adopted;
  for (const PartEntry& p : parts) all.push_back(p.run);
  std::sort(all.begin(), all.end(),
            [](const Run& a, const Run& b) { return a.first_chunk < b.first_chunk; });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void encodeEntry(const SegmentEntry& e, WireWriter* out) {
  out->put(e.id);
  out->put(e.rows);
  out->put(e.lsn_from);
  out->put(e.lsn_to);
  out->put(e.id_min);
  out->put(e.id_max);
  out->putVarint(e.parts.size());
  for (const PartEntry& p : e.parts) {
    out->put(static_cast<uint8_t>(p.kind));
    putRun(p.run, out);
    out->put(p.page);
    out->put(p.pages);
    out->put(p.header_crc);
    out->put(p.table_crc);
  }
  out->putVarint(e.adopted.size());
  for (const Run& run : e.adopted) putRun(run, out);
}

bool decodeEntry(WireReader* in, const Layout& layout, uint32_t chunk_count, SegmentEntry* out) {
  out->id = in->get<uint64_t>();
  out->rows = in->get<uint32_t>();
  out->lsn_from = in->get<uint64_t>();
  out->lsn_to = in->get<uint64_t>();
  out->id_min = in->get<uint64_t>();
  out->id_max = in->get<uint64_t>();
  const uint32_t parts = in->getCount(25);
  if (in->failed() || parts == 0 || parts > kPartsMax || out->rows == 0) return false;
  for (uint32_t i = 0; i < parts; i++) {
    PartEntry p;
    const uint8_t kind = in->get<uint8_t>();
    if (kind < 1 || kind > 4) return false;
    p.kind = static_cast<PartKind>(kind);
    if (out->part(p.kind) != nullptr || !getRun(in, chunk_count, &p.run)) return false;
    p.page = in->get<uint32_t>();
    p.pages = in->get<uint32_t>();
    p.header_crc = in->get<uint32_t>();
    p.table_crc = in->get<uint32_t>();
    const uint64_t run_pages = runBytes(layout, p.run) / layout.page_bytes;
    if (p.page < 1 || p.pages < 2 || uint64_t{p.page} + p.pages > run_pages) return false;
    out->parts.push_back(p);
  }
  const uint32_t adopted = in->getCount(8);
  if (in->failed() || adopted > kAdoptedRunsMax) return false;
  for (uint32_t i = 0; i < adopted; i++) {
    Run run;
    if (!getRun(in, chunk_count, &run)) return false;
    out->adopted.push_back(run);
  }
  const PartEntry* base = out->part(PartKind::kBase);
  const PartEntry* vectors = out->part(PartKind::kVectors);
  if (in->failed() || base == nullptr || vectors == nullptr) return false;
  // A row has at least 16 bytes of 1-bit code, or in tiers a record, of one dimension 4:
  // what a reader sets up per row is bounded by the file.
  const uint64_t pages = uint64_t{base->pages} + vectors->pages;
  return uint64_t{out->rows} * kRowBytesMin <= pages * layout.page_bytes &&
         out->id_min <= out->id_max && out->id_max <= kIdMax;
}

void encodeRows(const std::vector<uint32_t>& ascending, uint32_t rows, WireWriter* out) {
  size_t delta_bytes = 0;
  uint32_t before = 0;
  for (const uint32_t row : ascending) {
    delta_bytes += varintBytes(row - before);
    before = row;
  }
  const size_t bitmap_bytes = divideUp(rows, 8);
  out->putVarint(ascending.size());
  if (ascending.empty()) return;
  const bool bitmap = bitmap_bytes < delta_bytes;
  out->put(static_cast<uint8_t>(bitmap ? 1 : 0));
  if (bitmap) {
    std::vector<std::byte> bits(bitmap_bytes);
    for (const uint32_t row : ascending) bits[row / 8] |= static_cast<std::byte>(1u << (row % 8));
    out->putBytes(bits);
    return;
  }
  before = 0;
  for (const uint32_t row : ascending) {
    out->putVarint(row - before);
    before = row;
  }
}

bool decodeRows(WireReader* in, uint32_t rows, std::vector<uint32_t>* out) {
  out->clear();
  const uint64_t count = in->getVarint();
  if (in->failed() || count > rows) return false;
  if (count == 0) return true;
  const uint8_t form = in->get<uint8_t>();
  if (form > 1) return false;
  if (form == 1) {
    const Bytes bits = in->getBytes(divideUp(rows, 8));
    if (in->failed()) return false;
    for (uint32_t row = 0; row < rows; row++) {
      if ((bits[row / 8] & static_cast<std::byte>(1u << (row % 8))) != std::byte{0}) {
        out->push_back(row);
      }
    }
    return out->size() == count;
  }
  uint64_t row = 0;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t delta = in->getVarint();
    if (in->failed() || delta >= rows || (i > 0 && delta == 0)) return false;
    row += delta;
    if (row >= rows) return false;
    out->push_back(static_cast<uint32_t>(row));
  }
  return true;
}

}  // namespace rve
