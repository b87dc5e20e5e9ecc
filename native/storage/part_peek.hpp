// Reads a part from its own header, with no entry that vouches for it: for repair, when no manifest
// is left.
#pragma once
#include "storage/part.hpp"

namespace rve {

struct PartPeek {
  uint64_t segment_id = 0;
  uint32_t rows = 0;
  PartEntry entry;  // run and page are the caller's to fill in
};

// `rest` starts at the part and ends with its run, or with the file. False unless header and page
// table lie inside it and the header's checksum holds. The table's is computed: a damaged table
// makes its pages fail.
bool peekPart(Bytes rest, const Layout& layout, const Uuid& uuid, PartPeek* out);

}  // namespace rve
