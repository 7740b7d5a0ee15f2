#include "store/s3/request_deadline.h"

#include <algorithm>

namespace holdfast {
namespace {

// Slower than this, a transfer is as good as dead.
constexpr std::uint64_t kSlowestRate = 64u << 10;
// A store that is well may take so long all the same.
constexpr Duration kShortest = std::chrono::seconds{1};

}  // namespace

Duration request_deadline(const S3Options& options, std::uint64_t bytes, Duration left) {
  std::uint64_t rate = kSlowestRate;
  for (const std::uint64_t limit : {options.upload_limit, options.download_limit}) {
    if (limit > 0) rate = std::min(rate, limit / 2 / std::max(1u, options.connections) + 1);
  }
  const Duration answer = std::min(options.request_timeout, std::max(left, kShortest));
  return answer + std::chrono::seconds{bytes / rate};
}

}  // namespace holdfast
