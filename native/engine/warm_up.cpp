#include "engine/warm_up.hpp"

#include <algorithm>
#include <utility>

#include "base/low_priority.hpp"

namespace rve {
namespace {

// 64 MiB a second at most.
constexpr size_t kPieceBytes = 128 << 10;
constexpr auto kPause = std::chrono::milliseconds(2);
// The query that a memory was opened for comes first.
constexpr auto kFirstPause = std::chrono::milliseconds(100);

}  // namespace

WarmUp::WarmUp(File* file, std::vector<FileRange> ranges)
    : file_(file), ranges_(std::move(ranges)), thread_([this] { run(); }) {}

void WarmUp::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool WarmUp::isStoppedWithin(std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  return wakeup_.wait_for(lock, pause, [this] { return stopping_; });
}

void WarmUp::run() {
  lowerPriority();
  if (ranges_.empty() || isStoppedWithin(kFirstPause)) return;
  std::vector<std::byte> piece(kPieceBytes);
  for (const FileRange& range : ranges_) {
    for (uint64_t done = 0; done < range.bytes; done += kPieceBytes) {
      const auto bytes = static_cast<size_t>(std::min<uint64_t>(kPieceBytes, range.bytes - done));
      // What cannot be read is told by the query that needs it.
      if (!file_->read(range.offset + done, MutableBytes(piece).first(bytes)).ok()) return;
      bytes_.fetch_add(bytes, std::memory_order_relaxed);
      if (isStoppedWithin(kPause)) return;
    }
  }
}

}  // namespace rve
