#include "storage/manifest.hpp"

#include "base/mutation.hpp"

namespace rve {
namespace {

constexpr uint32_t kManifestMagic = 0x4E414D52;  // "RMAN"
constexpr uint16_t kManifestVersion = 1;

}  // namespace

void encodeManifest(const Manifest& m, const Symbols& symbols, const SourceMarks& marks,
                    WireWriter* out) {
  out->put(kManifestMagic);
  out->put(kManifestVersion);
  out->put(uint16_t{0});
  out->put(m.lsn);
  out->put(m.replay_lsn);
  out->put(m.next_segment_id);
  out->put(m.next_id);
  out->put(m.lost_records);
  out->putVarint(m.segments.size());
  for (const ManifestSegment& s : m.segments) {
    encodeEntry(s.entry, out);
    encodeRows(RVE_MUTATED(kDeadSetLeftOut) ? std::vector<uint32_t>{} : s.dead, s.entry.rows, out);
  }
  const bool no_tail = RVE_MUTATED(kTailDirectoryLeftOut);
  out->putVarint(no_tail ? 0 : m.tail.size());
  uint32_t tail_rows = 0;
  for (const TailGroup& g : m.tail) {
    if (no_tail) break;
    out->put(g.lsn);
    out->put(g.offset);
    out->put(g.length);
    out->put(g.rows);
    out->put(g.header_crc);
    tail_rows += g.rows;
  }
  const bool no_tail_dead = no_tail || RVE_MUTATED(kTailDeadLeftOut);
  encodeRows(no_tail_dead ? std::vector<uint32_t>{} : m.tail_dead, tail_rows, out);
  out->putVarint(m.log_runs.size());
  for (const LogRunEntry& r : m.log_runs) {
    out->put(r.run.first_chunk);
    out->put(r.run.chunks);
    out->put(r.first_lsn);
  }
  out->putVarint(m.edit_runs.size());
  for (const Run& r : m.edit_runs) {
    out->put(r.first_chunk);
    out->put(r.chunks);
  }
  out->putVarint(m.holes.size());
  for (const Hole& h : m.holes) {
    out->put(h.lsn_from);
    out->put(h.lsn_to);
  }
  symbols.encode(out);
  if (RVE_MUTATED(kMarksLeftOut)) {
    SourceMarks().encode(out);
  } else {
    marks.encode(out);
  }
}

Status decodeManifest(Bytes bytes, const Layout& layout, uint32_t chunk_count, Manifest* out,
                      Symbols* symbols, SourceMarks* marks) {
  const Status bad(Code::kCorrupt, "a manifest has impossible values");
  WireReader in(bytes);
  if (in.get<uint32_t>() != kManifestMagic || in.get<uint16_t>() != kManifestVersion) return bad;
  if (in.get<uint16_t>() != 0) return bad;
  out->lsn = in.get<uint64_t>();
  out->replay_lsn = in.get<uint64_t>();
  out->next_segment_id = in.get<uint64_t>();
  out->next_id = in.get<uint64_t>();
  out->lost_records = in.get<uint64_t>();
  if (out->replay_lsn > out->lsn || out->next_id > kIdMax + 1) return bad;
  const uint32_t segments = in.getCount(72);
  for (uint32_t i = 0; i < segments; i++) {
    ManifestSegment s;
    if (!decodeEntry(&in, layout, chunk_count, &s.entry)) return bad;
    if (!decodeRows(&in, s.entry.rows, &s.dead)) return bad;
    if (s.entry.id >= out->next_segment_id) return bad;
    for (const ManifestSegment& other : out->segments) {
      if (other.entry.id == s.entry.id) return bad;
    }
    out->segments.push_back(std::move(s));
  }
  const uint32_t tail = in.getCount(28);
  uint64_t tail_rows = 0, lsn = out->replay_lsn;
  const uint64_t file_bytes = fileBytesOf(layout, chunk_count);
  for (uint32_t i = 0; i < tail; i++) {
    TailGroup g;
    g.lsn = in.get<uint64_t>();
    g.offset = in.get<uint64_t>();
    g.length = in.get<uint32_t>();
    g.rows = in.get<uint32_t>();
    g.header_crc = in.get<uint32_t>();
    const bool fine = g.lsn >= lsn && g.length >= layout.page_bytes &&
                      g.length <= layout.group_bytes_max && g.length % layout.page_bytes == 0 &&
                      g.offset % layout.page_bytes == 0 && g.offset <= file_bytes &&
                      g.length <= file_bytes - g.offset && g.rows <= g.length;
    if (in.failed() || !fine) return bad;
    lsn = g.lsn + g.length;
    tail_rows += g.rows;
    out->tail.push_back(g);
  }
  if (lsn > out->lsn || tail_rows > UINT32_MAX) return bad;
  if (!decodeRows(&in, static_cast<uint32_t>(tail_rows), &out->tail_dead)) return bad;
  const uint32_t runs = in.getCount(16);
  for (uint32_t i = 0; i < runs; i++) {
    LogRunEntry r;
    r.run.first_chunk = in.get<uint32_t>();
    r.run.chunks = in.get<uint32_t>();
    r.first_lsn = in.get<uint64_t>();
    if (in.failed() || !runIsInside(r.run, chunk_count)) return bad;
    out->log_runs.push_back(r);
  }
  const uint32_t edit_runs = in.getCount(8);
  for (uint32_t i = 0; i < edit_runs; i++) {
    Run r;
    r.first_chunk = in.get<uint32_t>();
    r.chunks = in.get<uint32_t>();
    if (in.failed() || !runIsInside(r, chunk_count)) return bad;
    out->edit_runs.push_back(r);
  }
  const uint32_t holes = in.getCount(16);
  for (uint32_t i = 0; i < holes; i++) {
    const uint64_t from = in.get<uint64_t>();
    out->holes.push_back({from, in.get<uint64_t>()});
  }
  if (out->log_runs.empty() || !symbols->decode(&in) || !marks->decode(&in) || !in.atEnd()) {
    return bad;
  }
  return {};
}

}  // namespace rve
