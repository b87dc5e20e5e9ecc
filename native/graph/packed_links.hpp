// The packed link lists of one level: Elias-Fano (Elias 1974, Fano 1971), with one number of low
// bits for all lists of the level, so that the place of a list follows from the counts alone.
//
// A list of c links below `count`, ascending: c low parts of `low_bits` bits; then c + spread bits,
// spread = (count - 1) >> low_bits, in which bit h + i is set for the high part h of link i. Hence
// a list is c * (low_bits + 1) + spread bits, whatever is in it. Bits go from the lowest of a byte
// upwards, and a list begins where the one before it ends.
//
// Directory: for each 16 nodes u64 the bit at which the first one's list begins, then u8[16] the
// counts. *Why* 16: 1.5 bytes a node, and the counts before one are summed in two words.
//
// Cost at 60,000 rows: 31 bytes for a list of 17 and its part of the directory; a search that
// decodes them takes 5 to 8 % longer than one over flat lists.
#pragma once
#include <algorithm>

#include "base/bytes.hpp"
#include "base/prefetch.hpp"
#include "graph/page_guard.hpp"

namespace rve {

inline constexpr uint32_t kPackedBlockNodes = 16;
inline constexpr uint32_t kPackedBlockBytes = 24;
// Twice the longest list: what is left of it where low_bits is chosen for the fewest bits.
inline constexpr uint32_t kPackedSpreadMax = 256;
// Zeros behind the last list, so that eight bytes may be loaded at any byte of one.
inline constexpr uint32_t kPackedSpareBytes = 8;

class PackedLinks {
 public:
  // What readLinks returns for a list that may not be read.
  static constexpr uint32_t kUnreadable = 0xFFFFFFFFu;

  PackedLinks() = default;
  // directory: divideUp(count, 16) blocks; lists: `bits` bits and the spare bytes. count: 1..2^28,
  // low_bits: 0..28, count - 1 >> low_bits at most kPackedSpreadMax, links_max at most 255.
  PackedLinks(const std::byte* directory, const std::byte* lists, uint64_t bits, uint32_t count,
              uint32_t low_bits, uint32_t links_max)
      : directory_(directory),
        lists_(lists),
        bits_(bits),
        spread_((count - 1) >> low_bits),
        low_bits_(low_bits),
        links_max_(links_max) {}

  // The links of a node, ascending, to out[0..]: their number, or kUnreadable where the guard
  // withholds a page or the bytes are no list. Any bytes: no read outside, at most links_max links,
  // their ids unchecked. `guard` is over the bytes that begin at `base`.
  uint32_t read(uint32_t node, const PageGuard& guard, const std::byte* base, uint32_t* out) const {
    const std::byte* block = directory_ + uint64_t{node} / kPackedBlockNodes * kPackedBlockBytes;
    if (!guard.ok(offsetIn(base, block), kPackedBlockBytes)) [[unlikely]] return kUnreadable;
    const Place place = find(block, node % kPackedBlockNodes);
    const uint64_t bits = uint64_t{place.count} * (low_bits_ + 1) + spread_;
    if (place.count > links_max_ || place.bit > bits_ || bits > bits_ - place.bit) [[unlikely]] {
      return kUnreadable;
    }
    if (place.count == 0) return 0;
    const std::byte* first = lists_ + place.bit / 8;
    const uint64_t bytes = (place.bit % 8 + bits + 7) / 8;
    if (!guard.ok(offsetIn(base, first), bytes)) [[unlikely]] return kUnreadable;
    return decode(place, out) ? place.count : kUnreadable;
  }

  // Asks for the cache lines of a list, and for its page if that was never read. Its directory
  // block is waited for: those of all rows are small enough for the second level of the cache.
  void prefetch(uint32_t node, const PageGuard& guard, const std::byte* base) const {
    const std::byte* block = directory_ + uint64_t{node} / kPackedBlockNodes * kPackedBlockBytes;
    if (!guard.ok(offsetIn(base, block), kPackedBlockBytes)) [[unlikely]] return;
    const Place place = find(block, node % kPackedBlockNodes);
    const uint64_t first = std::min(place.bit, bits_);
    const uint64_t bits =
        std::min(uint64_t{place.count} * (low_bits_ + 1) + spread_, bits_ - first);
    const std::byte* at = lists_ + first / 8;
    guard.fetchAhead(offsetIn(base, at), (first % 8 + bits + 8) / 8);
    prefetchLine(at);
    prefetchLine(at + 32);
  }

  // Of so many nodes; empty where there is none.
  Bytes directory(uint32_t count) const {
    const size_t blocks = divideUp(uint64_t{count}, kPackedBlockNodes);
    return {directory_, directory_ == nullptr ? 0 : blocks * kPackedBlockBytes};
  }

 private:
  struct Place {
    uint64_t bit;
    uint32_t count;
  };

  static uint64_t offsetIn(const std::byte* base, const std::byte* at) {
    return addressOf(at) - addressOf(base);
  }

  static uint64_t word(const std::byte* at) {
    uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }

  // Hostile counts cannot overflow: 8 bytes sum to at most 2,040 in four lanes of 16 bits.
  Place find(const std::byte* block, uint32_t index) const {
    const uint64_t low = index >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * index)) - 1;
    const uint64_t high = index <= 8 ? 0 : (uint64_t{1} << (8 * (index - 8))) - 1;
    const uint64_t a = word(block + 8) & low;
    const uint64_t b = word(block + 16) & high;
    constexpr uint64_t kEven = 0x00FF00FF00FF00FF;
    const uint64_t lanes = (a & kEven) + (a >> 8 & kEven) + (b & kEven) + (b >> 8 & kEven);
    const uint64_t before = lanes * 0x0001000100010001 >> 48;
    return {word(block) + before * (low_bits_ + 1) + uint64_t{index} * spread_,
            static_cast<uint32_t>(block[8 + index])};
  }

  // False if the high parts have fewer ones than the list has links.
  bool decode(const Place& place, uint32_t* out) const {
    constexpr uint32_t kWordBits = 56;  // what a load at any bit of a byte is sure to hold
    const uint32_t low_mask = (1u << low_bits_) - 1;
    uint64_t low_at = place.bit;
    uint64_t high_at = place.bit + uint64_t{place.count} * low_bits_;
    const uint64_t end = high_at + place.count + spread_;
    uint32_t base = 0;
    uint64_t ones = highWord(high_at, end);
    for (uint32_t i = 0; i < place.count; ++i) {
      while (ones == 0) [[unlikely]] {
        base += kWordBits;
        high_at += kWordBits;
        if (high_at >= end) return false;
        ones = highWord(high_at, end);
      }
      const uint32_t high = base + static_cast<uint32_t>(std::countr_zero(ones)) - i;
      const auto low = static_cast<uint32_t>(word(lists_ + low_at / 8) >> (low_at % 8));
      out[i] = high << low_bits_ | (low & low_mask);
      ones &= ones - 1;
      low_at += low_bits_;
    }
    return true;
  }

  // The next 56 bits, zero from `end`. Requires: at < end.
  uint64_t highWord(uint64_t at, uint64_t end) const {
    const uint64_t left = end - at;
    const uint64_t mask = (uint64_t{1} << (left < 56 ? left : 56)) - 1;
    return word(lists_ + at / 8) >> (at % 8) & mask;
  }

  const std::byte* directory_ = nullptr;
  const std::byte* lists_ = nullptr;
  uint64_t bits_ = 0;
  uint32_t spread_ = 0;
  uint32_t low_bits_ = 0;
  uint32_t links_max_ = 0;
};

}  // namespace rve
