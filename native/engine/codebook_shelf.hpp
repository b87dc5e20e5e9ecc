// Codebooks and coarse quantizers, and the codecs made from them: one in memory however many
// segments were written with it.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.hpp"
#include "base/status.hpp"
#include "codecs/coarse_quantizer.hpp"
#include "engine/tier_coder.hpp"

namespace rve {

// Any thread. Holds nothing alive: what no segment uses is gone.
class CodebookShelf {
 public:
  // The codebook of these bytes: the one in memory if it is the same, else decoded. kCorrupt.
  Status decode(Bytes bytes, std::shared_ptr<const TierCodebook>* out);
  // bits: as TierCodec takes them. Cost of a new one: about a millisecond.
  std::shared_ptr<const TierCoder> coder(const std::shared_ptr<const TierCodebook>& codebook,
                                         Tier tier, float bits);
  // The quantizer of these centroids, likewise. Null if they are no numbers.
  std::shared_ptr<const CoarseQuantizer> quantizer(DistanceKind kind, const Rotation& rotation,
                                                   float reach, Bytes centroids);

 private:
  struct Book {
    size_t bytes;
    uint32_t crc;  // of the encoded form, less its checksum
    std::weak_ptr<const TierCodebook> codebook;
  };
  struct Coder {
    const TierCodebook* codebook;
    Tier tier;
    float bits;
    std::weak_ptr<const TierCoder> coder;
  };

  std::mutex mutex_;
  std::vector<Book> books_;
  std::vector<Coder> coders_;
  std::vector<std::weak_ptr<const CoarseQuantizer>> quantizers_;
};

}  // namespace rve
