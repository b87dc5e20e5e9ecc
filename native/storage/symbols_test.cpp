#include "storage/symbols.hpp"
#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

TEST(a_name_is_one_to_256_bytes_of_well_formed_utf8) {
  const char* good[] = {"a",
                        "pumpe-3",
                        "\xC3\xA4",
                        "\xE2\x82\xAC",
                        "\xF0\x9F\x94\xA5",
                        "\xED\x9F\xBF",
                        "\xEE\x80\x80",
                        "\xF4\x8F\xBF\xBF",
                        "\x7F"};
  for (const char* name : good) CHECK(nameIsValid(name));
  const char* bad[] = {"\x80",              // a lone continuation
                       "\xC0\xAF",          // overlong
                       "\xC1\xBF",          // overlong
                       "\xE0\x9F\xBF",      // overlong
                       "\xED\xA0\x80",      // a surrogate
                       "\xF0\x8F\xBF\xBF",  // overlong
                       "\xF4\x90\x80\x80",  // above U+10FFFF
                       "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xF0\x9F\x94", "a\xC3"};
  for (const char* name : bad) CHECK(!nameIsValid(name));
  CHECK(!nameIsValid(""));
  CHECK(!nameIsValid(std::string("a\0b", 3)));
  CHECK(nameIsValid(std::string(kNameBytesMax, 'x')));
  CHECK(!nameIsValid(std::string(kNameBytesMax + 1, 'x')));
}

// Method: RFC 3629 by decoding code points, compared on every 2-byte string and on random longer
// ones.
bool decodes(const std::string& s) {
  if (s.empty()) return false;
  for (size_t i = 0; i < s.size();) {
    const uint8_t lead = static_cast<uint8_t>(s[i]);
    const int extra = lead < 0x80 ? 0 : (lead & 0xE0) == 0xC0 ? 1 : (lead & 0xF0) == 0xE0 ? 2
                      : (lead & 0xF8) == 0xF0 ? 3 : -1;
    if (extra < 0 || i + static_cast<size_t>(extra) >= s.size()) return false;
    uint32_t point = extra == 0 ? lead : lead & (0x3Fu >> extra);
    for (int j = 1; j <= extra; j++) {
      const uint8_t next = static_cast<uint8_t>(s[i + static_cast<size_t>(j)]);
      if ((next & 0xC0) != 0x80) return false;
      point = point << 6 | (next & 0x3F);
    }
    const uint32_t least[] = {1, 0x80, 0x800, 0x10000};
    if (point < least[extra] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
      return false;
    }
    i += static_cast<size_t>(extra) + 1;
  }
  return true;
}

TEST(name_validity_agrees_with_decoding_code_points) {
  uint32_t differences = 0;
  for (int a = 0; a < 256; a++) {
    for (int b = 0; b < 256; b++) {
      const std::string s{static_cast<char>(a), static_cast<char>(b)};
      if (nameIsValid(s) != decodes(s)) differences++;
    }
  }
  SimRng rng(seed());
  for (int i = 0; i < 100'000; i++) {
    std::string s;
    const uint8_t leads[] = {0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xE1};
    s += static_cast<char>(leads[rng.below(6)]);
    for (uint64_t n = rng.below(4); n > 0; n--) s += static_cast<char>(0x80 + rng.below(0x44));
    if (nameIsValid(s) != decodes(s)) differences++;
  }
  CHECK_EQ(differences, 0u);
}

TEST(symbols_number_names_from_one_and_never_change_them) {
  Symbols symbols;
  CHECK_EQ(symbols.add(SymbolKind::kSource, "pump"), 1u);
  CHECK_EQ(symbols.add(SymbolKind::kSource, "arm"), 2u);
  CHECK_EQ(symbols.add(SymbolKind::kLabel, "pump"), 1u);
  CHECK_EQ(symbols.find(SymbolKind::kSource, "arm"), 2u);
  CHECK_EQ(symbols.find(SymbolKind::kLabel, "arm"), 0u);
  CHECK_EQ(symbols.name(SymbolKind::kSource, 3), std::string());
  CHECK_EQ(symbols.name(SymbolKind::kSource, 0), std::string());
  // Replay: known again is fine, the next one is fine, anything else is not.
  CHECK(symbols.replay(SymbolKind::kSource, 2, "arm"));
  CHECK(symbols.replay(SymbolKind::kSource, 3, "gate"));
  CHECK(!symbols.replay(SymbolKind::kSource, 2, "other"));
  CHECK(!symbols.replay(SymbolKind::kSource, 5, "far"));
  CHECK(!symbols.replay(SymbolKind::kSource, 4, "pump"));
  CHECK(!symbols.replay(SymbolKind::kSource, 4, ""));
  CHECK(!symbols.replay(SymbolKind::kSource, 0, "zero"));
}

TEST(symbols_survive_encoding_and_refuse_every_cut) {
  Symbols symbols;
  for (int i = 0; i < 40; i++) symbols.add(SymbolKind::kSource, "source-" + std::to_string(i));
  for (int i = 0; i < 90; i++) symbols.add(SymbolKind::kLabel, "label-" + std::to_string(i));
  WireWriter out;
  symbols.encode(&out);
  Symbols back;
  WireReader in(out.bytes());
  REQUIRE(back.decode(&in));
  CHECK(in.atEnd());
  CHECK_EQ(back.find(SymbolKind::kLabel, "label-89"), 90u);
  for (size_t cut = 0; cut < out.size(); cut++) {
    Symbols half;
    WireReader short_in(out.bytes().first(cut));
    CHECK(!half.decode(&short_in));
  }
}

}  // namespace
}  // namespace rve::test
