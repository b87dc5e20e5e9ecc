#include "storage/log.hpp"

#include <algorithm>

#include "base/mutation.hpp"

namespace rve {
namespace {

constexpr uint64_t kZeroAheadPages = 32;

}  // namespace

LogWriter::LogWriter(File* file, const Layout& layout, const Uuid& uuid, SpaceMap* space)
    : file_(file), layout_(layout), uuid_(uuid), space_(space), bridge_(layout) {}

// 1/16 of the file, between the two bounds: large enough that a seal can adopt a run whole.
uint32_t LogWriter::usualChunks() const {
  return std::clamp(space_->chunkCount() / 16, layout_.log_run_chunks_min,
                    layout_.log_run_chunks_max);
}

Status LogWriter::start() {
  RunPin first, next;
  RVE_TRY(space_->allocate(layout_.log_run_chunks_min, SpacePurpose::kSystem, &first));
  RVE_TRY(space_->allocate(layout_.log_run_chunks_min, SpacePurpose::kSystem, &next));
  RunHeader header;
  header.kind = RunKind::kLog;
  header.own = first.run();
  header.next = next.run();
  header.sequence = 1;
  header.epoch = position_.epoch;
  std::vector<std::byte> page(layout_.page_bytes);
  encodeRunHeader(header, uuid_, page);
  RVE_TRY(file_->write(runOffset(layout_, first.run()), page));
  bytes_written_ += page.size();
  runs_.push_back({first, 0, 1});
  ahead_.push_back(next);
  position_.in_run = layout_.page_bytes;
  return {};
}

void LogWriter::adoptRun(const Run& run, uint64_t first_lsn, uint64_t sequence) {
  runs_.push_back({RunPin(space_, run), first_lsn, sequence});
}

void LogWriter::resume(const LogPosition& position, const Run& next) {
  position_ = position;
  if (RVE_MUTATED(kEpochNotRaised)) {
    position_.epoch = position.epoch > 1 ? position.epoch - 1 : 1;
    position_.first_of_epoch = false;
  }
  ahead_.clear();
  ahead_.push_back(RunPin(space_, next));
}

uint64_t LogWriter::room() const { return runBytes(layout_, openRun()) - position_.in_run; }

Status LogWriter::reserveAhead(SpacePurpose purpose, RunPin* out) {
  const Status status = space_->allocate(usualChunks(), purpose, out);
  return status.ok() ? status : space_->allocate(1, purpose, out);  // little space left
}

Status LogWriter::ensureRoom(uint32_t bytes, SpacePurpose purpose) {
  if (bytes <= room()) return {};
  const uint64_t with_header = uint64_t{bytes} + layout_.page_bytes;
  const uint32_t chunks = static_cast<uint32_t>(divideUp(with_header, layout_.chunk_bytes));
  if (with_header > runBytes(layout_, ahead_[0].run())) {
    // The named successor is too small for this group: it gets a NOOP group that only leads on.
    if (ahead_.size() >= 2 && with_header > runBytes(layout_, ahead_[1].run())) ahead_.resize(1);
    if (ahead_.size() < 2) {
      RunPin big;
      RVE_TRY(space_->allocate(chunks, purpose, &big));
      ahead_.push_back(std::move(big));
    }
    if (ahead_.size() >= 3) return {};
  } else if (ahead_.size() >= 2) {
    return {};
  }
  RunPin last;
  RVE_TRY(reserveAhead(purpose, &last));
  if (RVE_MUTATED(kNextRunNotReserved)) last = RunPin::unheld(last.run());
  ahead_.push_back(std::move(last));
  return {};
}

// Opens the named successor. Its header page rides in the window of its first group.
Status LogWriter::roll() {
  RVE_ASSERT(ahead_.size() >= 2);
  LogRun next{ahead_[0], position_.lsn, runs_.back().sequence + 1};
  ahead_.pop_front();
  RunHeader header;
  header.kind = RunKind::kLog;
  header.own = next.pin.run();
  header.next = ahead_[0].run();
  header.sequence = next.sequence;
  header.epoch = position_.epoch;
  header.first_lsn = next.first_lsn;
  std::vector<std::byte> page(layout_.page_bytes);
  encodeRunHeader(header, uuid_, page);
  RVE_TRY(file_->write(runOffset(layout_, next.pin.run()), page));
  bytes_written_ += page.size();
  runs_.push_back(std::move(next));
  position_.in_run = layout_.page_bytes;
  zeroed_to_ = 0;
  return {};
}

Status LogWriter::zeroAhead() {
  const uint64_t at = runOffset(layout_, openRun()) + position_.in_run;
  if (position_.in_run < zeroed_to_ || room() == 0 || space_->wasWritten(at)) return {};
  const std::vector<std::byte> zeroes(std::min(room(), kZeroAheadPages * layout_.page_bytes));
  RVE_TRY(file_->write(at, zeroes));
  bytes_written_ += zeroes.size();
  zeroed_to_ = position_.in_run + zeroes.size();
  return {};
}

Status LogWriter::writeGroup(Bytes group) {
  const uint64_t at = runOffset(layout_, openRun()) + position_.in_run;
  const bool follows = position_.in_run > layout_.page_bytes;
  if (RVE_MUTATED(kPartialPageRewritten) && follows) {
    const uint64_t page = layout_.page_bytes;
    std::vector<std::byte> both(page + group.size());
    std::copy_n(file_->view() + at - page, page, both.begin());
    std::copy(group.begin(), group.end(), both.begin() + static_cast<std::ptrdiff_t>(page));
    return file_->write(at - page, both);
  }
  return file_->write(at, group);
}

Status LogWriter::writeBridge() {
  bridge_.reset();
  RecordHeader record;
  record.type = RecordType::kNoop;
  uint32_t record_at = 0;
  bridge_.begin(record, 8, &record_at);
  bridge_.end();
  GroupPlace place;
  RVE_TRY(write(&bridge_, wall_ms_, position_.logical_ms, &place));
  return sync();
}

Status LogWriter::write(GroupBuilder* builder, int64_t wall_ms, uint64_t logical_ms,
                        GroupPlace* place) {
  wall_ms_ = wall_ms;
  position_.logical_ms = logical_ms;
  const uint32_t bytes = builder->paddedWith(0);
  if (bytes > room()) {
    RVE_TRY(roll());
    if (bytes > room()) {
      RVE_TRY(writeBridge());
      RVE_TRY(roll());
    }
    RVE_ASSERT(bytes <= room());
  }
  GroupHeader header;
  header.epoch = position_.epoch;
  header.lsn = position_.lsn;
  header.durable_lsn = position_.durable_lsn;
  if (RVE_MUTATED(kDurableLsnAhead)) header.durable_lsn = position_.lsn + bytes;
  header.previous_crc = position_.previous_crc;
  header.flags = position_.first_of_epoch ? kGroupFirstOfEpoch : 0;
  header.logical_ms = logical_ms;
  header.wall_ms = wall_ms;
  const Bytes group = builder->seal(&header);
  place->lsn = position_.lsn;
  place->offset = runOffset(layout_, openRun()) + position_.in_run;
  place->length = bytes;
  place->header_crc = header.header_crc;
  RVE_TRY(writeGroup(group));
  position_.lsn += bytes;
  position_.in_run += bytes;
  position_.previous_crc = header.header_crc;
  position_.first_of_epoch = false;
  bytes_written_ += bytes;
  groups_++;
  return {};
}

Status LogWriter::sync() {
  if (position_.durable_lsn == position_.lsn) return {};
  if (!RVE_MUTATED(kAckBeforeSync)) {
    Status status = file_->sync();
    if (!status.ok() && RVE_MUTATED(kRetryAfterFailedSync)) status = file_->sync();
    if (!status.ok()) return status;
  }
  position_.durable_lsn = position_.lsn;
  return {};
}

bool LogWriter::windowIsFull(uint32_t bytes) const {
  const uint64_t waiting = position_.lsn - position_.durable_lsn;
  return waiting > 0 && waiting + bytes > layout_.group_bytes_max;
}

std::vector<LogRunEntry> LogWriter::runsFrom(uint64_t lsn) const {
  std::vector<LogRunEntry> entries;
  for (size_t i = 0; i < runs_.size(); i++) {
    const bool last = i + 1 == runs_.size();
    if (last || runs_[i + 1].first_lsn >= lsn) {
      entries.push_back({runs_[i].pin.run(), runs_[i].first_lsn});
    }
  }
  return entries;
}

RunPin LogWriter::pinAt(uint64_t offset) const {
  for (const LogRun& run : runs_) {
    const uint64_t from = runOffset(layout_, run.pin.run());
    if (offset >= from && offset < from + runBytes(layout_, run.pin.run())) return run.pin;
  }
  return {};
}

void LogWriter::release(uint64_t lsn) {
  const uint64_t end = RVE_MUTATED(kScanRunFreed) ? lsn + 1 : lsn;
  while (runs_.size() > 1 && runs_[1].first_lsn < end) runs_.pop_front();
}

uint32_t LogWriter::reservedChunks() const {
  uint32_t chunks = 0;
  for (const RunPin& pin : ahead_) chunks += pin.run().chunks;
  return chunks;
}

void LogWriter::trimAhead() { ahead_.resize(1); }

Status LogWriter::shrink() {
  const uint32_t small = layout_.log_run_chunks_min;
  const auto isSmall = [&] { return openRun().chunks <= small && ahead_[0].run().chunks <= small; };
  RVE_TRY(sync());
  ahead_.resize(1);
  // The named successor, where it is large, only leads on to the first small one.
  for (int rolls = 0; rolls < 2 && !isSmall(); ++rolls) {
    RunPin next;
    RVE_TRY(space_->allocate(small, SpacePurpose::kData, &next));
    ahead_.push_back(std::move(next));
    RVE_TRY(roll());
    RVE_TRY(writeBridge());
  }
  return {};
}

}  // namespace rve
