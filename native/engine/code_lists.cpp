#include "engine/code_lists.hpp"

namespace rve {
namespace {

constexpr size_t kHeadBytes = 8;

std::vector<uint32_t> countsOf(const CoarseQuantizer& quantizer,
                               const std::vector<uint32_t>& list_of) {
  std::vector<uint32_t> counts(quantizer.lists());
  for (const uint32_t list : list_of) counts[list]++;
  return counts;
}

uint32_t blockAligned(uint32_t rows) {
  return static_cast<uint32_t>(roundUp(rows, kBinaryBlockRows));
}

void append(std::vector<std::byte>* to, Bytes bytes) {
  to->insert(to->end(), bytes.begin(), bytes.end());
}

}  // namespace

Status CodeLists::open(const SegmentContext& context, Bytes bytes, uint32_t rows,
                       std::unique_ptr<CodeLists>* out) {
  const Status bad(Code::kCorrupt, "its lists of codes have an impossible size");
  if (bytes.size() < kHeadBytes) return bad;
  const uint32_t lists = load<uint32_t>(bytes, 0);
  if (lists < 1 || lists > kListsMax) return bad;
  const size_t count_bytes = size_t{lists} * 4;
  const size_t centroid_bytes = count_bytes * context.rotation->paddedDims();
  if (bytes.size() != kHeadBytes + count_bytes + centroid_bytes + size_t{rows} * 4) return bad;
  auto made = std::make_unique<CodeLists>();
  const auto* counts = viewAs<uint32_t>(bytes.data() + kHeadBytes);
  const auto* row = viewAs<uint32_t>(bytes.data() + kHeadBytes + count_bytes + centroid_bytes);
  uint64_t at = 0, code = 0;
  for (uint32_t list = 0; list < lists; list++) {
    if (counts[list] > rows - at) return bad;
    made->lists_.push_back({static_cast<uint32_t>(code), {row + at, counts[list]}});
    at += counts[list];
    code += blockAligned(counts[list]);
  }
  if (at != rows) return bad;
  made->codes_ = static_cast<uint32_t>(code);
  made->quantizer_ =
      context.shelf->quantizer(context.kind, *context.rotation, load<float>(bytes, 4),
                               bytes.subspan(kHeadBytes + count_bytes, centroid_bytes));
  if (made->quantizer_ == nullptr) {
    return Status(Code::kCorrupt, "a centroid of its lists is not a number");
  }
  *out = std::move(made);
  return {};
}

uint32_t CodeLists::codesFor(const CoarseQuantizer& quantizer,
                             const std::vector<uint32_t>& list_of) {
  uint32_t codes = 0;
  for (const uint32_t rows : countsOf(quantizer, list_of)) codes += blockAligned(rows);
  return codes;
}

std::vector<std::byte> CodeLists::encode(const CoarseQuantizer& quantizer,
                                         const std::vector<uint32_t>& list_of,
                                         std::vector<uint32_t>* code_of) {
  const std::vector<uint32_t> counts = countsOf(quantizer, list_of);
  std::vector<uint32_t> row_at(counts.size()), code_at(counts.size()), rows(list_of.size());
  for (size_t list = 1; list < counts.size(); list++) {
    row_at[list] = row_at[list - 1] + counts[list - 1];
    code_at[list] = code_at[list - 1] + blockAligned(counts[list - 1]);
  }
  code_of->resize(list_of.size());
  for (uint32_t row = 0; row < list_of.size(); row++) {
    rows[row_at[list_of[row]]++] = row;
    (*code_of)[row] = code_at[list_of[row]]++;
  }
  const uint32_t lists = quantizer.lists();
  const float reach = quantizer.reach();
  std::vector<std::byte> out;
  append(&out, bytesOf(&lists, 1));
  append(&out, bytesOf(&reach, 1));
  append(&out, bytesOf(counts.data(), counts.size()));
  append(&out, quantizer.bytes());
  append(&out, bytesOf(rows.data(), rows.size()));
  return out;
}

}  // namespace rve
