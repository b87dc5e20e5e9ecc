#include "cli/rows.hpp"

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace rve::cli {

static_assert(std::endian::native == std::endian::little, "raw f32 is read as it lies");

Rows::~Rows() {
  if (file_ != nullptr && file_ != stdin) std::fclose(file_);
  std::free(line_);
}

bool Rows::fail(const std::string& what) {
  error_ = "Cannot read vectors: " + what + ", " + name_;
  return false;
}

bool Rows::open(const char* path, Format format, uint32_t dimensions) {
  name_ = path;
  format_ = format;
  dimensions_ = dimensions;
  if (format == Format::kF32 && dimensions == 0) return fail("raw f32 needs --dims");
  file_ = name_ == "-" ? stdin : std::fopen(path, "rb");
  if (file_ == nullptr) return fail(std::strerror(errno));
  return true;
}

bool Rows::readRaw(uint32_t rows_max, std::vector<float>* matrix) {
  matrix->resize(size_t{rows_max} * dimensions_);
  const size_t bytes = std::fread(matrix->data(), 1, matrix->size() * sizeof(float), file_);
  if (std::ferror(file_) != 0) return fail(std::strerror(errno));
  const size_t row_bytes = dimensions_ * sizeof(float);
  if (bytes % row_bytes != 0) {
    return fail("row " + std::to_string(row_ + bytes / row_bytes) + " is cut short");
  }
  matrix->resize(bytes / sizeof(float));
  row_ += bytes / row_bytes;
  return true;
}

bool Rows::readLine(std::vector<float>* matrix, bool* end) {
  errno = 0;
  const ssize_t bytes = getline(&line_, &line_bytes_, file_);
  *end = bytes < 0;
  if (*end) return std::ferror(file_) == 0 || fail(std::strerror(errno));
  const size_t before = matrix->size();
  const std::string row = "row " + std::to_string(row_);
  if (!parseNumbers(line_, matrix)) return fail(row + " holds what is no finite number");
  const size_t count = matrix->size() - before;
  if (count == 0) return true;  // an empty line
  if (dimensions_ == 0) dimensions_ = static_cast<uint32_t>(count);
  if (count != dimensions_) {
    return fail(row + " has " + std::to_string(count) + " numbers, not " +
                std::to_string(dimensions_));
  }
  ++row_;
  return true;
}

bool Rows::read(uint32_t rows_max, std::vector<float>* matrix) {
  matrix->clear();
  if (format_ == Format::kF32) return readRaw(rows_max, matrix);
  const uint64_t wanted = row_ + rows_max;
  for (bool end = false; !end && row_ < wanted;) {
    if (!readLine(matrix, &end)) return false;
  }
  return true;
}

bool parseNumbers(const char* text, std::vector<float>* out) {
  const char* at = text;
  while (true) {
    at += std::strspn(at, "[], \t\r\n");
    if (*at == '\0') return true;
    char* end = nullptr;
    const float value = std::strtof(at, &end);
    if (end == at || !std::isfinite(value)) return false;
    out->push_back(value);
    at = end;
    if (*at != '\0' && std::strchr("], \t\r\n", *at) == nullptr) return false;
  }
}

}  // namespace rve::cli
