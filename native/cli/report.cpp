#include "cli/report.hpp"

#include <cmath>
#include <cstdio>

namespace rve::cli {

int failedAs(int exit_code, const char* code, const std::string& message, bool json) {
  if (json) {
    Json inner;
    inner.add("code", code).add("message", message.c_str());
    std::printf("%s\n", Json().raw("error", inner.text()).text().c_str());
    std::fflush(stdout);
  }
  std::fprintf(stderr, "rve-core: %s\n", message.c_str());
  return exit_code;
}

int failed(rve_status status, bool json) {
  const bool damaged = status == RVE_ERR_CORRUPT || status == RVE_ERR_TRUNCATED;
  return failedAs(damaged ? kDamaged : kFailed, rve_status_name(status), rve_last_error(), json);
}

std::string quoted(const char* text) {
  std::string out = "\"";
  for (; *text != '\0'; ++text) {
    const unsigned char byte = static_cast<unsigned char>(*text);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += *text;
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += *text;
    }
  }
  return out + '"';
}

std::string shortest(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(value));
  return text;
}

Json& Json::raw(const char* key, const std::string& value) {
  if (!body_.empty()) body_ += ',';
  body_ += quoted(key) + ":" + value;
  return *this;
}

Json& Json::add(const char* key, uint64_t value) { return raw(key, std::to_string(value)); }
Json& Json::add(const char* key, bool value) { return raw(key, value ? "true" : "false"); }
Json& Json::add(const char* key, const char* value) { return raw(key, quoted(value)); }

Json& Json::add(const char* key, double value) {
  if (!std::isfinite(value)) return raw(key, "null");
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return raw(key, text);
}

bool flushed() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

}  // namespace rve::cli
