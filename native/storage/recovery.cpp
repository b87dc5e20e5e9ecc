#include "storage/recovery.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/mutation.hpp"

namespace rve {

std::vector<Root> readSlots(File& file, const Layout& layout, const Uuid& uuid,
                            uint32_t chunk_count) {
  std::vector<Root> roots;
  std::vector<std::byte> page(layout.page_bytes);
  for (uint32_t which = 0; which < 2; which++) {
    Root best;
    bool found = false;
    for (uint32_t copy = 0; copy < 2; copy++) {
      Slot slot;
      // From the device: a failed sync leaves a slot in the cache that the device does not hold,
      // and the next checkpoint would then overwrite the only slot that is really there (R9).
      const uint64_t at = slotOffset(layout, which, copy);
      const Status read =
          RVE_MUTATED(kSlotCacheTrusted) ? file.read(at, page) : file.readDevice(at, page);
      if (!read.ok()) continue;
      if (!decodeSlot(page, uuid, &slot).ok()) continue;
      const bool inside = runIsInside(slot.manifest, chunk_count) &&
                          runIsInside(slot.scan, chunk_count) &&
                          slot.manifest_bytes <= runBytes(layout, slot.manifest) -
                                                     layout.page_bytes &&
                          slot.replay_lsn <= slot.manifest_lsn &&
                          slot.manifest_lsn % layout.page_bytes == 0;
      if (!inside) continue;
      if (found && slot.generation == best.slot.generation) best.copies |= 1u << copy;
      if (found && slot.generation <= best.slot.generation) continue;
      best.which = which;
      best.slot = slot;
      best.copies = 1u << copy;
      found = true;
    }
    if (found) roots.push_back(std::move(best));
  }
  std::sort(roots.begin(), roots.end(), [](const Root& a, const Root& b) {
    return a.slot.generation > b.slot.generation;
  });
  return roots;
}

Status readManifest(File& file, const Layout& layout, const Uuid& uuid, uint32_t chunk_count,
                    Root* root, Symbols* symbols, SourceMarks* marks) {
  const Slot& slot = root->slot;
  const uint64_t at = runOffset(layout, slot.manifest);
  std::vector<std::byte> page(layout.page_bytes);
  RVE_TRY(file.read(at, page));
  RunHeader header;
  RVE_TRY(decodeRunHeader(page, uuid, slot.manifest.first_chunk, &header));
  if (header.kind != RunKind::kManifest || header.sequence != slot.generation) {
    return Status(Code::kCorrupt, "a slot names something that is not its manifest");
  }
  std::vector<std::byte> body(slot.manifest_bytes);
  RVE_TRY(file.read(at + layout.page_bytes, body));
  if (crc32c(body) != slot.manifest_crc) {
    return Status(Code::kCorrupt, "a manifest fails its checksum");
  }
  root->manifest = {};
  RVE_TRY(decodeManifest(body, layout, chunk_count, &root->manifest, symbols, marks));
  if (root->manifest.lsn != slot.manifest_lsn || root->manifest.replay_lsn != slot.replay_lsn) {
    if (!RVE_MUTATED(kSingleCursor)) {
      return Status(Code::kCorrupt, "a manifest and its slot disagree");
    }
  }
  return {};
}

namespace {

class Walk {
 public:
  Walk(File& file, const Layout& layout, const Uuid& uuid, uint32_t chunk_count, LogWalk* out)
      : file_(file), layout_(layout), uuid_(uuid), chunk_count_(chunk_count), out_(out) {
    page_.resize(layout.page_bytes);
  }

  Status run(const Slot& slot) {
    lsn_ = slot.manifest_lsn;
    epoch_ = epoch_seen_ = slot.epoch;
    durable_ = slot.durable_lsn;
    previous_crc_ = slot.last_group_crc;
    logical_ms_ = slot.logical_ms;
    if (!openRun(slot.scan) || header_.first_lsn > lsn_) {
      return Status(Code::kCorrupt, "the log run at the last checkpoint cannot be read");
    }
    in_run_ = layout_.page_bytes + (lsn_ - header_.first_lsn);
    if (in_run_ > runBytes(layout_, header_.own)) {
      return Status(Code::kCorrupt, "the last checkpoint points outside its log run");
    }
    collect();
    if (successorIsLost()) {
      return Status(Code::kCorrupt, "the header of a log run with acknowledged groups is damaged");
    }
    verifyBodies();
    lookForUnfinished();
    finish();
    return {};
  }

