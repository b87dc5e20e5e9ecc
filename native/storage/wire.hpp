// Append and read plain values in order, for records and manifests whose size varies. The reader
// never reads past its end: a short input turns it into the failed state, which is checked once.
#pragma once
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace rve {

class WireWriter {
 public:
  template <typename T>
  void put(const T& value) {
    const size_t at = out_.size();
    out_.resize(at + sizeof(T));
    store(MutableBytes(out_), at, value);
  }
  // LEB128, 1 to 10 bytes.
  void putVarint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<std::byte>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<std::byte>(value));
  }
  void putBytes(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void putName(const std::string& name) {
    putVarint(name.size());
    putBytes(bytesOf(name.data(), name.size()));
  }
  Bytes bytes() const { return out_; }
  size_t size() const { return out_.size(); }

 private:
  std::vector<std::byte> out_;
};

class WireReader {
 public:
  explicit WireReader(Bytes bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    if (failed_ || bytes_.size() - at_ < sizeof(T)) {
      failed_ = true;
      return T{};
    }
    const T value = load<T>(bytes_, at_);
    at_ += sizeof(T);
    return value;
  }
  uint64_t getVarint() {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = get<uint8_t>();
      value |= uint64_t{byte & 0x7Fu} << shift;
      if ((byte & 0x80) == 0) return failed_ ? 0 : value;
    }
    failed_ = true;
    return 0;
  }
  Bytes getBytes(uint64_t count) {
    if (failed_ || bytes_.size() - at_ < count) {
      failed_ = true;
      return {};
    }
    const Bytes bytes = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return bytes;
  }
  std::string getName() {
    const uint64_t length = getVarint();
    if (length > remaining()) failed_ = true;
    if (failed_) return {};
    const Bytes bytes = getBytes(length);
    std::string name(bytes.size(), '\0');
    for (size_t i = 0; i < bytes.size(); i++) name[i] = static_cast<char>(bytes[i]);
    return name;
  }
  // A count whose items take at least `bytes_each`: fails rather than letting a caller allocate for
  // a lie.
  uint32_t getCount(uint64_t bytes_each) {
    const uint64_t count = getVarint();
    if (count > remaining() / bytes_each) failed_ = true;
    return failed_ ? 0 : static_cast<uint32_t>(count);
  }
  size_t remaining() const { return bytes_.size() - at_; }
  bool failed() const { return failed_; }
  bool atEnd() const { return !failed_ && at_ == bytes_.size(); }

 private:
  Bytes bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace rve
