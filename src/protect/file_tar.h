// The files of a job as a tar stream, straight from where they are.
#pragma once

#include <stop_token>

#include "codec/byte_stream.h"
#include "protect/backup.h"

namespace holdfast {

struct TarTally {
  std::atomic<std::uint64_t> entries{0};
  std::atomic<std::uint64_t> bytes{0};    // content
  std::atomic<std::uint64_t> sockets{0};  // left out
};

// Walks and reads what `job.walk` and `job.placed` say, one after the other, and gives a whole pax
// archive to `sink`. What vanishes or cannot be read becomes a warning, and so does a file that
// changes meanwhile: its size is fixed when it is begun, so that it may end with zeros. Throws
// kNotFound when no root exists, kCancelled.
void write_tar_of(const BackupJob& job, const ByteSink& sink, TarTally& tally, Warnings& warnings,
                  std::stop_token stop);

}  // namespace holdfast
