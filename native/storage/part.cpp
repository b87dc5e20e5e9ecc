#include "storage/part.hpp"

#include <algorithm>
#include <bit>

#include "base/crc32c.hpp"

namespace rve {
namespace {

constexpr uint32_t kPartMagic = 0x54525052;  // "RPRT"
constexpr uint64_t kSectionAlign = 64;
constexpr size_t kWriteBufferBytes = 256 * 1024;

enum : size_t {
  kMagicAt = 0,
  kKindAt = 4,
  kVersionAt = 5,
  kReservedAt = 6,
  kCrcAt = 8,
  kSectionsAt = 12,
  kUuidAt = 16,
  kSegmentAt = 32,
  kRowsAt = 40,
  kDimsAt = 44,
  kDataPagesAt = 48,
  kReservedToAt = 52,  // zero up to the section table
  kTableAt = 64,  // section table: kind u32, offset / 64 u32, bytes u64
};
constexpr size_t kTableEntryBytes = 16;

uint32_t pageCrc(Bytes page) {
  const uint32_t zero = 0;
  uint32_t crc = crc32c(page.first(kCrcAt));
  crc = crc32c(bytesOf(&zero, 1), crc);
  return crc32c(page.subspan(kCrcAt + 4), crc);
}

uint64_t dataBytes(const std::vector<SectionPlan>& sections, uint32_t page_bytes) {
  uint64_t at = page_bytes;
  for (const SectionPlan& s : sections) at = roundUp(at + s.bytes, kSectionAlign);
  return roundUp(at, page_bytes);
}

}  // namespace

uint64_t partPages(const std::vector<SectionPlan>& sections, uint32_t page_bytes) {
  const uint64_t data_pages = dataBytes(sections, page_bytes) / page_bytes;
  return data_pages + divideUp(data_pages * 4, page_bytes);
}

PartsWriter::PartsWriter(File* file, const Layout& layout, const Uuid& uuid, const Run& run,
                         uint64_t segment_id, uint32_t epoch)
    : file_(file), layout_(layout), uuid_(uuid), run_(run), segment_id_(segment_id), epoch_(epoch) {
  buffer_.resize(roundUp(kWriteBufferBytes, layout.page_bytes));
}

Status PartsWriter::writeRunHeader() {
  std::vector<std::byte> page(layout_.page_bytes);
  RunHeader header;
  header.kind = RunKind::kParts;
  header.own = run_;
  header.sequence = segment_id_;
  header.epoch = epoch_;
  encodeRunHeader(header, uuid_, page);
  bytes_written_ += page.size();
  return file_->write(runOffset(layout_, run_), page);
}

Status PartsWriter::begin(PartKind kind, uint32_t rows, uint32_t dims,
                          const std::vector<SectionPlan>& sections) {
  RVE_ASSERT(sections.size() <= kSectionsMax);
  const uint64_t pages = partPages(sections, layout_.page_bytes);
  RVE_ASSERT((next_page_ + pages) * layout_.page_bytes <= runBytes(layout_, run_));
  const uint64_t data_pages = dataBytes(sections, layout_.page_bytes) / layout_.page_bytes;
  entry_ = {kind, run_, next_page_, static_cast<uint32_t>(pages), 0, 0};
  plan_ = sections;
  section_ = 0;
  section_left_ = sections.empty() ? 0 : sections[0].bytes;
  part_bytes_ = 0;
  buffered_ = 0;
  page_crcs_.clear();
  file_at_ = runOffset(layout_, run_) + uint64_t{next_page_} * layout_.page_bytes;

  std::vector<std::byte> page(layout_.page_bytes);
  const MutableBytes p(page);
  store(p, kMagicAt, kPartMagic);
  store(p, kKindAt, static_cast<uint8_t>(kind));
  store(p, kVersionAt, uint8_t{1});
  store(p, kSectionsAt, static_cast<uint32_t>(sections.size()));
  store(p, kUuidAt, uuid_);
  store(p, kSegmentAt, segment_id_);
  store(p, kRowsAt, rows);
  store(p, kDimsAt, dims);
  store(p, kDataPagesAt, static_cast<uint32_t>(data_pages));
  uint64_t at = layout_.page_bytes;
  for (size_t i = 0; i < sections.size(); i++) {
    const size_t entry = kTableAt + i * kTableEntryBytes;
    store(p, entry, static_cast<uint32_t>(sections[i].kind));
    store(p, entry + 4, static_cast<uint32_t>(at / kSectionAlign));
    store(p, entry + 8, sections[i].bytes);
    at = roundUp(at + sections[i].bytes, kSectionAlign);
  }
  entry_.header_crc = pageCrc(page);
  store(p, kCrcAt, entry_.header_crc);
  return appendRaw(page);
}

uint64_t PartsWriter::sectionOffset(SectionKind kind) const {
  uint64_t at = layout_.page_bytes;
  for (const SectionPlan& s : plan_) {
    if (s.kind == kind) break;
    at = roundUp(at + s.bytes, kSectionAlign);
  }
  return runOffset(layout_, run_) + uint64_t{entry_.page} * layout_.page_bytes + at;
}

Status PartsWriter::append(Bytes bytes) {
  while (!bytes.empty()) {
    while (section_left_ == 0) {
      RVE_ASSERT(section_ + 1 < plan_.size());
      section_left_ = plan_[++section_].bytes;
    }
    const size_t take = static_cast<size_t>(std::min<uint64_t>(bytes.size(), section_left_));
    RVE_TRY(appendRaw(bytes.first(take)));
    section_left_ -= take;
    bytes = bytes.subspan(take);
    if (section_left_ == 0) {
      static constexpr std::byte kZero[kSectionAlign] = {};
      const uint64_t pad = roundUp(part_bytes_, kSectionAlign) - part_bytes_;
      RVE_TRY(appendRaw(Bytes(kZero, static_cast<size_t>(pad))));
    }
  }
  return {};
}

Status PartsWriter::appendRaw(Bytes bytes) {
  part_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const size_t take = std::min(bytes.size(), buffer_.size() - buffered_);
    std::copy_n(bytes.begin(), take, buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_));
    buffered_ += take;
    bytes = bytes.subspan(take);
    if (buffered_ == buffer_.size()) RVE_TRY(flush());
  }
  return {};
}

