// How long a request may take.
#pragma once

#include <cstdint>

#include "store/s3/options.h"

namespace holdfast {

// For a request that moves so many bytes: time for the store to answer, and time for the bytes at
// the slowest rate that is worth waiting for. `left` is what remains of the time for the whole
// operation. It bounds the time to answer alone: a transfer that goes on is not cut off.
Duration request_deadline(const S3Options& options, std::uint64_t bytes, Duration left);

}  // namespace holdfast
