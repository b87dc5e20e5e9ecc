// The inverted lists of a segment that waits for its graph (FORMAT.md 10.9): its 1-bit codes stand
// list after list, each from a block of its own.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "codecs/coarse_quantizer.hpp"
#include "engine/segment_context.hpp"

namespace rve {

class CodeLists {
 public:
  struct List {
    uint32_t first_code;  // a multiple of kBinaryBlockRows
    std::span<const uint32_t> rows;  // code first_code + i is that of rows[i]
  };

  // Checks every size; `bytes` must outlive it. A row number is checked when it is met. kCorrupt.
  static Status open(const SegmentContext& context, Bytes bytes, uint32_t rows,
                     std::unique_ptr<CodeLists>* out);
  // list_of: of each row. Gives the section, and to code_of where each row's code stands.
  static std::vector<std::byte> encode(const CoarseQuantizer& quantizer,
                                       const std::vector<uint32_t>& list_of,
                                       std::vector<uint32_t>* code_of);
  // Codes and fillers that these lists take.
  static uint32_t codesFor(const CoarseQuantizer& quantizer, const std::vector<uint32_t>& list_of);

  // One object for all segments that were written with it.
  const CoarseQuantizer& quantizer() const { return *quantizer_; }
  const List& list(uint32_t number) const { return lists_[number]; }
  uint32_t codes() const { return codes_; }

 private:
  std::shared_ptr<const CoarseQuantizer> quantizer_;
  std::vector<List> lists_;
  uint32_t codes_ = 0;
};

}  // namespace rve
