#include "test/torture/torture_calls.hpp"

#include "test/crash/checker.hpp"

namespace rve::test {

namespace {

constexpr uint32_t kLiveMax = 400;
constexpr uint32_t kSerialsPerLife = 1 << 18;  // 1,024 lives before a vector comes again.

}  // namespace

TortureCalls::TortureCalls(uint64_t seed, Model* model)
    : rng_(seed), model_(model), boot_(static_cast<uint32_t>(seed)),
      serial_(static_cast<uint32_t>(seed % 1024) * kSerialsPerLife) {}

std::vector<uint64_t> TortureCalls::someIds(uint32_t count_max) {
  std::set<uint64_t> ids;
  const auto& live = model_->now().live;
  for (uint64_t i = 1 + rng_.below(count_max); i > 0; --i) {
    auto at = live.lower_bound(rng_.below(model_->now().next_id + 1));
    ids.insert(at == live.end() ? rng_.below(model_->now().next_id + 1) : at->first);
  }
  return {ids.begin(), ids.end()};
}

ModelCall TortureCalls::insert() {
  static const char* const kSources[] = {"", "arm", "gate", "pump"};
  ModelCall call;
  call.source = kSources[rng_.below(4)];
  call.boot = boot_;
  const uint64_t dice = rng_.below(100);
  const bool sequenced = !call.source.empty() && dice < 50;
  const int64_t time_ms = 1'700'000'000'000 + static_cast<int64_t>(rng_.below(1'000'000));
  if (!sequenced && dice < 75) {
    for (const uint64_t id : someIds(5)) {
      ModelRow row = makeRow(serial_++, call.source, time_ms);
      row.has_id = true;
      row.id = id;
      call.rows.push_back(std::move(row));
    }
    return call;
  }
  // Now and then an old sequence of this life again: a broker's redelivery.
  const uint64_t rows = 1 + rng_.below(24);
  const uint64_t first =
      sequenced && sequence_ > 64 && rng_.chance(15) ? sequence_ - 1 - rng_.below(64) : sequence_;
  for (uint64_t i = 0; i < rows; ++i) {
    ModelRow row = makeRow(serial_++, call.source, time_ms);
    row.has_sequence = sequenced;
    row.sequence = first + i;
    call.rows.push_back(std::move(row));
  }
  if (sequenced) sequence_ = std::max(sequence_, first + rows);
  return call;
}

ModelCall TortureCalls::next(State::Effect* effect) {
  ModelCall call;
  const bool crowded = model_->now().live.size() > kLiveMax;
  const uint64_t dice = rng_.below(100);
  if (dice < 2) {
    call.kind = CallKind::kForgetSource;
    call.source = "gate";
  } else if (dice < (crowded ? 60u : 20u)) {
    call.kind = CallKind::kForget;
    call.ids = someIds(crowded ? 60 : 6);
  } else {
    call = insert();
  }
  call.atom = atom_++;
  model_->add(call, effect);
  return call;
}

}  // namespace rve::test
