#include "test/crash/directed.hpp"

#include "test/crash/rig.hpp"

namespace rve::test {

namespace {

// R7. Fills a small store to the brim, again and again. It must always be able to forget and to
// checkpoint, and after forgetting nearly all it must take inserts again.
std::string fullStoreOf(const OpenFunction& open, uint64_t bytes) {
  Rig rig(open);
  rig.setup.options.layout.file_bytes_max = bytes;
  rig.setup.options.tuning.freeze_rows = 8;
  if (!rig.open()) return rig.wrong;
  for (int cycle = 0; cycle < 5; ++cycle) {
    Rig& r = rig;
    r.driver = std::make_unique<Driver>(r.engine.get(), &r.model, Durability::kGroup);
    for (int i = 0; i < 4000 && !r.driver->full() && !r.driver->refused(); ++i) {
      r.commit(r.rows(3));
      if (i % 8 == 7) {
        bool did = false;
        for (const Job job : {Job::kFreeze, Job::kCompact, Job::kCheckpoint}) {
          const Status status = r.engine->maintain(job, &did);
          if (!status.ok() && status.code() != Code::kNoSpace) {
            return "maintain() answers " + status.message();
          }
        }
      }
    }
    if (!r.driver->full()) return "a store of " + std::to_string(bytes) + " bytes never fills";
    bool did = false;
    const Status first = r.engine->maintain(Job::kCheckpoint, &did);
    if (!first.ok()) return "a full store cannot checkpoint: " + first.message();
    while (r.model.now().live.size() > 4) {
      ModelCall forget;
      forget.kind = CallKind::kForget;
      for (const auto& [id, record] : r.model.now().live) {
        if (forget.ids.size() < 32 && forget.ids.size() + 4 < r.model.now().live.size()) {
          forget.ids.push_back(id);
        }
      }
      // Refused once, it goes as soon as what is dead by then has been dropped.
      bool forgotten = false;
      for (int attempt = 0; attempt < 3 && !forgotten; ++attempt) {
        Driver one(r.engine.get(), &r.model, Durability::kGroup);
        one.submit(forget);
        one.pump();
        forgotten = !one.full() && !one.refused();
        if (!one.violation().empty()) return one.violation();
        for (int i = 0; i < 4 && !forgotten; ++i) {
          (void)r.engine->maintain(Job::kCompact, &did).ok();
          const Status status = r.engine->maintain(Job::kCheckpoint, &did);
          if (!status.ok()) return "a full store cannot checkpoint: " + status.message();
        }
      }
      if (!forgotten) return "a full store cannot forget";
    }
    bool room = false;
    for (int i = 0; i < 40 && !room; ++i) {
      for (const Job job : {Job::kFreeze, Job::kCompact}) (void)r.engine->maintain(job, &did).ok();
      const Status status = r.engine->maintain(Job::kCheckpoint, &did);
      if (!status.ok()) {
        return "a full store cannot checkpoint after forgetting: " + status.message();
      }
      Driver again(r.engine.get(), &r.model, Durability::kGroup);
      again.submit(r.rows(3));
      again.pump();
      room = !again.full();
      if (!again.violation().empty()) return again.violation();
    }
    if (!room) return "a full store takes no inserts although nearly all was forgotten";
    if (!r.driver->violation().empty()) return r.driver->violation();
  }
  return rig.cutAndCheck();
}

// Where the brim meets the end of a run decides which of the reserves is asked: many sizes, a chunk
// or more apart.
std::string fullStore(const OpenFunction& open) {
  for (uint64_t kib = 64; kib < 200; kib += 2) {
    const std::string wrong = fullStoreOf(open, kib << 10);
    if (!wrong.empty()) return wrong + " (" + std::to_string(kib) + " KiB)";
  }
  return "";
}

// R8. Two groups in one window; the first is lost, the second reaches the device. The client sends
// the first one again, byte for byte. The stale second group lies right behind it and must not come
// back to life.
std::string staleGroup(const OpenFunction& open) {
  Rig rig(open, Durability::kInterval);
  if (!rig.open()) return rig.wrong;
  rig.commit(rig.rows(2));
  rig.driver->waitDurable();
  const ModelCall a = rig.sequenced(10, 2), b = rig.sequenced(20, 2);
  const size_t begin = rig.disk.pendingSectors().size();
  rig.commit(a);
  const size_t middle = rig.disk.pendingSectors().size();
  rig.commit(b);
  const size_t end = rig.disk.pendingSectors().size();
  if (begin == middle || middle == end) return "the level kInterval syncs each group";
  rig.copy.copyFrom(rig.disk);
  CrashChoice choice;
  choice.sizes = true;
  choice.sectors.assign(end, Fate::kApplied);
  for (size_t i = begin; i < middle; ++i) choice.sectors[i] = Fate::kLost;
  rig.copy.cutPower(choice);
  if (!rig.reopenCopy(rig.model.floor(), true)) return rig.wrong;
  rig.commit(a);
  rig.driver->waitDurable();
  return rig.cutAndCheck();
}

// R8. A torn group is cut, and the next life writes over it. Of that write only the end reaches the
// device: zero padding, just what the torn group lacked. The call that was gone must not come back.
std::string tornGroup(const OpenFunction& open) {
  Rig rig(open);
  if (!rig.open()) return rig.wrong;
  rig.commit(rig.rows(4));
  const auto tear = [&rig](uint64_t id, bool only_end) {
    ModelCall call;
    call.kind = CallKind::kForget;
    call.ids = {id};
    CrashChoice choice;
    rig.disk.after_change = [&](SimCall change) {
      if (change != SimCall::kWrite) return;
      rig.copy.copyFrom(rig.disk);
      const auto& pending = rig.disk.pendingSectors();
      choice.sectors.assign(pending.size(), only_end ? Fate::kLost : Fate::kApplied);
      choice.sectors.back() = only_end ? Fate::kApplied : Fate::kGarbage;
    };
    rig.driver->submit(call);
    const Model before = rig.model;
    rig.driver->pump();
    rig.disk.after_change = nullptr;
    rig.drop();
    rig.model = before;
    rig.copy.cutPower(choice);
  };
  tear(1, false);
  if (!rig.reopenCopy(rig.model.floor(), true)) return rig.wrong;
  if (rig.model.now().live.count(1) == 0) return "a torn group counts";
  tear(2, true);
  return rig.reopenCopy(rig.model.floor(), true) ? "" : rig.wrong;
}

// R9, for a slot. A checkpoint's last sync fails; after the restart the cache shows a slot that the
// device does not hold. Were it taken for the newest, the next checkpoint would tear the one that
// is really there.
std::string slotCleanButLost(const OpenFunction& open) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Rig rig(open, Durability::kGroup, seed);
    if (!rig.open()) return rig.wrong;
    bool did = false;
    for (int i = 0; i < 2; ++i) {
      rig.commit(rig.rows(2));
      if (!rig.engine->maintain(Job::kCheckpoint, &did).ok()) return "a checkpoint fails";
    }
    rig.commit(rig.rows(2));
    rig.disk.failAt(SimCall::kSync, 1, Code::kIo, false);
    if (rig.engine->maintain(Job::kCheckpoint, &did).ok()) {
      return "a checkpoint without its sync succeeds";
    }
    rig.copy.copyFrom(rig.disk);
    if (!rig.reopenCopy(rig.model.floor(), false)) return rig.wrong;
    rig.disk.forgetFault();
    rig.disk.after_change = [&rig](SimCall change) {
      if (change == SimCall::kWrite) rig.copy.copyFrom(rig.disk);
    };
    if (!rig.engine->maintain(Job::kCheckpoint, &did).ok()) {
      return "a checkpoint after a restart fails";
    }
    rig.disk.after_change = nullptr;
    rig.drop();
    CrashChoice choice;
    choice.sectors.assign(rig.copy.pendingSectors().size(), Fate::kGarbage);
    rig.copy.cutPower(choice);
    if (!rig.reopenCopy(rig.model.floor(), true)) return rig.wrong;
  }
  return "";
}

