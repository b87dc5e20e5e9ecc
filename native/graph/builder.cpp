#include "graph/builder.hpp"

#include <new>

#include "graph/build_state.hpp"

namespace rve {

class GraphBuilder::Impl : public BuildState {};

GraphBuilder::GraphBuilder() = default;
GraphBuilder::~GraphBuilder() = default;

uint64_t GraphBuilder::bytesNeeded(uint32_t rows, const GraphParams& params,
                                   uint32_t threads) {
  // Higher levels: rows / (M - 1) nodes in all, 4 M + 8 bytes each; a tenth more for their chance.
  const uint64_t upper = uint64_t{rows} * 11 / (10 * (params.links - 1)) * (4 * params.links + 8);
  return kGraphLevel0Offset + uint64_t{rows} * 8 * params.links + upper +
         BuildState::scratchBytes(rows, params, threads);
}

Status GraphBuilder::begin(const NavSpace& space, const GraphParams& params) {
  return beginAny(space, params, nullptr, {});
}

Status GraphBuilder::beginFrom(const NavSpace& space, const GraphParams& params,
                               const GraphView& old, std::span<const uint32_t> old_to_new) {
  if (old.links() != params.links) return Status(Code::kArgument, "graph: M of old and new differ");
  if (old_to_new.size() != old.rows()) return Status(Code::kArgument, "graph: length of row map");
  return beginAny(space, params, &old, old_to_new);
}

Status GraphBuilder::beginAny(const NavSpace& space, const GraphParams& params,
                              const GraphView* old, std::span<const uint32_t> old_to_new) {
  impl_.reset();
  if (space.rows < 1 || space.rows > kGraphRowsMax) {
    return Status(Code::kArgument, "graph: number of rows");
  }
  if (params.links < 2 || params.links > kGraphLinks0Max / 2 || params.ef_construction < 1 ||
      params.ef_construction > kEfMax) {
    return Status(Code::kArgument, "graph: M or ef_construction");
  }
  std::unique_ptr<Impl> impl(new (std::nothrow) Impl);
  if (impl == nullptr) return Status(Code::kNoMemory, "graph builder");
  RVE_TRY(impl->begin(space, params, old, old_to_new));
  impl_ = std::move(impl);
  return {};
}

uint32_t GraphBuilder::step(uint32_t rows_max, const std::atomic<bool>* stop) {
  RVE_ASSERT(impl_ != nullptr);
  return impl_->step(rows_max, stop);
}

uint32_t GraphBuilder::stepParallel(uint32_t rows_max, uint32_t threads,
                                    const std::atomic<bool>* stop) {
  RVE_ASSERT(impl_ != nullptr);
  return threads < 2 ? impl_->step(rows_max, stop) : impl_->stepParallel(rows_max, threads, stop);
}

uint32_t GraphBuilder::rowsWaiting() const { return impl_ == nullptr ? 0 : impl_->waiting(); }

LargeBytes GraphBuilder::finish() {
  RVE_ASSERT(impl_ != nullptr && done());
  LargeBytes out = impl_->finish();
  impl_.reset();
  return out;
}

}  // namespace rve
