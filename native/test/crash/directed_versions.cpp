// Versions held across commits (R6, R13): what a query that takes long must go on seeing.
#include <algorithm>
#include <deque>

#include "test/crash/directed.hpp"
#include "test/crash/rig.hpp"

namespace rve::test {

namespace {

constexpr uint32_t kQueriesMax = 6;  // by vector, of one look at a Version

struct Held {
  std::unique_ptr<HeldVersion> version;
  State state;
};

Held hold(Rig* rig) { return {rig->engine->holdVersion(), rig->model.now()}; }

// Every id that was ever given, live or not: each has exactly the record of the state, or none.
std::string compareIds(const Held& held, uint64_t next_id) {
  std::vector<uint64_t> ids(next_id + 1);
  for (uint64_t id = 0; id < ids.size(); ++id) ids[id] = id;
  std::vector<Record> records;
  const Status got = held.version->get(ids, &records);
  if (!got.ok() || records.size() != ids.size()) return "get() of a held Version fails";
  for (const uint64_t id : ids) {
    const auto wanted = held.state.live.find(id);
    const bool live = wanted != held.state.live.end();
    if (records[id].found != live) {
      return "id " + std::to_string(id) + (live ? " is gone" : " is there") + " in a held Version";
    }
    if (live && modelRecordOf(records[id]).hash != wanted->second.hash) {
      return "id " + std::to_string(id) + " has other bytes in a held Version";
    }
  }
  return "";
}

// A query for more results than there are records gives each live record once, the one asked for
// first.
std::string compareQueries(const Held& held, SimRng& rng) {
  const auto& live = held.state.live;
  for (uint32_t i = 0; i < kQueriesMax && !live.empty(); ++i) {
    auto target = live.begin();
    std::advance(target, static_cast<ptrdiff_t>(rng.below(live.size())));
    QueryRequest request;
    request.vectors = target->second.vector;
    request.k = static_cast<uint32_t>(live.size()) + 8;
    request.ef = request.k;
    QueryResult result;
    const Status asked = held.version->query(request, &result);
    if (!asked.ok() || result.counts.size() != 1) return "query() of a held Version fails";
    std::vector<int64_t> ids(result.ids.begin(), result.ids.begin() + result.counts[0]);
    const bool first = !ids.empty() && ids[0] == static_cast<int64_t>(target->first);
    if (!first || result.scores[0] != 0) {
      return "id " + std::to_string(target->first) +
             " is not found by its vector in a held Version";
    }
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
      return "a held Version shows two rows of one id";
    }
    const bool same =
        ids.size() == live.size() &&
        std::equal(ids.begin(), ids.end(), live.begin(), [](int64_t id, const auto& entry) {
          return static_cast<uint64_t>(id) == entry.first;
        });
    if (!same) {
      return "a held Version of " + std::to_string(live.size()) + " records shows " +
             std::to_string(ids.size()) + " or others";
    }
  }
  return "";
}

std::string look(const Held& held, uint64_t next_id, SimRng& rng) {
  std::string wrong = compareIds(held, next_id);
  if (wrong.empty()) wrong = compareQueries(held, rng);
  return wrong;
}

std::string maintain(Rig* rig, std::initializer_list<Job> jobs) {
  for (const Job job : jobs) {
    bool did = false;
    const Status status = rig->engine->maintain(job, &did);
    if (!status.ok()) return "maintain() answers " + status.message();
    if (!did) return "a job finds no work";
  }
  return "";
}

ModelCall replacing(Rig* rig, const std::vector<uint64_t>& ids) {
  ModelCall call = rig->rows(static_cast<uint32_t>(ids.size()));
  for (size_t i = 0; i < ids.size(); ++i) {
    call.rows[i].has_id = true;
    call.rows[i].id = ids[i];
  }
  return call;
}

ModelCall forgetting(const std::vector<uint64_t>& ids) {
  ModelCall call;
  call.kind = CallKind::kForget;
  call.ids = ids;
  return call;
}

}  // namespace

// R13, for rows in the tail, in a frozen and in a linked segment, and superseded twice: a Version
// held before sees the old rows, one taken after sees the new ones, each exactly once; and
// background work changes neither.
std::string supersedeUnderVersion(const OpenFunction& open) {
  const std::initializer_list<Job> places[] = {{}, {Job::kFreeze}, {Job::kFreeze, Job::kLink}};
  static const char* const kPlaces[] = {"tail", "frozen segment", "linked segment"};
  for (size_t place = 0; place < 3; ++place) {
    Rig rig(open, Durability::kGroup, 1 + place);
    if (!rig.open()) return rig.wrong;
    rig.commit(rig.rows(6));
    rig.commit(rig.rows(6));
    std::string wrong = maintain(&rig, places[place]);
    std::vector<Held> held;
    held.push_back(hold(&rig));
    const auto lookAtAll = [&](const std::string& after) {
      for (size_t i = 0; i < held.size() && wrong.empty(); ++i) {
        wrong = look(held[i], rig.model.now().next_id, rig.rng);
        if (wrong.empty()) continue;
        wrong = "superseding in a " + std::string(kPlaces[place]) + ", Version " +
                std::to_string(i) + ' ' + after + ": " + wrong;
      }
    };
    lookAtAll("at the start");
    for (const std::vector<uint64_t>& ids :
         {std::vector<uint64_t>{1, 4, 9}, std::vector<uint64_t>{4, 5}}) {
      rig.commit(replacing(&rig, ids));
      held.push_back(hold(&rig));
      lookAtAll("after a supersede");
    }
    rig.commit(forgetting({2, 4}));
    held.push_back(hold(&rig));
    lookAtAll("after a forget");
    for (const Job job :
         {Job::kFreeze, Job::kLink, Job::kCompact, Job::kCheckpoint, Job::kCheckpoint}) {
      bool did = false;
      const Status status = rig.engine->maintain(job, &did);
      if (!status.ok()) return "maintain() answers " + status.message();
      lookAtAll("after maintenance");
    }
    held.clear();
    if (wrong.empty()) wrong = rig.cutAndCheck();
    if (!wrong.empty()) return wrong;
  }
  return "";
}