// R9. A sync fails and the pages are clean: the cache shows a group that the device does not hold.
// After a restart it must not be taken as there: a redelivery would be acknowledged and lost.
std::string cleanButLost(const OpenFunction& open) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Rig rig(open, Durability::kGroup, seed);
    if (!rig.open()) return rig.wrong;
    rig.commit(rig.sequenced(1, 2));
    const ModelCall call = rig.sequenced(3, 3);
    rig.disk.failAt(SimCall::kSync, 0, Code::kIo, false);
    rig.commit(call);
    if (!rig.driver->refused()) return "a call is acknowledged although its sync failed";
    const uint64_t acked = rig.model.floor();
    rig.commit(rig.rows(1));
    if (rig.model.floor() != acked) return "the store writes on after a failed sync";
    rig.copy.copyFrom(rig.disk);
    if (!rig.reopenCopy(acked, false)) return rig.wrong;
    rig.commit(call);
    const std::string wrong = rig.cutAndCheck();
    if (!wrong.empty()) return wrong;
  }
  return "";
}

// R10. SIGKILL strikes between write and sync. The group is valid in the cache and not durable;
// after the restart a redelivery is a dedupe hit, and its acknowledgement must mean that the group
// is on the device.
std::string dedupeAfterKill(const OpenFunction& open) {
  Rig rig(open);
  if (!rig.open()) return rig.wrong;
  rig.commit(rig.sequenced(1, 2));
  const ModelCall call = rig.sequenced(3, 2);
  bool captured = false;
  rig.disk.after_change = [&](SimCall change) {
    if (change != SimCall::kWrite) return;
    rig.copy.copyFrom(rig.disk);
    captured = true;
  };
  rig.driver->submit(call);
  const Model before = rig.model;
  rig.driver->pump();
  rig.disk.after_change = nullptr;
  if (!captured) return "a pump writes nothing";
  rig.drop();
  rig.model = before;
  if (!rig.reopenCopy(rig.model.killFloor(), false)) return rig.wrong;
  if (rig.model.now().known.at({"pump-1", 7}).count(3) == 0) {
    return "a written group is gone after SIGKILL";
  }
  rig.commit(call);
  return rig.cutAndCheck();
}

