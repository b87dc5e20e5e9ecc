#include "engine/codebook_shelf.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace rve {

Status CodebookShelf::decode(Bytes bytes, std::shared_ptr<const TierCodebook>* out) {
  // Without its own checksum at the end: with it every sound codebook has the same one.
  const uint32_t crc = crc32c(bytes.first(bytes.size() - std::min<size_t>(bytes.size(), 4)));
  std::lock_guard lock(mutex_);
  std::erase_if(books_, [](const Book& book) { return book.codebook.expired(); });
  for (const Book& book : books_) {
    *out = book.codebook.lock();
    if (book.crc == crc && book.bytes == bytes.size() && *out != nullptr) return {};
  }
  RVE_TRY(TierCodebook::decode(bytes, out));
  books_.push_back({bytes.size(), crc, *out});
  return {};
}

std::shared_ptr<const TierCoder> CodebookShelf::coder(
    const std::shared_ptr<const TierCodebook>& codebook, Tier tier, float bits) {
  std::lock_guard lock(mutex_);
  std::erase_if(coders_, [](const Coder& coder) { return coder.coder.expired(); });
  for (const Coder& one : coders_) {
    std::shared_ptr<const TierCoder> found = one.coder.lock();
    if (found != nullptr && one.codebook == codebook.get() && one.tier == tier &&
        one.bits == bits) {
      return found;
    }
  }
  auto made = std::make_shared<const TierCoder>(codebook, tier, bits);
  coders_.push_back({codebook.get(), tier, bits, made});
  return made;
}

std::shared_ptr<const CoarseQuantizer> CodebookShelf::quantizer(DistanceKind kind,
                                                                const Rotation& rotation,
                                                                float reach, Bytes centroids) {
  std::lock_guard lock(mutex_);
  std::erase_if(quantizers_, [](const auto& one) { return one.expired(); });
  for (const auto& one : quantizers_) {
    std::shared_ptr<const CoarseQuantizer> found = one.lock();
    if (found == nullptr || found->reach() != reach) continue;
    const Bytes bytes = found->bytes();
    if (std::equal(bytes.begin(), bytes.end(), centroids.begin(), centroids.end())) return found;
  }
  auto made = CoarseQuantizer::decode(kind, rotation, reach, centroids);
  if (made != nullptr) quantizers_.push_back(made);
  return made;
}

}  // namespace rve
