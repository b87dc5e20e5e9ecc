#include "binding/mailbox.hpp"

#include <iterator>

namespace rve::binding {

void Mailbox::attach(napi_threadsafe_function wake) {
  const std::lock_guard<std::mutex> lock(mutex_);
  wake_ = wake;
}

void Mailbox::post(Completion&& completion) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (wake_ == nullptr) return;
  waiting_.push_back(std::move(completion));
  if (woken_) return;
  // Under the lock, so that silence() can promise that no call is under way. It does not block: the
  // function's own queue has no bound, and holds one entry at most.
  woken_ = napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Mailbox::take(std::vector<Completion>* out) {
  const std::lock_guard<std::mutex> lock(mutex_);
  woken_ = false;
  if (out->empty()) {
    out->swap(waiting_);
    return;
  }
  out->insert(out->end(), std::make_move_iterator(waiting_.begin()),
              std::make_move_iterator(waiting_.end()));
  waiting_.clear();
}

void Mailbox::silence() {
  const std::lock_guard<std::mutex> lock(mutex_);
  wake_ = nullptr;
}

}  // namespace rve::binding
