// The one-writer lock of a store. Inner to base: other rooms see only env.hpp.
#pragma once
#include <string>

#include "base/status.hpp"

namespace rve {

enum class LockKind { kShared, kExclusive };

// Takes an open-file-description lock over the whole file: it belongs to this `fd`, so a second
// open in the same process conflicts too, and it ends with the descriptor, whatever ended the
// process. kBusy names the holder's pid, or "unknown" where /proc does not show it (another user's
// process).
Status lockFile(int fd, LockKind kind, const std::string& path);

// Gives the lock up. Cannot fail in a way that matters: the end of the descriptor does the same.
void unlockFile(int fd);

}  // namespace rve
