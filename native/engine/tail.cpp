#include "engine/tail.hpp"

#include <algorithm>

namespace rve {

TailBlock::TailBlock(uint64_t ordinal, std::shared_ptr<const BinaryCodec> code)
    : first_ordinal(ordinal), codec(std::move(code)) {
  for (auto& lsn : dead_lsn) lsn.store(kAlive, std::memory_order_relaxed);
  code_storage.resize(codec->bytesFor(kRows) + 64);
  codes = code_storage.data() + (64 - addressOf(code_storage.data()) % 64) % 64;
}

void TailBlock::pinRun(const RunPin& run) {
  // Only the committer changes the list, so it may look without the lock.
  if (!pins_.empty() && pins_.back().run() == run.run()) return;
  std::lock_guard lock(pins_mutex_);
  pins_.push_back(run);
}

std::vector<RunPin> TailBlock::pinnedRuns() const {
  std::lock_guard lock(pins_mutex_);
  return pins_;
}

TailRow tailRow(const TailBlocks& blocks, uint64_t ordinal) {
  RVE_ASSERT(!blocks.empty() && ordinal >= blocks.front()->first_ordinal);
  const uint64_t index = (ordinal - blocks.front()->first_ordinal) / TailBlock::kRows;
  RVE_ASSERT(index < blocks.size());
  TailBlock* block = blocks[static_cast<size_t>(index)].get();
  return {block, static_cast<uint32_t>(ordinal - block->first_ordinal)};
}

void Tail::beginGroup(const TailGroup& group) { groups_.push_back({group, end_}); }

uint64_t Tail::append(const PutView& put, uint32_t row, uint64_t record_at, const RunPin& run,
                      std::shared_ptr<const BinaryCodec> codec) {
  const uint64_t ordinal = end_;
  const bool need_block =
      blocks_->empty() || ordinal - blocks_->back()->first_ordinal >= TailBlock::kRows;
  if (need_block) {
    auto more = std::make_shared<TailBlocks>(*blocks_);
    more->push_back(std::make_shared<TailBlock>(ordinal, std::move(codec)));
    blocks_ = std::move(more);
  }
  TailBlock& block = *blocks_->back();
  const uint32_t at = static_cast<uint32_t>(ordinal - block.first_ordinal);
  block.pinRun(run);
  block.ids[at] = put.idOf(row);
  block.times[at] = put.timeOf(row);
  const uint64_t stride = uint64_t{put.shape.dims} * dtypeBytes(put.shape.dtype);
  block.vector_at[at] = record_at + put.at.matrix_at + stride * row;
  block.record_at[at] = record_at;
  uint32_t begin = 0, end = 0;
  put.payloadOf(row, &begin, &end);
  block.payload_at[at] = record_at + begin;
  block.payload_bytes[at] = end - begin;
  block.sources[at] = put.source;
  block.labels[at] = put.labelOf(row);
  block.norms[at] = put.normOf(row);
  block.dtypes[at] = put.shape.dtype;
  end_++;
  groups_.back().group.rows++;
  std::lock_guard lock(index_mutex_);
  index_[block.ids[at]] = ordinal;
  return ordinal;
}

void Tail::sealUpTo(uint64_t lsn) {
  uint64_t boundary = first_;
  while (!groups_.empty() && groups_.front().group.lsn < lsn) {
    boundary = groups_.front().first_ordinal + groups_.front().group.rows;
    groups_.pop_front();
  }
  {
    std::lock_guard lock(index_mutex_);
    for (uint64_t ordinal = first_; ordinal < boundary; ordinal++) {
      const TailRow row = tailRow(*blocks_, ordinal);
      if (row.block->dead_lsn[row.at].load(std::memory_order_relaxed) != kAlive) dead_--;
      const auto found = index_.find(row.block->ids[row.at]);
      if (found != index_.end() && found->second == ordinal) index_.erase(found);
    }
  }
  first_ = boundary;
  auto rest = std::make_shared<TailBlocks>();
  for (const auto& block : *blocks_) {
    const uint64_t block_end = std::min(block->first_ordinal + TailBlock::kRows, end_);
    if (block_end > first_) rest->push_back(block);
  }
  blocks_ = std::move(rest);
}

uint64_t Tail::find(uint64_t id) const {
  std::lock_guard lock(index_mutex_);
  const auto found = index_.find(id);
  return found == index_.end() ? kAlive : found->second;
}

void Tail::erase(uint64_t id) {
  std::lock_guard lock(index_mutex_);
  index_.erase(id);
}

}  // namespace rve