// R10, for the name: SIGKILL strikes in the creation, at every step of it. Whoever opens the store
// then and gets an acknowledgement must find the file again after a power cut.
std::string nameAfterKill(const OpenFunction& open) {
  for (uint64_t moment = 0;; ++moment) {
    Rig rig(open);
    uint64_t seen = 0;
    bool captured = false;
    rig.disk.after_change = [&](SimCall) {
      if (seen++ != moment) return;
      rig.copy.copyFrom(rig.disk);
      captured = true;
    };
    if (!rig.open()) return rig.wrong;
    rig.disk.after_change = nullptr;
    if (!captured) return "";
    rig.drop();
    rig.disk.copyFrom(rig.copy);
    if (!rig.open()) return "after SIGKILL in the creation: " + rig.wrong;
    rig.commit(rig.rows(2));
    const std::string wrong = rig.cutAndCheck();
    if (!wrong.empty()) {
      return "after SIGKILL at step " + std::to_string(moment) + " of the creation: " + wrong;
    }
  }
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> kAll = {
      {"a_held_version_keeps_its_bytes_while_their_chunks_would_be_reused", 6, bytesUnderVersion},
      {"a_full_store_can_still_forget_and_checkpoint_and_then_takes_inserts_again", 7, fullStore},
      {"a_stale_group_of_an_earlier_life_never_validates_again", 8, staleGroup},
      {"a_call_that_was_seen_to_be_lost_never_comes_back", 8, tornGroup},
      {"a_slot_that_a_failed_sync_lost_is_not_taken_for_the_newest", 9, slotCleanButLost},
      {"what_a_failed_sync_lost_is_not_trusted_after_a_restart", 9, cleanButLost},
      {"a_dedupe_hit_after_sigkill_is_acknowledged_only_when_durable", 10, dedupeAfterKill},
      {"the_name_of_a_store_killed_in_its_creation_survives_once_it_acknowledged", 10,
       nameAfterKill},
      {"a_reader_beside_a_supersede_sees_one_version_never_none_or_both", 13,
       supersedeUnderVersion},
      {"every_held_version_shows_its_state_whatever_happens_behind_it", 13, versionsUnderLoad},
  };
  return kAll;
}

}  // namespace rve::test
