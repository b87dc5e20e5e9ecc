// A query on two threads: what is shared with the helper, and how.
#include "engine/search_pass.hpp"

namespace rve {
namespace {

// So many graphs are shared, whether rows wait for links or not: merges are due, or the memory is
// very large.
constexpr uint32_t kSharedGraphs = 8;

}  // namespace

bool Searcher::wantsHelp(const Pass& pass) const {
  if (helper_ == nullptr || pass.hidden != kNoRow) return false;
  uint64_t graphs = 0, waiting = 0;
  for (const auto& segment : *pass.version->segments) {
    if (segment->linked()) {
      graphs++;
    } else {
      waiting += segment->rows();
    }
  }
  return graphs >= kSharedGraphs || (graphs > 0 && waiting >= helped_rows_min_);
}

void Searcher::walkShared(Pass* pass, HelpersPart* part, bool from_last,
                          const std::atomic<bool>* cancel, bool* cancelled) {
  while (!*cancelled) {
    const uint32_t place = part->takePlace(from_last);
    if (place == 0) return;
    const Segment& segment = *(*pass->version->segments)[place - 1];
    if (!segment.linked()) continue;
    *cancelled = cancel != nullptr && cancel->load(std::memory_order_relaxed);
    if (!*cancelled) searchSegment(pass, segment, place);
  }
}

// The query's own thread, once its helper has the offer.
void Searcher::searchShared(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled) {
  Scratch& s = *pass->s;
  HelpersPart& part = s.helpers_part;
  walkShared(pass, &part, false, cancel, cancelled);
  rankNearestFirst(pass, s.fine.rows());
  if (part.takesTail()) {
    searchTail(pass);
    rankByBound(pass, s.coarse.rows());
    s.coarse.reset(s.coarse.keep());
  }
  if (part.takesLists()) scanNearLists(pass, cancel, cancelled);
  if (helper_->takeBack(&part)) {
    searchUnlisted(pass, cancel, cancelled);
  } else {
    part.join(pass, cancelled);
  }
}

void Searcher::HelpersPart::begin(Searcher* searcher, const Pass* whole,
                                  const std::atomic<bool>* cancel) {
  searcher_ = searcher;
  whole_ = whole;
  cancel_ = cancel;
  ef_ = whole->ef;
  cancelled_ = false;
  tail_taken_.store(false, std::memory_order_relaxed);
  lists_taken_.store(false, std::memory_order_relaxed);
  places_.store(whole->version->segments->size(), std::memory_order_relaxed);
}

bool Searcher::HelpersPart::takesTail() {
  return !tail_taken_.exchange(true, std::memory_order_relaxed);
}

bool Searcher::HelpersPart::takesLists() {
  return !lists_taken_.exchange(true, std::memory_order_relaxed);
}

uint32_t Searcher::HelpersPart::takePlace(bool from_last) {
  uint64_t seen = places_.load(std::memory_order_relaxed);
  for (;;) {
    const auto taken = static_cast<uint32_t>(seen >> 32), last = static_cast<uint32_t>(seen);
    if (taken == last) return 0;
    const uint64_t next = from_last ? seen - 1 : seen + (uint64_t{1} << 32);
    if (places_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) {
      return from_last ? last : taken + 1;
    }
  }
}

// Reads of the whole pass only what its own thread does not change meanwhile.
void Searcher::HelpersPart::run() {
  Scratch& s = scratch();
  s.unit = whole_->s->unit;
  s.rotated = whole_->s->rotated;
  s.tiers.begin(s.unit.data());
  Pass pass{&s, whole_->version, s.unit.data(), whole_->k, ef_, whole_->fine, whole_->recall,
            kNoRow, whole_->predicate, false};
  searcher_->beginCandidates(&pass);
  searcher_->searchUnlisted(&pass, cancel_, &cancelled_);
  if (takesLists()) searcher_->scanNearLists(&pass, cancel_, &cancelled_);
  if (!cancelled_ && takesTail()) {
    s.coarse.reset(s.coarse.keep());
    searcher_->searchTail(&pass);
    searcher_->rankByBound(&pass, s.coarse.rows());
  }
  searcher_->walkShared(&pass, this, true, cancel_, &cancelled_);
  searcher_->rankNearestFirst(&pass, s.fine.rows());
  std::swap(hits_, s.hits);
  degraded_ = pass.degraded;
}

void Searcher::HelpersPart::join(Pass* whole, bool* cancelled) {
  for (const Hit& hit : hits_)
    searcher_->offerExact(whole, hit.distance, hit.id, hit.segment, hit.row);
  whole->degraded = whole->degraded || degraded_;
  *cancelled = *cancelled || cancelled_;
}

}  // namespace rve