 private:
  // A successor outside the file: the run was opened after the file grew, and the cut took the
  // growth back. So nothing in it was ever synced.
  bool readRunHeader(const Run& run, RunHeader* header) {
    if (!runIsInside(run, chunk_count_)) return false;
    if (!file_.read(runOffset(layout_, run), page_).ok()) return false;
    return decodeRunHeader(page_, uuid_, run.first_chunk, header).ok() &&
           header->kind == RunKind::kLog && runIsInside(header->own, chunk_count_) &&
           runIsInside(header->next, chunk_count_);
  }

  bool openRun(const Run& run) {
    RunHeader header;
    if (!readRunHeader(run, &header)) return false;
    header_ = header;
    out_->runs.push_back({header.own, header.first_lsn, header.sequence});
    return true;
  }

  // The group header at `at` in a run, if one is there at all.
  bool readGroup(const Run& run, uint64_t at, GroupHeader* header) {
    const uint64_t run_bytes = runBytes(layout_, run);
    if (at + layout_.page_bytes > run_bytes) return false;
    if (!file_.read(runOffset(layout_, run) + at, page_).ok()) return false;
    const uint64_t room = std::min<uint64_t>(run_bytes - at, layout_.group_bytes_max);
    return decodeGroupHeader(page_, layout_, room, header).ok();
  }

  bool epochFits(const GroupHeader& g) const {
    return g.epoch == epoch_ || (g.epoch > epoch_ && (g.flags & kGroupFirstOfEpoch) != 0);
  }

  // R8: the next link of the chain and nothing else.
  bool links(const GroupHeader& g, uint64_t lsn, bool chain_known) {
    if (RVE_MUTATED(kChainNotChecked)) return true;
    if (g.lsn != lsn || !epochFits(g)) return false;
    return !chain_known || g.previous_crc == previous_crc_;
  }

  void take(const GroupHeader& g, uint64_t at) {
    out_->groups.push_back({g, runOffset(layout_, header_.own) + at, true});
    lsn_ = g.lsn + g.length;
    in_run_ = at + g.length;
    epoch_ = g.epoch;
    epoch_seen_ = std::max(epoch_seen_, g.epoch);
    durable_ = std::max(durable_, g.durable_lsn);
    previous_crc_ = g.header_crc;
    logical_ms_ = g.logical_ms;
  }

  // The group that goes on from lsn_ in the open run.
  bool peekInRun(GroupHeader* g) {
    if (!readGroup(header_.own, in_run_, g)) return false;
    // An unfinished window of an earlier life: never use its epoch again.
    if (g->lsn == lsn_) epoch_seen_ = std::max(epoch_seen_, g->epoch);
    return links(*g, lsn_, true);
  }

  // The one that goes on from lsn_ at the start of the successor.
  bool peekInNextRun(RunHeader* next, GroupHeader* g) {
    if (!readRunHeader(header_.next, next)) return false;
    if (next->first_lsn != lsn_) return false;
    if (next->sequence != header_.sequence + 1) return false;
    epoch_seen_ = std::max(epoch_seen_, next->epoch);
    if (!readGroup(next->own, layout_.page_bytes, g)) return false;
    // Header and first group share a life and a window. An older group behind a younger header is
    // what an earlier life left there; an older header before a younger group names a successor
    // that has other owners by now.
    return g->epoch == next->epoch && links(*g, lsn_, true);
  }

