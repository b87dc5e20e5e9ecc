#include "storage/edit.hpp"

#include <cstring>

#include "base/mutation.hpp"

namespace rve {

void encodeEdit(const SegmentEdit& edit, WireWriter* out) {
  out->put(edit.sealed_upto);
  out->putVarint(edit.drops.size());
  for (const uint64_t id : edit.drops) out->put(id);
  out->putVarint(edit.adds.size());
  for (const ManifestSegment& add : edit.adds) {
    encodeEntry(add.entry, out);
    encodeRows(add.dead, add.entry.rows, out);
  }
}

Status decodeEdit(Bytes body, RecordType type, const Layout& layout, uint32_t chunk_count,
                  SegmentEdit* out) {
  const Status bad(Code::kCorrupt, "a SEAL or REPLACE record has impossible values");
  WireReader in(body);
  out->sealed_upto = in.get<uint64_t>();
  const uint32_t drops = in.getCount(8);
  for (uint32_t i = 0; i < drops; i++) out->drops.push_back(in.get<uint64_t>());
  const uint32_t adds = in.getCount(72);
  for (uint32_t i = 0; i < adds; i++) {
    ManifestSegment add;
    if (!decodeEntry(&in, layout, chunk_count, &add.entry)) return bad;
    if (!decodeRows(&in, add.entry.rows, &add.dead)) return bad;
    out->adds.push_back(std::move(add));
  }
  const bool replace = type == RecordType::kReplace;
  const bool fine = replace ? out->sealed_upto == 0 || RVE_MUTATED(kReplaceCarriesSealedUpto)
                            : out->drops.empty();
  return in.failed() || !fine ? bad : Status();
}

uint32_t deleteBodyBytes(const DeleteEdit& edit) {
  return static_cast<uint32_t>(8 + (edit.kind == DeleteKind::kIds ? edit.ids.size() * 8 : 4));
}

void encodeDelete(const DeleteEdit& edit, MutableBytes body) {
  store(body, 0, static_cast<uint32_t>(edit.kind));
  if (edit.kind == DeleteKind::kSource) {
    store(body, 4, uint32_t{1});
    store(body, 8, edit.source);
    return;
  }
  store(body, 4, static_cast<uint32_t>(edit.ids.size()));
  for (size_t i = 0; i < edit.ids.size(); i++) store(body, 8 + i * 8, edit.ids[i]);
}

Status decodeDelete(Bytes body, DeleteEdit* out) {
  const Status bad(Code::kCorrupt, "a DELETE record has impossible values");
  if (body.size() < 12) return bad;
  const uint32_t kind = load<uint32_t>(body, 0);
  const uint32_t count = load<uint32_t>(body, 4);
  if (kind == static_cast<uint32_t>(DeleteKind::kSource)) {
    out->kind = DeleteKind::kSource;
    out->source = load<uint32_t>(body, 8);
    return count == 1 ? Status() : bad;
  }
  if (kind != static_cast<uint32_t>(DeleteKind::kIds) || count > (body.size() - 8) / 8) return bad;
  out->kind = DeleteKind::kIds;
  out->ids.resize(count);
  for (uint32_t i = 0; i < count; i++) out->ids[i] = load<uint64_t>(body, 8 + i * 8ull);
  return {};
}

uint32_t symbolBodyBytes(const std::string& name) {
  return static_cast<uint32_t>(12 + name.size());
}

void encodeSymbol(const SymbolEdit& edit, MutableBytes body) {
  store(body, 0, static_cast<uint32_t>(edit.kind));
  store(body, 4, edit.number);
  store(body, 8, static_cast<uint32_t>(edit.name.size()));
  std::memcpy(body.data() + 12, edit.name.data(), edit.name.size());
}

Status decodeSymbol(Bytes body, SymbolEdit* out) {
  const Status bad(Code::kCorrupt, "a SYMBOL record has impossible values");
  if (body.size() < 12) return bad;
  const uint32_t kind = load<uint32_t>(body, 0);
  const uint32_t length = load<uint32_t>(body, 8);
  if (kind < 1 || kind > 2 || length > body.size() - 12) return bad;
  out->kind = static_cast<SymbolKind>(kind);
  out->number = load<uint32_t>(body, 4);
  out->name.assign(length, '\0');
  std::memcpy(out->name.data(), body.data() + 12, length);
  return {};
}

}  // namespace rve
