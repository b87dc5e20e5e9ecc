// The coarse quantizer of newly sealed rows: trained on them, and kept while it fits.
#pragma once
#include <memory>

#include "engine/code_lists.hpp"
#include "engine/row_source.hpp"

namespace rve {

class QuantizerKeeper {
 public:
  // rows_min: Tuning::code_list_rows.
  QuantizerKeeper(const SegmentContext& context, uint32_t rows_min)
      : context_(context), rows_min_(rows_min) {}

  // For the codes of these rows: the one before, or a new one if they lie farther from its
  // centroids than those that it was trained on. Null: their codes stand in order, since they are
  // too few, or the metric is the inner product. To train one costs tens of milliseconds.
  std::shared_ptr<const CoarseQuantizer> forRows(const RowSource& source,
                                                 const std::vector<RowRef>& rows);

 private:
  std::shared_ptr<const CoarseQuantizer> train(const RowSource& source,
                                               const std::vector<RowRef>& rows) const;
  bool fits(const RowSource& source, const std::vector<RowRef>& rows) const;

  SegmentContext context_;
  uint32_t rows_min_;
  std::shared_ptr<const CoarseQuantizer> last_;
};

}  // namespace rve
