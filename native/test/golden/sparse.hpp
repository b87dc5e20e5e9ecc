// A store as text: the bytes that are not zero. Stores are 1.5 MiB and more, nearly all of it
// empty, so this is a hundredth of the file, and a change shows in a diff.
//
//   rve-golden 1
//   bytes 2097152
//   000000010000 52455645534c4f54...      offset (12 hex digits), then up to 64 bytes
#pragma once
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace rve::test {

std::string sparseFromBytes(Bytes bytes);
// False if the text is not of this form or is cut short.
bool bytesFromSparse(const std::string& text, std::vector<std::byte>* out);

}  // namespace rve::test
