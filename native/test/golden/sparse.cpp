#include "test/golden/sparse.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace rve::test {
namespace {

constexpr size_t kUnitBytes = 64;
constexpr size_t kOffsetDigits = 12;
constexpr uint64_t kBytesMax = 1u << 30;  // a golden file is a few MiB
const std::string kHead = "rve-golden 1\nbytes ";

int hexValue(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

bool expandLine(const std::string& line, std::vector<std::byte>* out) {
  if (line.size() < kOffsetDigits + 3 || line[kOffsetDigits] != ' ' || line.size() % 2 == 0) {
    return false;
  }
  uint64_t offset = std::strtoull(line.substr(0, kOffsetDigits).c_str(), nullptr, 16);
  for (size_t at = kOffsetDigits + 1; at < line.size(); at += 2, offset++) {
    const int high = hexValue(line[at]), low = hexValue(line[at + 1]);
    if (high < 0 || low < 0 || offset >= out->size()) return false;
    (*out)[offset] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

}  // namespace

std::string sparseFromBytes(Bytes bytes) {
  std::string text = kHead + std::to_string(bytes.size()) + "\n";
  char number[32];
  for (size_t at = 0; at < bytes.size(); at += kUnitBytes) {
    Bytes unit = bytes.subspan(at, std::min(kUnitBytes, bytes.size() - at));
    if (allZero(unit)) continue;
    while (unit.back() == std::byte{0}) unit = unit.first(unit.size() - 1);
    std::snprintf(number, sizeof(number), "%012zx ", at);
    text += number;
    for (const std::byte b : unit) {
      std::snprintf(number, sizeof(number), "%02x", static_cast<unsigned>(b));
      text += number;
    }
    text += '\n';
  }
  return text;
}

bool bytesFromSparse(const std::string& text, std::vector<std::byte>* out) {
  if (text.compare(0, kHead.size(), kHead) != 0 || text.back() != '\n') return false;
  const uint64_t bytes = std::strtoull(text.c_str() + kHead.size(), nullptr, 10);
  if (bytes == 0 || bytes > kBytesMax) return false;
  out->assign(static_cast<size_t>(bytes), std::byte{0});
  size_t at = text.find('\n', kHead.size()) + 1;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    if (!expandLine(text.substr(at, end - at), out)) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace rve::test