  // A life that found the end torn may have gone on in the successor, and left the header of the
  // torn group standing here; or the other way round. Where both would go on, the younger epoch is
  // the log.
  bool stepOn() {
    GroupHeader here, there;
    RunHeader next;
    const bool in_run = peekInRun(&here);
    const bool in_next = peekInNextRun(&next, &there);
    if (!in_run && !in_next) return false;
    if (in_run && (!in_next || here.epoch >= there.epoch)) {
      take(here, in_run_);
      return true;
    }
    header_ = next;
    out_->runs.push_back({next.own, next.first_lsn, next.sequence});
    take(there, layout_.page_bytes);
    return true;
  }

  // Step 6: a later group that says that what is missing here was durable proves corruption, not a
  // torn tail. Looks through `run` from `at` on, where LSN `lsn` would stand.
  bool findBeyond(const Run& run, uint64_t at, uint64_t lsn, GroupHeader* g, uint64_t* found_at) {
    const uint64_t end = std::min(runBytes(layout_, run),
                                  at + layout_.group_bytes_max + layout_.page_bytes);
    for (; at + layout_.page_bytes <= end; at += layout_.page_bytes, lsn += layout_.page_bytes) {
      if (!readGroup(run, at, g) || g->lsn != lsn || g->epoch < epoch_) continue;
      if (g->lsn <= lsn_ || g->durable_lsn <= lsn_) continue;
      *found_at = at;
      return true;
    }
    return false;
  }

  bool skipHole() {
    GroupHeader g;
    uint64_t at = 0;
    const uint64_t from = lsn_;
    if (findBeyond(header_.own, in_run_ + layout_.page_bytes, from + layout_.page_bytes, &g, &at)) {
      out_->holes.push_back({from, g.lsn});
      take(g, at);
      return true;
    }
    RunHeader next;
    if (!readRunHeader(header_.next, &next) || next.sequence != header_.sequence + 1) return false;
    if (next.first_lsn < from) return false;
    if (!findBeyond(next.own, layout_.page_bytes, next.first_lsn, &g, &at)) return false;
    out_->holes.push_back({from, g.lsn});
    header_ = next;
    out_->runs.push_back({next.own, next.first_lsn, next.sequence});
    take(g, at);
    return true;
  }

  // The log's end, but the successor holds groups that say otherwise, behind a header that cannot
  // be read: where the log goes on from there is unknown, so this store needs repair.
  bool successorIsLost() {
    RunHeader next;
    if (readRunHeader(header_.next, &next) || !runIsInside(header_.next, chunk_count_)) {
      return false;
    }
    const uint64_t end = std::min<uint64_t>(runBytes(layout_, header_.next),
                                            2ull * layout_.page_bytes + layout_.group_bytes_max);
    for (uint64_t at = layout_.page_bytes; at + layout_.page_bytes <= end;
         at += layout_.page_bytes) {
      GroupHeader g;
      if (!readGroup(header_.next, at, &g) || g.epoch < epoch_) continue;
      if (g.lsn > lsn_ && g.durable_lsn > lsn_) return true;
    }
    return false;
  }

  void collect() {
    // Bounded: every step moves lsn_ up by at least a page, and a run is entered once.
    const uint64_t steps_max = fileBytesOf(layout_, chunk_count_) / layout_.page_bytes;
    for (uint64_t step = 0; step <= steps_max; step++) {
      if (!stepOn() && !skipHole()) return;
    }
  }

  // Bodies below the largest durable_lsn must be whole, else acknowledged data is damaged; the
  // first bad one beyond it is where an unfinished window was torn.
  void verifyBodies() {
    for (size_t i = 0; i < out_->groups.size(); i++) {
      WalkedGroup& w = out_->groups[i];
      const GroupHeader& g = w.header;
      const bool proven = g.lsn + g.length <= durable_;
      body_.resize(g.length);
      const bool from_device = !proven && !RVE_MUTATED(kCacheTrusted);
      const Status read = from_device ? file_.readDevice(w.offset, body_)
                                      : file_.read(w.offset, body_);
      w.intact = read.ok() &&
                 crc32c(Bytes(body_).subspan(kGroupHeaderBytes)) == g.body_crc;
      if (w.intact && from_device) {
        GroupHeader again;  // the header too must be what the device holds
        w.intact = decodeGroupHeader(Bytes(body_), layout_, g.length, &again).ok() &&
                   again.header_crc == g.header_crc && runHeaderIsOnDevice(w.offset);
      }
      if (RVE_MUTATED(kBodyNotChecked) && !proven) w.intact = true;
      if (w.intact) {
        out_->beyond_durable = out_->beyond_durable || !proven;
        continue;
      }
      if (proven) {
        out_->holes.push_back({g.lsn, g.lsn + g.length});
        continue;
      }
      out_->torn = true;
      cutAt(i);
      return;
    }
  }

