#include "engine/version.hpp"

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>

namespace rve {
namespace {

// Marks a slot as taken before its Version is known. Never dereferenced.
const Version* reservedMark() {
  static const Version mark;
  return &mark;
}

}  // namespace

VersionHold& VersionHold::operator=(VersionHold&& other) noexcept {
  if (this != &other) {
    reset();
    slot_ = std::exchange(other.slot_, nullptr);
    version_ = std::exchange(other.version_, nullptr);
  }
  return *this;
}

void VersionHold::reset() {
  if (slot_ != nullptr) slot_->store(nullptr, std::memory_order_release);
  slot_ = nullptr;
  version_ = nullptr;
}

Versions::~Versions() {
  for (const Slot& slot : slots_) RVE_ASSERT(slot.version.load() == nullptr);
}

void Versions::publish(std::unique_ptr<const Version> version) {
  current_.store(version.get(), std::memory_order_seq_cst);
  owned_.push_back(std::move(version));
  collect();
}

VersionHold Versions::hold() {
  // Threads start at different slots, so that they rarely meet.
  const size_t start = std::hash<std::thread::id>()(std::this_thread::get_id());
  for (size_t i = 0;; i++) {
    std::atomic<const Version*>& slot = slots_[(start + i) % kReaderSlotsMax].version;
    const Version* expected = nullptr;
    if (!slot.compare_exchange_strong(expected, reservedMark(), std::memory_order_seq_cst)) {
      if (i % kReaderSlotsMax == kReaderSlotsMax - 1) std::this_thread::yield();
      continue;
    }
    VersionHold hold;
    hold.slot_ = &slot;
    // Announce, then look again: if it is still current, collect() cannot have missed the
    // announcement.
    for (;;) {
      const Version* version = current_.load(std::memory_order_seq_cst);
      slot.store(version, std::memory_order_seq_cst);
      if (current_.load(std::memory_order_seq_cst) == version) {
        hold.version_ = version;
        return hold;
      }
    }
  }
}

uint64_t Versions::collect() {
  const Version* current = current_.load(std::memory_order_seq_cst);
  if (current == nullptr) return 0;
  std::vector<const Version*> held;
  for (const Slot& slot : slots_) {
    const Version* version = slot.version.load(std::memory_order_seq_cst);
    if (version != nullptr && version != reservedMark()) held.push_back(version);
  }
  uint64_t smallest = current->lsn;
  std::erase_if(owned_, [&](const std::unique_ptr<const Version>& v) {
    if (v.get() == current) return false;
    if (std::find(held.begin(), held.end(), v.get()) == held.end()) return true;
    smallest = std::min(smallest, v->lsn);
    return false;
  });
  return smallest;
}

}  // namespace rve
