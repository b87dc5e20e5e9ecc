// The priority of threads whose work nobody waits for.
#pragma once

namespace rve {

// Of the calling thread, for good: ingest and queries come first.
void lowerPriority();

}  // namespace rve
