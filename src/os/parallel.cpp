#include "os/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/grace.h"
#include "os/mutex.h"

namespace holdfast {

void in_parallel(unsigned threads, std::size_t count, const std::stop_token& stop,
                 const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  Mutex mutex;
  std::exception_ptr error;
  const auto run = [&] {
    for (std::size_t i = next++; i < count && !failed; i = next++) {
      try {
        if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
        work(i);
      } catch (...) {
        failed = true;
        MutexLock lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    const std::size_t wanted = std::min<std::size_t>(threads, count);
    for (std::size_t i = 1; i < wanted; ++i) {
      others.emplace_back([&run, given = Grace::is_given()] {
        const Grace grace(given);
        run();
      });
    }
    run();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace holdfast