// R13, at random: inserts, supersedes, forgets and all jobs, with several Versions held at any
// time.
std::string versionsUnderLoad(const OpenFunction& open) {
  constexpr size_t kHeldMax = 5;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Rig rig(open, Durability::kGroup, seed);
    if (!rig.open()) return rig.wrong;
    std::deque<Held> held;
    std::string wrong;
    for (int step = 0; step < 60 && wrong.empty(); ++step) {
      const auto anId = [&] { return rig.rng.below(rig.model.now().next_id + 1); };
      const uint64_t dice = rig.rng.below(10);
      if (dice < 3) {
        rig.commit(rig.rows(1 + static_cast<uint32_t>(rig.rng.below(4))));
      } else if (dice < 5) {
        rig.commit(replacing(&rig, {anId()}));
      } else if (dice < 6) {
        rig.commit(forgetting({anId()}));
      } else if (dice < 9) {
        static constexpr Job kJobs[] = {Job::kFreeze, Job::kLink, Job::kCompact, Job::kCheckpoint};
        bool did = false;
        const Status status = rig.engine->maintain(kJobs[rig.rng.below(4)], &did);
        if (!status.ok()) wrong = "maintain() answers " + status.message();
      } else {
        held.push_back(hold(&rig));
        // Not always the oldest: a Version may outlive younger ones.
        if (held.size() > kHeldMax) {
          held.erase(held.begin() + static_cast<ptrdiff_t>(rig.rng.below(kHeldMax)));
        }
      }
      for (const Held& one : held) {
        if (wrong.empty()) wrong = look(one, rig.model.now().next_id, rig.rng);
      }
      if (!wrong.empty()) {
        wrong += " (seed " + std::to_string(seed) + ", step " + std::to_string(step) + ')';
      }
    }
    held.clear();
    if (wrong.empty()) wrong = rig.cutAndCheck();
    if (!wrong.empty()) return wrong;
  }
  return "";
}

// R6. A Version is held while compaction drops its segment, two checkpoints let go of both roots
// and new rows are written into all space that is free. Then it lets go, and the space comes back.
std::string bytesUnderVersion(const OpenFunction& open) {
  Rig rig(open);
  if (!rig.open()) return rig.wrong;
  for (int i = 0; i < 8; ++i) rig.commit(rig.rows(6));
  std::string wrong =
      maintain(&rig, {Job::kFreeze, Job::kLink, Job::kCheckpoint, Job::kCheckpoint});
  if (!wrong.empty()) return wrong;
  std::vector<Held> held;
  held.push_back(hold(&rig));
  std::vector<uint64_t> ids;
  for (const auto& [id, record] : rig.model.now().live) ids.push_back(id);
  const std::vector<uint64_t> most(ids.begin() + 4, ids.end());
  rig.commit(forgetting(most));
  wrong = maintain(&rig, {Job::kCompact, Job::kCheckpoint, Job::kCheckpoint});
  const uint64_t file_bytes = rig.engine->stats().file_bytes;
  for (int i = 0; i < 400 && wrong.empty() && rig.engine->stats().file_bytes == file_bytes; ++i) {
    rig.commit(rig.rows(4));
    if (!rig.driver->violation().empty()) return rig.driver->violation();
    if (i % 4 == 3) wrong = look(held[0], rig.model.now().next_id, rig.rng);
  }
  if (wrong.empty()) wrong = look(held[0], rig.model.now().next_id, rig.rng);
  if (!wrong.empty()) return wrong;
  if (rig.engine->stats().file_bytes == file_bytes) return "the free space is never filled";
  wrong = maintain(&rig, {Job::kFreeze, Job::kCheckpoint, Job::kCheckpoint});
  if (!wrong.empty()) return wrong;
  const uint64_t before = rig.engine->stats().reclaimable_bytes;
  held.clear();
  rig.commit(rig.rows(1));
  if (rig.engine->stats().reclaimable_bytes <= before) {
    return "what a Version held never becomes free";
  }
  return rig.cutAndCheck();
}

}  // namespace rve::test
