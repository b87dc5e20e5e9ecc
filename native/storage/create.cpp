// Creation (recovery step 0): everything is written under a temporary name and synced before the
// name appears.
#include "base/crc32c.hpp"
#include "base/mutation.hpp"
#include "storage/store.hpp"

namespace rve {
namespace {

Status writeManifest(File& file, const Layout& layout, const Uuid& uuid, SpaceMap* space,
                     LogWriter* log, Slot* slot, RunPin* pin) {
  Manifest manifest;
  manifest.log_runs = log->runsFrom(0);
  WireWriter body;
  encodeManifest(manifest, Symbols(), SourceMarks(), &body);
  const uint64_t bytes = layout.page_bytes + body.size();
  const uint32_t chunks = static_cast<uint32_t>(divideUp(bytes, layout.chunk_bytes));
  RVE_TRY(space->allocate(chunks, SpacePurpose::kSystem, pin));
  RunHeader header;
  header.kind = RunKind::kManifest;
  header.own = pin->run();
  header.sequence = slot->generation;
  std::vector<std::byte> page(layout.page_bytes);
  encodeRunHeader(header, uuid, page);
  RVE_TRY(file.write(runOffset(layout, pin->run()), page));
  RVE_TRY(file.write(runOffset(layout, pin->run()) + layout.page_bytes, body.bytes()));
  slot->manifest = pin->run();
  slot->manifest_bytes = static_cast<uint32_t>(body.size());
  slot->manifest_crc = crc32c(body.bytes());
  return {};
}

Status writeFile(File& file, const Layout& layout, const Identity& identity, uint64_t bytes_max) {
  SpaceMap space(&file, layout, bytes_max);
  RVE_TRY(file.grow(fileBytesOf(layout, 0)));
  LogWriter log(&file, layout, identity.uuid, &space);
  RVE_TRY(log.start());
  std::vector<std::byte> page(layout.page_bytes);
  encodeIdentity(identity, page);
  for (uint32_t copy = 0; copy < 2; copy++) {
    RVE_TRY(file.write(identityOffset(layout, copy), page));
  }
  // Both slots are written, with a manifest each, so that the loss of one leaves a root.
  RunPin manifests[2];
  for (uint32_t which = 0; which < 2; which++) {
    Slot slot;
    slot.generation = 1 + which;
    slot.scan = log.openRun();
    slot.epoch = 1;
    slot.chunk_count = space.chunkCount();
    RVE_TRY(writeManifest(file, layout, identity.uuid, &space, &log, &slot, &manifests[which]));
    encodeSlot(slot, identity.uuid, page);
    for (uint32_t copy = 0; copy < 2; copy++) {
      RVE_TRY(file.write(slotOffset(layout, which, copy), page));
    }
  }
  // Between the fixed pages nothing will ever stand.
  for (uint32_t place = 0; place < kFixedPlaces; place++) {
    const uint64_t from =
        uint64_t{place} * layout.chunk_bytes + (place < 6 ? layout.page_bytes : 0);
    RVE_TRY(file.punch(from, uint64_t{place + 1} * layout.chunk_bytes - from));
  }
  return {};
}

}  // namespace

Status Store::create(const StoreOptions& options) {
  if (options.dimensions < 1 || options.dimensions > kDimensionsMax) {
    return Status(Code::kOption, "dimensions must be 1 to " + std::to_string(kDimensionsMax) +
                                     " to create a memory");
  }
  const Layout& layout = options.layout;
  // A group must hold at least one row with its largest payload.
  const uint64_t row_bytes = uint64_t{options.dimensions} * 4;
  if (!layoutIsSane(layout) || row_bytes + 256 > layout.group_bytes_max) {
    return Status(Code::kOption, "the layout cannot hold a row of these dimensions");
  }
  Identity identity;
  for (size_t i = 0; i < 2; i++) {
    const uint64_t bits = options.rng->next();
    for (size_t j = 0; j < 8; j++) {
      identity.uuid[i * 8 + j] = static_cast<uint8_t>(bits >> (8 * j));
    }
  }
  identity.created_ms = options.clock->wallMs();
  identity.page_bytes = layout.page_bytes;
  identity.chunk_bytes = layout.chunk_bytes;
  identity.record_bytes_max = layout.group_bytes_max;
  identity.dimensions = options.dimensions;
  identity.metric = options.metric;
  std::string temporary;
  std::unique_ptr<File> file;
  Status opened(Code::kBusy);
  // A name that an earlier crash left behind must not stand in the way.
  for (uint32_t attempt = 0; attempt < 8 && opened.code() == Code::kBusy; attempt++) {
    temporary = options.path + ".tmp-" + std::to_string(options.rng->next() & 0xFFFFFFFFu);
    opened = options.disk->open(temporary, OpenMode::kCreateExclusive, &file);
  }
  RVE_TRY(opened);
  const uint64_t bytes_max = options.bytes_max == 0 ? layout.file_bytes_max : options.bytes_max;
  Status status = writeFile(*file, layout, identity, bytes_max);
  // R4: no name before its bytes are on the device, no success before the name is.
  const bool syncs = !RVE_MUTATED(kRenameBeforeSync);
  if (status.ok() && syncs) status = file->sync();
  file.reset();
  if (status.ok()) status = options.disk->renameNoReplace(temporary, options.path);
  if (status.ok() && syncs) status = options.disk->syncFolder(options.path);
  if (!status.ok()) {
    const Status ignored = options.disk->remove(temporary);
    static_cast<void>(ignored);
  }
  return status;
}

}  // namespace rve
