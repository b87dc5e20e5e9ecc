#include "storage/symbols.hpp"

#include <mutex>

namespace rve {

uint32_t Symbols::find(SymbolKind kind, const std::string& name) const {
  std::shared_lock lock(mutex_);
  const auto found = table(kind).numbers.find(name);
  return found == table(kind).numbers.end() ? 0 : found->second;
}

std::string Symbols::name(SymbolKind kind, uint32_t number) const {
  std::shared_lock lock(mutex_);
  const Table& t = table(kind);
  return number >= 1 && number <= t.names.size() ? t.names[number - 1] : std::string();
}

uint32_t Symbols::count(SymbolKind kind) const {
  std::shared_lock lock(mutex_);
  return static_cast<uint32_t>(table(kind).names.size());
}

bool Symbols::full(SymbolKind kind) const {
  return count(kind) >= (kind == SymbolKind::kSource ? kSourcesMax : kLabelsMax);
}

uint32_t Symbols::add(SymbolKind kind, const std::string& name) {
  std::unique_lock lock(mutex_);
  Table& t = table(kind);
  t.names.push_back(name);
  const uint32_t number = static_cast<uint32_t>(t.names.size());
  const bool inserted = t.numbers.emplace(name, number).second;
  RVE_ASSERT(inserted);
  return number;
}

bool Symbols::replay(SymbolKind kind, uint32_t number, const std::string& name) {
  if (!nameIsValid(name)) return false;
  if (number >= 1 && number <= count(kind)) return this->name(kind, number) == name;
  if (number != count(kind) + 1 || full(kind) || find(kind, name) != 0) return false;
  add(kind, name);
  return true;
}

void Symbols::encode(WireWriter* out) const {
  std::shared_lock lock(mutex_);
  for (const Table* t : {&sources_, &labels_}) {
    out->putVarint(t->names.size());
    for (const std::string& name : t->names) out->putName(name);
  }
}

bool Symbols::decode(WireReader* in) {
  sources_ = {};
  labels_ = {};
  for (const SymbolKind kind : {SymbolKind::kSource, SymbolKind::kLabel}) {
    const uint32_t count = in->getCount(2);
    for (uint32_t i = 0; i < count; i++) {
      if (!replay(kind, i + 1, in->getName())) return false;
    }
  }
  return !in->failed();
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool nameIsValid(const std::string& name) {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  for (size_t i = 0; i < name.size();) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(name[at]); };
    const uint8_t lead = byte(i);
    const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3
                          : lead < 0xF5 ? 4 : 0;
    if (length == 0 || lead == 0 || i + length > name.size()) return false;
    for (size_t j = 1; j < length; j++) {
      if ((byte(i + j) & 0xC0) != 0x80) return false;
    }
    if (lead == 0xE0 && byte(i + 1) < 0xA0) return false;
    if (lead == 0xED && byte(i + 1) > 0x9F) return false;
    if (lead == 0xF0 && byte(i + 1) < 0x90) return false;
    if (lead == 0xF4 && byte(i + 1) > 0x8F) return false;
    i += length;
  }
  return true;
}

}  // namespace rve
