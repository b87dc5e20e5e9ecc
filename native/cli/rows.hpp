// Vectors from a file or stdin: raw little-endian f32, or text with one vector a line.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace rve::cli {

enum class Format : uint32_t { kF32 = 0, kCsv = 1 };
inline constexpr const char* kFormats = "f32|csv";

class Rows {
 public:
  Rows() = default;
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  // `path` "-" is stdin. `dimensions` 0: those of the first line (text only).
  bool open(const char* path, Format format, uint32_t dimensions);
  // Replaces *matrix by up to `rows_max` further rows; none at the end. False: error() says why.
  bool read(uint32_t rows_max, std::vector<float>* matrix);
  uint32_t dimensions() const { return dimensions_; }
  const std::string& error() const { return error_; }

 private:
  bool readRaw(uint32_t rows_max, std::vector<float>* matrix);
  bool readLine(std::vector<float>* matrix, bool* end);
  bool fail(const std::string& what);

  FILE* file_ = nullptr;
  Format format_ = Format::kF32;
  uint32_t dimensions_ = 0;
  uint64_t row_ = 0;  // read so far
  char* line_ = nullptr;
  size_t line_bytes_ = 0;
  std::string name_, error_;
};

// Numbers parted by commas or blanks, with or without brackets. False: one is none, or not finite.
bool parseNumbers(const char* text, std::vector<float>* out);

}  // namespace rve::cli
