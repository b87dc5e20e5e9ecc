// What an insert must satisfy before it is queued: checked on the caller's thread, once.
#pragma once
#include "rve/engine.hpp"

namespace rve {

// kDimensions, kVector, kIdRange, kIdDuplicate, kName, kPayload, kArgument.
Status checkBatch(const InsertBatch& batch, uint32_t dims, Metric metric);
// What the batch counts against kQueueBytesMax.
uint64_t batchBytes(const InsertBatch& batch);

}  // namespace rve
