#include "engine/batch_check.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>

#include "kernels/kernels.hpp"
#include "storage/symbols.hpp"

namespace rve {
namespace {

// Squared lengths stay below it, so that no squared distance overflows a float.
constexpr float kSquareMax = 1e37f;

Status checkVectors(const InsertBatch& b, uint32_t dims, Metric metric) {
  for (uint32_t row = 0; row < b.count; row++) {
    const float* x = b.matrix.data() + size_t{row} * dims;
    const float square = kernels().dotF32(x, x, dims);
    // NaN and Inf make the sum so; a finite sum has finite terms.
    if (!std::isfinite(square) || square > kSquareMax) {
      return Status(Code::kVector, "row " + std::to_string(row) + " holds NaN, Inf or huge values");
    }
    // Below the smallest normal float a unit vector cannot be told from noise.
    if (metric == Metric::kCosine && square < 1e-37f) {
      return Status(Code::kVector, "row " + std::to_string(row) + " is a zero vector");
    }
  }
  return {};
}

Status checkIds(const InsertBatch& b) {
  bool ascending = true;
  for (size_t i = 0; i < b.ids.size(); i++) {
    if (b.ids[i] > kIdMax) return Status(Code::kIdRange, std::to_string(b.ids[i]));
    ascending = ascending && (i == 0 || b.ids[i] > b.ids[i - 1]);
  }
  if (ascending) return {};
  std::unordered_set<uint64_t> seen;
  for (const uint64_t id : b.ids) {
    if (!seen.insert(id).second) return Status(Code::kIdDuplicate, std::to_string(id));
  }
  return {};
}

}  // namespace

Status checkBatch(const InsertBatch& b, uint32_t dims, Metric metric) {
  if (b.count == 0) return Status(Code::kArgument, "an insert needs at least one vector");
  if (b.matrix.size() != size_t{b.count} * dims) {
    return Status(Code::kDimensions, "got " + std::to_string(b.matrix.size()) + " floats for " +
                                         std::to_string(b.count) + " vectors of " +
                                         std::to_string(dims));
  }
  const auto sized = [&](size_t size) { return size == 0 || size == b.count; };
  if (!sized(b.ids.size())) return Status(Code::kArgument, "ids must be one per vector");
  if (!sized(b.times_ms.size())) return Status(Code::kArgument, "times must be one per vector");
  if (!sized(b.labels.size()) && b.labels.size() != 1) {
    return Status(Code::kArgument, "labels must be one, or one per vector");
  }
  if (!sized(b.payload_ends.size())) {
    return Status(Code::kArgument, "payloads must be one per vector");
  }
  if (!b.source.empty() && !nameIsValid(b.source)) return Status(Code::kName, "the source");
  for (const std::string& label : b.labels) {
    if (!label.empty() && !nameIsValid(label)) return Status(Code::kName, "a label");
  }
  if (b.has_sequence && b.source.empty()) {
    return Status(Code::kArgument, "a sequence needs a source");
  }
  if (b.has_sequence && b.sequence > (1ull << 53)) {
    return Status(Code::kArgument, "a sequence is at most 2^53");
  }
  uint32_t before = 0;
  for (const uint32_t end : b.payload_ends) {
    if (end < before || end > b.payload_bytes.size()) {
      return Status(Code::kArgument, "payload ends must ascend within the payload bytes");
    }
    if (end - before > kPayloadBytesMax) return Status(Code::kPayload, "larger than 64 KiB");
    before = end;
  }
  RVE_TRY(checkIds(b));
  return checkVectors(b, dims, metric);
}

uint64_t batchBytes(const InsertBatch& b) {
  uint64_t bytes = b.matrix.size() * 4 + b.ids.size() * 8 + b.times_ms.size() * 8 +
                   b.payload_bytes.size() + b.payload_ends.size() * 4 + 64;
  for (const std::string& label : b.labels) bytes += label.size();
  return bytes;
}

}  // namespace rve