Status PartsWriter::flush() {
  const size_t pages = buffered_ / layout_.page_bytes;
  for (size_t i = 0; i < pages; i++) {
    const Bytes page(buffer_.data() + i * layout_.page_bytes, layout_.page_bytes);
    page_crcs_.push_back(crc32c(page));
  }
  RVE_ASSERT(buffered_ % layout_.page_bytes == 0);
  const Bytes whole(buffer_.data(), buffered_);
  RVE_TRY(file_->write(file_at_, whole));
  file_at_ += buffered_;
  bytes_written_ += buffered_;
  buffered_ = 0;
  return {};
}

Status PartsWriter::end(PartEntry* out) {
  RVE_ASSERT(section_left_ == 0);
  for (size_t i = section_ + 1; i < plan_.size(); i++) RVE_ASSERT(plan_[i].bytes == 0);
  const uint64_t padded = roundUp(part_bytes_, layout_.page_bytes);
  while (part_bytes_ < padded) {
    static constexpr std::byte kZero[256] = {};
    const size_t pad = static_cast<size_t>(std::min<uint64_t>(padded - part_bytes_, 256));
    RVE_TRY(appendRaw(Bytes(kZero, pad)));
  }
  if (buffered_ > 0) RVE_TRY(flush());
  std::vector<uint32_t> table = page_crcs_;
  table.resize(roundUp(table.size() * 4, layout_.page_bytes) / 4);
  const Bytes table_bytes = bytesOf(table.data(), table.size());
  entry_.table_crc = crc32c(table_bytes);
  RVE_TRY(file_->write(file_at_, table_bytes));
  bytes_written_ += table_bytes.size();
  next_page_ += entry_.pages;
  *out = entry_;
  return {};
}

