#include "storage/space.hpp"

#include <algorithm>
#include <utility>

#include "base/mutation.hpp"

namespace rve {

RunPin::RunPin(SpaceMap* map, Run run) : map_(map), run_(run) { map_->pin(run_); }
RunPin::RunPin(const RunPin& other) : map_(other.map_), run_(other.run_) {
  if (map_ != nullptr) map_->pin(run_);
}
RunPin::RunPin(RunPin&& other) noexcept
    : map_(std::exchange(other.map_, nullptr)), run_(std::exchange(other.run_, {})) {}
RunPin& RunPin::operator=(RunPin other) noexcept {
  std::swap(map_, other.map_);
  std::swap(run_, other.run_);
  return *this;
}
RunPin::~RunPin() {
  if (map_ != nullptr) map_->unpin(run_);
}

namespace {

// A group's run and the successor that its header must name.
constexpr uint32_t kRecordChunks = 2;

}  // namespace

SpaceMap::SpaceMap(File* file, const Layout& layout, uint64_t bytes_max)
    : file_(file), layout_(layout) {
  chunks_max_ = chunkCountOf(layout, std::min(bytes_max, layout.file_bytes_max));
  // What an earlier life left is taken for holes: reserve() on space that is there costs nothing.
  chunks_.resize(uint64_t{chunkCountOf(layout, file->size())} + 1);
}

uint32_t SpaceMap::chunkCount() const {
  std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(chunks_.size() - 1);
}

void SpaceMap::pin(const Run& run) {
  std::lock_guard lock(mutex_);
  pinLocked(run);
}

void SpaceMap::pinLocked(const Run& run) {
  RVE_ASSERT(runIsInside(run, static_cast<uint32_t>(chunks_.size() - 1)));
  for (uint32_t i = 0; i < run.chunks; i++) {
    Chunk& chunk = chunks_[run.first_chunk + i];
    chunk.pins++;
    if (chunk.state == State::kHole) chunk.state = State::kAllocated;
  }
}

void SpaceMap::unpin(const Run& run) {
  std::lock_guard lock(mutex_);
  for (uint32_t i = 0; i < run.chunks; i++) {
    Chunk& chunk = chunks_[run.first_chunk + i];
    RVE_ASSERT(chunk.pins > 0);
    if (--chunk.pins == 0) chunk.state = State::kWritten;
  }
}

uint32_t SpaceMap::freeCount() const {
  uint32_t count = 0;
  for (size_t i = 1; i < chunks_.size(); i++) {
    if (chunks_[i].pins == 0 && chunks_[i].state != State::kHole) count++;
  }
  return count;
}

// First fit; but a single chunk goes into the smallest gap, so that what a nearly full store takes
// chunk by chunk leaves a place for the next manifest.
uint32_t SpaceMap::findFree(uint32_t chunks) const {
  uint32_t best = 0, best_length = 0, length = 0;
  for (uint32_t i = 1; i <= chunks_.size(); i++) {
    if (i < chunks_.size() && chunks_[i].pins == 0) {
      length++;
      if (chunks > 1 && length == chunks) return i - chunks + 1;
      continue;
    }
    if (chunks == 1 && length > 0 && (best == 0 || length < best_length)) {
      best = i - length;
      best_length = length;
    }
    length = 0;
  }
  return best;
}

// Extends the file by a step of 1/8, between 1 and 64 MiB (16 to 1,024 chunks), so that a full disk
// shows here.
Status SpaceMap::growBy(uint32_t chunks, uint32_t at_least) {
  const uint32_t count = static_cast<uint32_t>(chunks_.size() - 1);
  if (count >= chunks_max_ || at_least > chunks_max_ - count) {
    return Status(Code::kNoSpace, "the memory has reached its byte limit");
  }
  const uint32_t step = std::clamp(count / 8, 16u, 1024u);
  uint32_t by = std::min(std::max(chunks, step), chunks_max_ - count);
  Status grown = file_->grow(fileBytesOf(layout_, count + by));
  if (!grown.ok() && by > at_least) {
    by = at_least;  // a nearly full disk may still hold what is needed
    grown = file_->grow(fileBytesOf(layout_, count + by));
  }
  if (!grown.ok()) return grown;
  chunks_.resize(chunks_.size() + by, Chunk{0, State::kAllocated});
  return {};
}

// Gives device space to the holes of a range, chunk group by chunk group.
Status SpaceMap::secure(uint32_t first, uint32_t chunks) {
  for (uint32_t i = first; i < first + chunks; i++) {
    if (chunks_[i].state != State::kHole) continue;
    uint32_t end = i;
    while (end < first + chunks && chunks_[end].state == State::kHole) end++;
    RVE_TRY(file_->reserve(chunkOffset(layout_, i), uint64_t{end - i} * layout_.chunk_bytes));
    for (uint32_t j = i; j < end; j++) chunks_[j].state = State::kAllocated;
    i = end - 1;
  }
  return {};
}

// R7: what stays free beside the run about to be given must cover `floor`, as allocated space,
// never as a hole.
Status SpaceMap::holdBack(uint32_t floor, uint32_t first, uint32_t chunks) {
  if (floor == 0) return {};
  uint32_t left = freeCount() - chunks;
  for (uint32_t i = 1; i < chunks_.size() && left < floor; i++) {
    const bool given = i >= first && i < first + chunks;
    const bool hole = chunks_[i].pins == 0 && chunks_[i].state == State::kHole;
    if (!given && hole && secure(i, 1).ok()) left++;
  }
  return left >= floor ? Status() : growBy(floor - left, floor - left);
}

void SpaceMap::setReserve(uint32_t chunks) {
  std::lock_guard lock(mutex_);
  reserve_chunks_ = chunks;
}

Status SpaceMap::allocate(uint32_t chunks, SpacePurpose purpose, RunPin* out) {
  RVE_ASSERT(chunks >= 1);
  RunPin given;
  {
    std::lock_guard lock(mutex_);
    uint32_t first = findFree(chunks);
    if (first == 0) {
      // The last chunks of the file may be free: grow by what is missing behind them.
      uint32_t free_at_end = 0;
      while (free_at_end + 1 < chunks_.size() && free_at_end < chunks &&
             chunks_[chunks_.size() - 1 - free_at_end].pins == 0) {
        free_at_end++;
      }
      const uint32_t missing = chunks - std::min(free_at_end, chunks - 1);
      RVE_TRY(growBy(missing, missing));
      first = findFree(chunks);
      RVE_ASSERT(first != 0);
    }
    RVE_TRY(secure(first, chunks));
    uint32_t floor = 0;
    if (purpose == SpacePurpose::kData) floor = reserve_chunks_;
    if (purpose == SpacePurpose::kSeal) floor = reserve_chunks_ / 2;
    if (purpose == SpacePurpose::kForget) floor = RVE_MUTATED(kForgetTakesAll) ? 0 : kRecordChunks;
    if (!RVE_MUTATED(kNoReserve)) RVE_TRY(holdBack(floor, first, chunks));
    // Found and held under one lock: the committer and the background allocate at once.
    const Run run{first, chunks};
    if (RVE_MUTATED(kInFlightNotReserved)) {
      given = RunPin::unheld(run);
    } else {
      pinLocked(run);
      given = RunPin::held(this, run);
    }
  }
  *out = std::move(given);
  return {};
}

void SpaceMap::shorten(RunPin* pin, uint32_t chunks) {
  const Run whole = pin->run();
  if (chunks >= whole.chunks) return;
  *pin = RunPin(this, Run{whole.first_chunk, chunks});
}

Status SpaceMap::trim() {
  std::lock_guard lock(mutex_);
  uint32_t keep = reserve_chunks_;
  for (uint32_t i = 1; i < chunks_.size(); i++) {
    const auto free = [&](uint32_t at) {
      return chunks_[at].pins == 0 && chunks_[at].state != State::kHole;
    };
    if (!free(i)) continue;
    if (keep > 0) {
      keep--;
      continue;
    }
    uint32_t end = i;
    while (end < chunks_.size() && free(end)) end++;
    RVE_TRY(file_->punch(chunkOffset(layout_, i), uint64_t{end - i} * layout_.chunk_bytes));
    for (uint32_t j = i; j < end; j++) chunks_[j].state = State::kHole;
    i = end - 1;
  }
  return {};
}

SpaceUse SpaceMap::use() const {
  std::lock_guard lock(mutex_);
  SpaceUse use;
  use.chunk_count = chunks_.size() - 1;
  for (size_t i = 1; i < chunks_.size(); i++) {
    if (chunks_[i].pins > 0) {
      use.pinned++;
    } else if (chunks_[i].state != State::kHole) {
      use.free_allocated++;
    } else {
      use.holes++;
    }
  }
  return use;
}

bool SpaceMap::wasWritten(uint64_t offset) const {
  std::lock_guard lock(mutex_);
  const uint64_t chunk = (offset - chunkOffset(layout_, 1)) / layout_.chunk_bytes + 1;
  return chunk < chunks_.size() && chunks_[chunk].state == State::kWritten;
}

bool SpaceMap::isUnpinned(const Run& run) const {
  std::lock_guard lock(mutex_);
  for (uint32_t i = 0; i < run.chunks; i++) {
    if (chunks_[run.first_chunk + i].pins > 0) return false;
  }
  return true;
}

}  // namespace rve
