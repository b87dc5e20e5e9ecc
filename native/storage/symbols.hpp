// Names of sources and labels, numbered from 1 in the order of their first use (0: none). Never
// hashed, never removed: a number in a record means the same name for good.
#pragma once
#include <map>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "storage/wire.hpp"

namespace rve {

enum class SymbolKind : uint32_t { kSource = 1, kLabel = 2 };

// Written by the committer only; looked up by any thread (once per filter, never per row).
class Symbols {
 public:
  // 0 if unknown.
  uint32_t find(SymbolKind kind, const std::string& name) const;
  // "" if unknown.
  std::string name(SymbolKind kind, uint32_t number) const;
  uint32_t count(SymbolKind kind) const;
  bool full(SymbolKind kind) const;
  // Takes the next number. Requires: the name is new and the table not full.
  uint32_t add(SymbolKind kind, const std::string& name);
  // Replay: the number must be the next one or be known with the same name. False if not.
  bool replay(SymbolKind kind, uint32_t number, const std::string& name);

  void encode(WireWriter* out) const;
  bool decode(WireReader* in);

 private:
  struct Table {
    std::vector<std::string> names;
    std::map<std::string, uint32_t> numbers;
  };
  const Table& table(SymbolKind kind) const {
    return kind == SymbolKind::kSource ? sources_ : labels_;
  }
  Table& table(SymbolKind kind) { return kind == SymbolKind::kSource ? sources_ : labels_; }

  mutable std::shared_mutex mutex_;
  Table sources_, labels_;
};

// 1 to 256 bytes of well-formed UTF-8 without NUL.
bool nameIsValid(const std::string& name);

}  // namespace rve
