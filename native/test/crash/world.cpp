#include "test/crash/world.hpp"

#include <algorithm>
#include <cstring>

#include "storage/layout.hpp"
#include "storage/slot.hpp"

namespace rve::test {

namespace {

constexpr uint32_t kLiveMax = 80;  // Above it the workload forgets more than it inserts.
const char* const kSources[] = {"pump-1", "pump-2", "arm", "gate"};

// Which slot copies verify, by slot A and B.
struct SlotsFound {
  uint64_t generation[2] = {};
  uint32_t intact[2] = {};  // bit 0: first copy, bit 1: second
};

SlotsFound findSlots(Bytes file, const Layout& layout) {
  SlotsFound found;
  for (uint32_t which = 0; which < 2; ++which) {
    for (uint32_t copy = 0; copy < 2; ++copy) {
      const Bytes page = file.subspan(slotOffset(layout, which, copy), layout.page_bytes);
      Uuid uuid;
      std::memcpy(&uuid, page.data() + 16, sizeof(uuid));
      Slot slot;
      if (!decodeSlot(page, uuid, &slot).ok()) continue;
      found.generation[which] = std::max(found.generation[which], slot.generation);
      found.intact[which] |= 1u << copy;
    }
  }
  return found;
}

}  // namespace

void Tally::add(const Tally& o) {
  states += o.states, repeats += o.repeats, kills += o.kills, rots += o.rots, probes += o.probes;
  moments += o.moments, lives += o.lives, calls += o.calls, faults += o.faults;
  freezes += o.freezes, links += o.links, compactions += o.compactions, recompressions += o.recompressions,
      checkpoints += o.checkpoints;
}

World::World(const Setup& setup, const WorldOptions& options, uint64_t seed)
    : setup_(setup),
      options_(options),
      life_setup_(setup),
      checker_(life_setup_),
      seed_(seed),
      rng_(seed),
      engine_rng_(seed ^ 0x5eed),
      disk_(setup.disk, seed + 1),
      trial_(setup.disk, seed + 2),
      captured_disk_(setup.disk, seed + 3) {
  for (uint32_t i = 0; i < 3; ++i) {
    senders_.push_back({kSources[i], static_cast<uint32_t>(rng_.next()), 0, {}});
  }
  disk_.after_change = [this](SimCall call) { onChange(call); };
  life_setup_.options.tuning.on_step = [this] {
    if (watching_ && !broken() && in_maintain_ && options_.edits_in_flight && rng_.chance(40)) {
      editInFlight();
    }
  };
}

void World::run(uint64_t states_max) {
  states_max_ = states_max;
  for (life_ = 0; life_ < options_.lives && !broken() && tally_.states < states_max_; ++life_) {
    runLife();
  }
  disk_.after_change = nullptr;
  driver_.reset();
  engine_.reset();
}

void World::fail(const std::string& what, const SimDisk& disk) {
  if (broken()) return;
  violation_ = what + "\n  in seed " + std::to_string(seed_) + ", life " + std::to_string(life_) +
               ", step " + std::to_string(step_) + ", while " + doing_ +
               "; last disk calls of the store:\n" + disk_.trace() +
               (&disk == &disk_ ? "" : "of the reopened copy:\n" + disk.trace());
}

// --- one life ---

void World::runLife() {
  ++tally_.lives;
  captured_.some = false;
  captures_ = 0;
  step_ = 0;
  disk_.forgetFault();
  const uint64_t level = rng_.below(20);
  life_setup_.options.durability = level < 14   ? Durability::kGroup
                                   : level < 16 ? Durability::kSync
                                   : level < 19 ? Durability::kInterval
                                                : Durability::kBuffered;
  static constexpr double kRatios[] = {0, 0.3, 2, 8};
  life_setup_.options.tiers.bytes_ratio_max = kRatios[rng_.below(std::size(kRatios))];
  faulty_ = created_ && rng_.chance(options_.fault_percent);
  if (!open()) return;
  redeliverLost();
  if (faulty_) planFault();
  const uint64_t steps = 5 + rng_.below(options_.steps_max - 4);
  for (; step_ < steps && !broken() && tally_.states < states_max_ && !driver_->refused();
       ++step_) {
    step();
    if (!broken() && !driver_->violation().empty()) fail(driver_->violation(), disk_);
  }
  if (driver_->refused() && !disk_.failed()) fail("the store refuses calls without a fault", disk_);
  if (disk_.failed() && !broken()) afterFault();
  if (!broken()) endLife();
}

bool World::open() {
  doing_ = "opening";
  watching_ = true;
  const Status status = checker_.open(&disk_, &clock_, &engine_rng_, &engine_);
  if (!status.ok()) {
    fail(std::string("open() answers ") + codeName(status.code()) + ' ' + status.message(), disk_);
    return false;
  }
  created_ = true;
  driver_ = std::make_unique<Driver>(engine_.get(), &model_, life_setup_.options.durability);
  return true;
}

void World::planFault() {
  static constexpr SimCall kCalls[] = {SimCall::kSync, SimCall::kSync, SimCall::kWrite};
  disk_.failAt(kCalls[rng_.below(3)], rng_.below(40), Code::kIo, rng_.chance(30));
  ++tally_.faults;
}

// After the first failed write or sync nothing more may be accepted (R9).
void World::afterFault() {
  doing_ = "writing after a device fault";
  disk_.failNever();
  ModelCall call = insertNew();
  const uint64_t acked = model_.killFloor();
  driver_->submit(call);
  driver_->pump();
  if (model_.killFloor() > acked) {
    fail("a call is acknowledged after a failed write or sync", disk_);
  }
}

// Chooses how this life ends and what the next one finds.
void World::endLife() {
  doing_ = "ending a life";
  const uint64_t dice = rng_.below(20);
  End end = disk_.failed() ? (dice < 12 ? End::kKill : End::kCut)
                           : dice < 11 ? End::kCut : dice < 15 ? End::kKill : End::kClose;
  if (end == End::kClose) {
    while (driver_->queued() > 0) driver_->pump();
    const Status status = engine_->close();
    if (status.ok() && !driver_->refused()) model_.acked(model_.made(), true);
    else if (disk_.failed()) end = End::kKill;
    else fail("close() answers " + status.message(), disk_);
  }
  const bool fault = disk_.failed();
  if (fault || !captured_.some) {
    captured_disk_.copyFrom(disk_);
    captured_.model = model_;
    captured_.choice = randomChoice(disk_, rng_);
  }
  watching_ = false;
  if (!driver_->violation().empty()) fail(driver_->violation(), disk_);
  driver_.reset();
  engine_.reset();
  if (broken()) return;
  if (end != End::kClose) {
    disk_.copyFrom(captured_disk_);
    model_ = captured_.model;
    if (end == End::kCut) disk_.cutPower(captured_.choice);
  }
  // What the next life finds is checked on a copy, and becomes the model's truth.
  trial_.copyFrom(disk_);
  Found found;
  const uint64_t floor = end == End::kKill && !fault ? model_.killFloor() : model_.floor();
  doing_ = end == End::kKill  ? "reopening after SIGKILL"
           : end == End::kCut ? "reopening after a power cut"
                              : "reopening after close";
  const std::string wrong = checker_.check(&trial_, model_, floor, Depth{true}, rng_, &found);
  if (!wrong.empty()) {
    fail(wrong, trial_);
    return;
  }
  for (ModelCall& call : model_.callsAfter(found.match.high)) {
    if (call.kind == CallKind::kInsert && call.rows.front().has_sequence) lost_.push_back(call);
  }
  model_.recovered(found.match, end != End::kKill, found.next_id);
}

// --- moments ---

void World::onChange(SimCall) {
  if (!watching_ || broken()) return;
  capture();
  if (disk_.changes() > 0 && rng_.chance(options_.moment_percent)) visit();
}

// Reservoir of one: every moment of the life is the captured one with equal probability.
void World::capture() {
  if (disk_.failed() || rng_.below(++captures_) != 0) return;
  if (!created_) return;
  captured_disk_.copyFrom(disk_);
  captured_.some = true;
  captured_.model = model_;
  captured_.choice = randomChoice(disk_, rng_);
}

bool World::fresh(uint64_t image, uint64_t floor) {
  if (!checked_.insert(image * 0x9e3779b97f4a7c15ull + floor).second) return false;
  if (images_.insert(image).second) ++tally_.states;
  else ++tally_.repeats;
  return true;
}

void World::visit() {
  ++tally_.moments;
  visitCuts();
  if (!broken() && rng_.chance(options_.kill_percent)) visitKill();
  if (!broken() && disk_.pendingSectors().empty() && rng_.chance(options_.rot_percent)) visitRot();
}

void World::visitCuts() {
  for (const CrashChoice& choice : crashChoices(disk_, options_.choices, rng_)) {
    trial_.copyFrom(disk_);
    trial_.cutPower(choice);
    if (!fresh(trial_.durableHash(), model_.floor())) continue;
    Depth depth;
    depth.deep = rng_.chance(options_.deep_percent);
    depth.probe = rng_.chance(options_.probe_percent);
    depth.may_write_first = !created_;
    if (depth.probe) ++tally_.probes;
    Found found;
    const std::string wrong = checker_.check(&trial_, model_, model_.floor(), depth, rng_, &found);
    if (wrong.empty()) continue;
    fail("after a power cut: " + wrong, trial_);
    return;
  }
}

// SIGKILL: nothing is lost from the page cache, and nothing in it is durable. The power goes later
// (R10).
void World::visitKill() {
  trial_.copyFrom(disk_);
  Depth depth;
  depth.probe = true;
  depth.may_write_first = !created_;
  ++tally_.kills;
  // Below the levels of power loss, what a failed sync dropped may be gone from the device for
  // good.
  const uint64_t floor = disk_.failed() ? model_.floor() : model_.killFloor();
  Found found;
  const std::string wrong = checker_.check(&trial_, model_, floor, depth, rng_, &found);
  if (!wrong.empty()) fail("after SIGKILL: " + wrong, trial_);
}

// The newest slot rots: one copy, the other, or both. What is left must lead to the same state
// (R6). A second fault is not asked for: where a crash has already torn the older slot, one copy of
// the newest is spared.
void World::visitRot() {
  if (!created_ || disk_.failed()) return;
  trial_.copyFrom(disk_);
  trial_.cutPower();
  const SlotsFound slots = findSlots(trial_.peek(setup_.path), setup_.options.layout);
  const uint32_t newest = slots.generation[0] > slots.generation[1] ? 0 : 1;
  uint32_t victims = 1 + static_cast<uint32_t>(rng_.below(3));
  if (victims == 3 && slots.intact[1 - newest] == 0) victims = 1;
  if ((slots.intact[newest] & ~victims) == 0 && slots.intact[1 - newest] == 0) return;
  for (uint32_t copy = 0; copy < 2; ++copy) {
    if ((victims >> copy & 1) == 0) continue;
    const uint64_t offset = slotOffset(setup_.options.layout, newest, copy) + rng_.below(128);
    const std::byte rotten =
        trial_.peek(setup_.path)[offset] ^ static_cast<std::byte>(1 + rng_.below(255));
    trial_.poke(setup_.path, offset, {&rotten, 1});
  }
  if (!fresh(trial_.durableHash() ^ (slots.generation[newest] << 8 | victims), model_.floor())) {
    return;
  }
  ++tally_.rots;
  Depth depth;
  depth.rot = true;
  depth.probe = rng_.chance(30);
  Found found;
  const std::string wrong = checker_.check(&trial_, model_, model_.floor(), depth, rng_, &found);
  if (wrong.empty()) return;
  fail("with the newest slot rotten (copies " + std::to_string(victims) + "): " + wrong, trial_);
}

// --- steps ---

void World::step() {
  clock_.advanceMs(rng_.below(50));
  const uint64_t dice = rng_.below(100);
  const bool crowded = model_.now().live.size() > kLiveMax;
  if (dice < 20) {
    stepMaintain();
  } else if (dice < (crowded ? 70 : 36)) {
    stepForget();
  } else {
    stepInsert();
  }
  if (broken() || driver_->refused()) return;
  if (driver_->queued() > 0 && (driver_->queued() >= 3 || rng_.chance(60))) {
    doing_ = "pumping " + std::to_string(driver_->queued()) + " calls";
    driver_->pump();
    if (rng_.chance(10)) driver_->waitDurable();
    driver_->noteDurable();
    if (driver_->full()) fail("a roomy store says that it is full", disk_);
  }
  // A buffered call is acknowledged before its group is written: where that failed, the memory does
  // not hold it.
  const bool told_too_much =
      disk_.failed() && life_setup_.options.durability == Durability::kBuffered;
  if (!driver_->refused() && driver_->queued() == 0 && !told_too_much && rng_.chance(8)) {
    doing_ = "comparing the running memory";
    const std::string wrong = checker_.compare(engine_.get(), model_.now(), rng_);
    if (!wrong.empty()) fail(wrong, disk_);
  }
}

ModelRow World::row(const std::string& source) {
  return makeRow(next_serial_++, source,
                 clock_.wallMs() - static_cast<int64_t>(rng_.below(100'000)));
}

ModelCall World::insertNew() {
  ModelCall call;
  const std::string source = rng_.chance(30) ? "" : kSources[rng_.below(4)];
  const uint64_t rows = 1 + rng_.below(4);
  for (uint64_t i = 0; i < rows; ++i) call.rows.push_back(row(source));
  return call;
}

// New sequences, sometimes skipping one that comes late; or a redelivery of known ones.
ModelCall World::insertSequence() {
  Sender& sender = senders_[rng_.below(senders_.size())];
  ModelCall call;
  call.source = sender.source;
  call.boot = sender.boot;
  uint64_t first = sender.next_sequence;
  uint64_t rows = 1 + rng_.below(3);
  const auto known = model_.now().known.find({sender.source, sender.boot});
  if (rng_.chance(30) && known != model_.now().known.end() && !known->second.empty()) {
    auto at = known->second.begin();
    std::advance(at, static_cast<ptrdiff_t>(rng_.below(known->second.size())));
    first = *at;
    rows = 1;
  } else if (!sender.late.empty() && rng_.chance(40)) {
    first = sender.late.back();
    sender.late.pop_back();
    rows = 1;
  } else {
    if (rng_.chance(20)) sender.late.push_back(first++);
    sender.next_sequence = first + rows;
  }
  for (uint64_t i = 0; i < rows; ++i) {
    ModelRow fresh_row = row(sender.source);
    fresh_row.has_sequence = true;
    fresh_row.sequence = first + i;
    call.rows.push_back(std::move(fresh_row));
  }
  return call;
}

std::vector<uint64_t> World::someIds(uint32_t count_max) {
  std::set<uint64_t> ids;
  const auto& live = model_.now().live;
  const uint64_t count = 1 + rng_.below(count_max);
  for (uint64_t i = 0; i < count; ++i) {
    if (live.empty() || rng_.chance(12)) {
      ids.insert(rng_.below(model_.now().next_id + 2));
      continue;
    }
    auto at = live.begin();
    std::advance(at, static_cast<ptrdiff_t>(rng_.below(live.size())));
    ids.insert(at->first);
  }
  return {ids.begin(), ids.end()};
}

ModelCall World::insertGiven() {
  ModelCall call;
  const std::string source = rng_.chance(30) ? "" : kSources[rng_.below(4)];
  for (const uint64_t id : someIds(4)) {
    ModelRow given = row(source);
    given.has_id = true;
    given.id = id;
    call.rows.push_back(std::move(given));
  }
  return call;
}

void World::stepInsert() {
  doing_ = "inserting";
  const uint64_t dice = rng_.below(100);
  ++tally_.calls;
  driver_->submit(dice < 40 ? insertNew() : dice < 65 ? insertSequence() : insertGiven());
}

void World::stepForget() {
  doing_ = "forgetting";
  ++tally_.calls;
  ModelCall call;
  if (rng_.chance(8)) {
    call.kind = CallKind::kForgetSource;
    call.source = kSources[rng_.below(4)];
  } else {
    call.kind = CallKind::kForget;
    call.ids = someIds(6);
  }
  driver_->submit(std::move(call));
}

void World::stepMaintain() {
  static constexpr Job kJobs[] = {Job::kFreeze,     Job::kFreeze,     Job::kLink,     Job::kCompact,
                                  Job::kCheckpoint, Job::kCheckpoint, Job::kShrinkLog,
                                  Job::kRecompress, Job::kRecompress};
  static const char* const kNames[] = {"freezing", "linking", "compacting", "checkpointing",
                                       "shrinking the log", "recompressing"};
  const Job job = kJobs[rng_.below(std::size(kJobs))];
  doing_ = kNames[static_cast<size_t>(job)];
  if (driver_->queued() > 0) driver_->pump();
  if (driver_->refused()) return;
  bool did = false;
  in_maintain_ = job == Job::kFreeze || job == Job::kCompact || job == Job::kRecompress;
  // An hour more or less: what is seldom asked for cools from tier to tier.
  if (job == Job::kRecompress) engine_->setHeatNow(heat_now_ms_ += rng_.below(2 * 3'600'000) + 1);
  const Status status = engine_->maintain(job, &did);
  in_maintain_ = false;
  if (!status.ok() && !disk_.failed()) {
    fail("maintain() answers " + status.message(), disk_);
    return;
  }
  switch (job) {
    case Job::kFreeze: tally_.freezes += did; break;
    case Job::kLink: tally_.links += did; break;
    case Job::kCompact: tally_.compactions += did; break;
    case Job::kCheckpoint: tally_.checkpoints += did; break;
    case Job::kShrinkLog: break;
    case Job::kRecompress: tally_.recompressions += did; break;
  }
  driver_->noteDurable();
}

// What the committer thread does beside a freeze or a compaction: calls are accepted and committed
// while the parts are being written, so that rows of the job's own output die (or are superseded)
// under way.
void World::editInFlight() {
  in_maintain_ = false;
  const std::string was = doing_;
  doing_ += ", with calls in flight";
  stepForget();
  if (rng_.chance(50)) driver_->submit(insertGiven());
  driver_->pump();
  doing_ = was;
  in_maintain_ = true;
}

// A client that saw no acknowledgement sends again.
void World::redeliverLost() {
  doing_ = "redelivering";
  for (ModelCall& call : lost_) {
    for (ModelRow& r : call.rows) r.has_id = false;
    if (rng_.chance(70)) driver_->submit(call);
    if (driver_->queued() > 2 || rng_.chance(50)) driver_->pump();
  }
  lost_.clear();
  if (driver_->queued() > 0) driver_->pump();
}

}  // namespace rve::test