Status PartView::open(const std::byte* file_view, const Layout& layout, const Uuid& uuid,
                      uint64_t segment_id, const PartEntry& entry, bool trusted,
                      std::unique_ptr<PartView>* out) {
  const auto bad = [&](const char* what) {
    return Status(Code::kCorrupt, "segment " + std::to_string(segment_id) + ": " + what);
  };
  const std::byte* start =
      file_view + runOffset(layout, entry.run) + uint64_t{entry.page} * layout.page_bytes;
  const Bytes header(start, layout.page_bytes);
  const uint32_t sections = load<uint32_t>(header, kSectionsAt);
  if (load<uint32_t>(header, kMagicAt) != kPartMagic || pageCrc(header) != entry.header_crc ||
      load<uint32_t>(header, kCrcAt) != entry.header_crc || load<Uuid>(header, kUuidAt) != uuid ||
      load<uint64_t>(header, kSegmentAt) != segment_id || sections > kSectionsMax ||
      load<uint8_t>(header, kKindAt) != static_cast<uint8_t>(entry.kind)) {
    return bad("a part header fails its checksum");
  }
  const size_t table_end = kTableAt + sections * kTableEntryBytes;
  if (load<uint8_t>(header, kVersionAt) != 1 || load<uint16_t>(header, kReservedAt) != 0 ||
      !allZero(header.subspan(kReservedToAt, kTableAt - kReservedToAt)) ||
      !allZero(header.subspan(table_end))) {
    return bad("a part header has impossible values");
  }
  auto view = std::make_unique<PartView>();
  view->page_bytes_ = layout.page_bytes;
  view->page_shift_ = static_cast<uint32_t>(std::countr_zero(layout.page_bytes));
  view->data_pages_ = load<uint32_t>(header, kDataPagesAt);
  view->rows_ = load<uint32_t>(header, kRowsAt);
  view->dims_ = load<uint32_t>(header, kDimsAt);
  const uint64_t table_pages = divideUp(uint64_t{view->data_pages_} * 4, layout.page_bytes);
  if (view->data_pages_ == 0 || view->data_pages_ + table_pages != entry.pages) {
    return bad("a part has an impossible size");
  }
  const uint64_t data_bytes = uint64_t{view->data_pages_} * layout.page_bytes;
  view->bytes_ = Bytes(start, static_cast<size_t>(data_bytes));
  view->table_ = Bytes(start + data_bytes, static_cast<size_t>(table_pages * layout.page_bytes));
  if (crc32c(view->table_) != entry.table_crc) return bad("a page table fails its checksum");
  for (uint32_t i = 0; i < sections; i++) {
    const size_t at = kTableAt + i * kTableEntryBytes;
    Section s;
    s.kind = static_cast<SectionKind>(load<uint32_t>(header, at));
    s.offset = uint64_t{load<uint32_t>(header, at + 4)} * kSectionAlign;
    s.bytes = load<uint64_t>(header, at + 8);
    if (s.offset < layout.page_bytes || s.offset > data_bytes || s.bytes > data_bytes - s.offset) {
      return bad("a section lies outside its part");
    }
    view->sections_.push_back(s);
  }
  const size_t words = divideUp(view->data_pages_, 64);
  view->file_at_ = static_cast<uint64_t>(start - file_view);
  view->verified_ = std::make_unique<std::atomic<uint64_t>[]>(words);
  view->fetched_ = std::make_unique<std::atomic<uint64_t>[]>(words);
  for (size_t i = 0; i < words; i++) view->verified_[i] = trusted ? ~uint64_t{0} : 0;
  *out = std::move(view);
  return {};
}

const PartView::Section* PartView::find(SectionKind kind) const {
  for (const Section& s : sections_) {
    if (s.kind == kind && s.bytes > 0) return &s;
  }
  return nullptr;
}

Bytes PartView::section(SectionKind kind) const {
  const Section* s = find(kind);
  if (s == nullptr) return {};
  return bytes_.subspan(static_cast<size_t>(s->offset), static_cast<size_t>(s->bytes));
}

uint64_t PartView::offsetOf(SectionKind kind) const {
  const Section* s = find(kind);
  return s == nullptr ? 0 : s->offset;
}

bool PartView::ensureSection(SectionKind kind) const {
  const Section* s = find(kind);
  return s == nullptr || ensure(s->offset, s->bytes);
}

bool PartView::takeUnfetched(uint64_t page) const {
  const uint64_t bit = uint64_t{1} << (page % 64);
  std::atomic<uint64_t>& word = fetched_[page / 64];
  if ((word.load(std::memory_order_relaxed) & bit) != 0) return false;
  return (word.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
}

void PartView::fetchPages(uint64_t first, uint64_t count) const {
  if (file_ == nullptr || first >= data_pages_ || count > data_pages_ - first) return;
  for (uint64_t page = first; page < first + count; page++) {
    if (isSet(page) || !takeUnfetched(page)) continue;
    file_->prefetch(file_at_ + page * page_bytes_, page_bytes_);
  }
}

bool PartView::verifyPages(uint64_t first, uint64_t count) const {
  if (first >= data_pages_ || count > data_pages_ - first) return false;
  bool fine = true;
  for (uint64_t page = first; page < first + count; page++) {
    if (isSet(page)) continue;
    const Bytes bytes = bytes_.subspan(static_cast<size_t>(page * page_bytes_), page_bytes_);
    if (crc32c(bytes) == load<uint32_t>(table_, static_cast<size_t>(page * 4))) {
      verified_[page / 64].fetch_or(uint64_t{1} << (page % 64), std::memory_order_release);
    } else {
      damaged_.store(true, std::memory_order_relaxed);
      fine = false;
    }
  }
  return fine;
}

}  // namespace rve
