#include "storage/marks.hpp"

namespace rve {

bool SourceMarks::contains(uint32_t source, uint32_t boot, uint64_t sequence) const {
  const auto found = marks_.find({source, boot});
  if (found == marks_.end()) return false;
  const Mark& mark = found->second;
  if (sequence >= mark.high) return sequence == mark.high;
  const uint64_t back = mark.high - 1 - sequence;
  return back < kWindow && ((mark.below[back / 64] >> (back % 64)) & 1) != 0;
}

// Moves the bitmap up by `by`: the old highest becomes bit by - 1.
void SourceMarks::shift(Mark* mark, uint64_t by) {
  if (by > kWindow) {
    mark->below.fill(0);
    return;
  }
  for (uint64_t step = 0; step < by; step++) {
    uint64_t carry = step == 0 ? 1 : 0;
    for (uint64_t& word : mark->below) {
      const uint64_t out = word >> 63;
      word = (word << 1) | carry;
      carry = out;
    }
  }
}

SourceMarks::Mark* SourceMarks::touch(const Key& key, bool* fresh) {
  auto [found, inserted] = marks_.try_emplace(key);
  *fresh = inserted;
  if (!inserted) by_age_.erase(found->second.age);
  found->second.age = by_age_.insert(by_age_.end(), key);
  return &found->second;
}

void SourceMarks::add(uint32_t source, uint32_t boot, uint64_t sequence) {
  bool fresh = false;
  Mark* mark = touch({source, boot}, &fresh);
  if (fresh) {
    mark->high = sequence;
    if (marks_.size() > kMarksMax) {
      marks_.erase(by_age_.front());
      by_age_.pop_front();
    }
    return;
  }
  if (sequence > mark->high) {
    shift(mark, sequence - mark->high);
    mark->high = sequence;
  } else if (sequence < mark->high) {
    const uint64_t back = mark->high - 1 - sequence;
    if (back < kWindow) mark->below[back / 64] |= uint64_t{1} << (back % 64);
  }
}

// FORMAT.md 9.4. A mark whose window is full, the usual case, costs no bitmap.
void SourceMarks::encode(WireWriter* out) const {
  out->putVarint(marks_.size());
  for (const Key& key : by_age_) {
    const Mark& mark = marks_.at(key);
    out->put(key.first);
    out->put(key.second);
    out->put(mark.high);
    bool full = true;
    for (const uint64_t word : mark.below) full = full && word == ~uint64_t{0};
    out->put(static_cast<uint8_t>(full ? 0 : 1));
    if (!full) {
      for (const uint64_t word : mark.below) out->put(word);
    }
  }
}

bool SourceMarks::decode(WireReader* in) {
  marks_.clear();
  by_age_.clear();
  const uint32_t count = in->getCount(17);
  if (count > kMarksMax) return false;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t source = in->get<uint32_t>();
    const uint32_t boot = in->get<uint32_t>();
    bool fresh = false;
    Mark* mark = touch({source, boot}, &fresh);
    if (!fresh) return false;
    mark->high = in->get<uint64_t>();
    const uint8_t form = in->get<uint8_t>();
    if (form > 1) return false;
    for (uint64_t& word : mark->below) word = form == 0 ? ~uint64_t{0} : in->get<uint64_t>();
  }
  return !in->failed();
}

}  // namespace rve
