// SEAL, REPLACE, DELETE and SYMBOL records (FORMAT.md 7): how the sealed set, the dead and the
// names change.
#pragma once
#include "storage/group.hpp"
#include "storage/manifest.hpp"

namespace rve {

// SEAL: the tail below sealed_upto is in `adds` now. REPLACE: `drops` are in `adds` now;
// sealed_upto is 0 (R12).
struct SegmentEdit {
  uint64_t sealed_upto = 0;
  std::vector<uint64_t> drops;         // segment ids
  std::vector<ManifestSegment> adds;   // each with the dead rows of its own output (R11)
};

void encodeEdit(const SegmentEdit& edit, WireWriter* out);
Status decodeEdit(Bytes body, RecordType type, const Layout& layout, uint32_t chunk_count,
                  SegmentEdit* out);

enum class DeleteKind : uint32_t { kIds = 1, kSource = 2 };

struct DeleteEdit {
  DeleteKind kind = DeleteKind::kIds;
  std::vector<uint64_t> ids;
  uint32_t source = 0;
};

uint32_t deleteBodyBytes(const DeleteEdit& edit);
void encodeDelete(const DeleteEdit& edit, MutableBytes body);
Status decodeDelete(Bytes body, DeleteEdit* out);

struct SymbolEdit {
  SymbolKind kind = SymbolKind::kSource;
  uint32_t number = 0;
  std::string name;
};

uint32_t symbolBodyBytes(const std::string& name);
void encodeSymbol(const SymbolEdit& edit, MutableBytes body);
Status decodeSymbol(Bytes body, SymbolEdit* out);

}  // namespace rve
