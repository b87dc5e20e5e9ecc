// From the zstd stream to files.
#pragma once
#include <string>

#include "payload.hpp"

namespace rve::launcher {

// Writes all files below `folder`, synced, folders too. The stream is checked against the payload's
// SHA-256 to its end: only then is true the answer. Memory: 8 MiB window and two buffers.
bool extract(int self, const Payload& payload, int folder, std::string* error);

}  // namespace rve::launcher