  // A run's header rides in the window of its first group, at `offset`: after a failed sync the
  // cache may hold what the device does not, and nobody would write that page again.
  bool runHeaderIsOnDevice(uint64_t offset) {
    for (const WalkedRun& run : out_->runs) {
      const uint64_t at = runOffset(layout_, run.run);
      if (at + layout_.page_bytes != offset) continue;
      RunHeader header;
      return file_.readDevice(at, page_).ok() &&
             decodeRunHeader(page_, uuid_, run.run.first_chunk, &header).ok() &&
             header.sequence == run.sequence && header.first_lsn == run.first_lsn;
    }
    return true;
  }

  void cutAt(size_t group) {
    const WalkedGroup& w = out_->groups[group];
    lsn_ = w.header.lsn;
    while (out_->runs.size() > 1 && out_->runs.back().first_lsn >= lsn_) out_->runs.pop_back();
    RunHeader header;
    const bool read = readRunHeader(out_->runs.back().run, &header);
    RVE_ASSERT(read);
    header_ = header;
    in_run_ = layout_.page_bytes + (lsn_ - header_.first_lsn);
    out_->groups.resize(group);
    std::erase_if(out_->holes, [&](const Hole& h) { return h.lsn_from >= lsn_; });
    previous_crc_ = group == 0 ? first_previous_crc_ : out_->groups.back().header.header_crc;
    if (group > 0) logical_ms_ = out_->groups.back().header.logical_ms;
  }

  // R8: a window that was to open the successor and of which the header page is incomplete, but the
  // group is there. Its epoch is taken, and what this life writes over it must not complete it.
  void lookForUnfinished() {
    RunHeader next;
    GroupHeader g;
    if (!runIsInside(header_.next, chunk_count_) || readRunHeader(header_.next, &next)) return;
    if (!readGroup(header_.next, layout_.page_bytes, &g) || g.lsn != lsn_) return;
    epoch_seen_ = std::max(epoch_seen_, g.epoch);
    out_->torn = true;
  }

  void finish() {
    std::sort(out_->holes.begin(), out_->holes.end(),
              [](const Hole& a, const Hole& b) { return a.lsn_from < b.lsn_from; });
    out_->next = header_.next;
    out_->position.lsn = lsn_;
    out_->position.durable_lsn = std::min(durable_, lsn_);
    out_->position.previous_crc = previous_crc_;
    out_->position.epoch = epoch_seen_;
    out_->position.in_run = in_run_;
    out_->position.logical_ms = logical_ms_;
  }

 public:
  void setFirstPreviousCrc(uint32_t crc) { first_previous_crc_ = crc; }

 private:
  File& file_;
  Layout layout_;
  Uuid uuid_;
  uint32_t chunk_count_;
  LogWalk* out_;
  std::vector<std::byte> page_, body_;
  RunHeader header_;
  uint64_t lsn_ = 0, in_run_ = 0, durable_ = 0, logical_ms_ = 0;
  uint32_t epoch_ = 0, epoch_seen_ = 0, previous_crc_ = 0, first_previous_crc_ = 0;
};

}  // namespace

Status walkLog(File& file, const Layout& layout, const Uuid& uuid, uint32_t chunk_count,
               const Slot& slot, LogWalk* out) {
  Walk walk(file, layout, uuid, chunk_count, out);
  walk.setFirstPreviousCrc(slot.last_group_crc);
  return walk.run(slot);
}

}  // namespace rve
