#include "store/at_once.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/mutex.h"

namespace holdfast {

void at_once(const ObjectStore& store, std::size_t count,
             const std::function<void(std::size_t)>& work, std::stop_token stop) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  Mutex mutex;
  std::exception_ptr error;
  const auto loop = [&] {
    for (std::size_t i = next++; i < count && !failed; i = next++) {
      try {
        if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
        work(i);
      } catch (...) {
        MutexLock lock(mutex);
        failed = true;
        if (!error) error = std::current_exception();
      }
    }
  };
  {
    const StoreTraits traits = store.traits();
    const std::size_t threads =
        traits.remote ? std::min<std::size_t>(traits.parallelism, count) : 1;
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(loop);
    loop();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace holdfast
