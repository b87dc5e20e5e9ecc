#include "engine/quantizer_keeper.hpp"

#include "base/large_bytes.hpp"

namespace rve {
namespace {

constexpr size_t kSampleRowsMax = 8192;
constexpr size_t kSampleBytesMax = 8u << 20;
constexpr size_t kFitRows = 256;
// The mean of so few squared distances varies by a few per cent; what moved the rows elsewhere
// doubles it.
constexpr double kDriftAllowed = 1.25;

// Rotates `wanted` of the rows, at most all, evenly; use(rotated).
template <typename Use>
void eachSampled(const SegmentContext& context, const RowSource& source,
                 const std::vector<RowRef>& rows, size_t wanted, Use use) {
  std::vector<float> floats(context.dims), rotated(context.rotation->paddedDims());
  for (size_t i = 0; i < wanted; i++) {
    RowData data;
    if (!source.read(rows[i * rows.size() / wanted], &data)) continue;
    decodeVector(data.vector, context.dims, floats.data());
    context.rotation->apply(floats.data(), rotated.data());
    use(rotated);
  }
}

}  // namespace

std::shared_ptr<const CoarseQuantizer> QuantizerKeeper::forRows(const RowSource& source,
                                                                const std::vector<RowRef>& rows) {
  const bool listed = rows_min_ > 0 && rows.size() >= rows_min_;
  if (!listed || context_.kind == DistanceKind::kIp) return nullptr;
  if (last_ == nullptr || !fits(source, rows)) last_ = train(source, rows);
  return last_;
}

std::shared_ptr<const CoarseQuantizer> QuantizerKeeper::train(
    const RowSource& source, const std::vector<RowRef>& rows) const {
  const size_t row_bytes = size_t{context_.rotation->paddedDims()} * sizeof(float);
  const size_t wanted = std::min({rows.size(), kSampleRowsMax, kSampleBytesMax / row_bytes});
  const LargeBytes sample = LargeBytes::allocate(wanted * row_bytes);
  if (sample.data == nullptr) return nullptr;  // it costs queries their speed, and no more
  size_t sampled = 0;
  eachSampled(context_, source, rows, wanted, [&](const std::vector<float>& rotated) {
    std::memcpy(sample.data.get() + sampled++ * row_bytes, rotated.data(), row_bytes);
  });
  if (sampled == 0) return nullptr;
  return CoarseQuantizer::train(context_.kind, *context_.rotation,
                                viewAs<float>(sample.data.get()), sampled, context_.seed());
}

bool QuantizerKeeper::fits(const RowSource& source, const std::vector<RowRef>& rows) const {
  double sum = 0;
  size_t sampled = 0;
  const size_t wanted = std::min(rows.size(), kFitRows);
  eachSampled(context_, source, rows, wanted, [&](const std::vector<float>& rotated) {
    sum += double{last_->distance2(rotated.data())};
    sampled++;
  });
  return sum <= kDriftAllowed * double{last_->distortion()} * static_cast<double>(sampled);
}

}  // namespace rve
