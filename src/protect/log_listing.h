// What a vault has of the PostgreSQL log of a source, and what it lacks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace holdfast {

// Segments in a row, by name; `first` and `last` belong to it.
struct LogRange {
  std::string first;
  std::string last;
  std::uint64_t segments = 0;
};

// A segment of which there are only pieces.
struct PartialLog {
  std::string name;
  std::uint64_t pieces = 0;
  std::uint64_t reach = 0;  // bytes from offset 0 without a hole
};

struct LogTimeline {
  std::uint32_t timeline = 0;
  std::vector<LogRange> held;  // contiguous spans, ascending; complete pieces count as a segment
  std::vector<LogRange> gaps;  // between the first and the last that are held
  std::vector<PartialLog> partial;
};

struct LogStream {
  std::string stream;
  std::uint32_t segment_size = 0;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;             // in the store
  std::vector<LogTimeline> timelines;  // ascending
  std::vector<std::string> others;     // history, backup and other files
};

// From one listing, and the header of one segment of each stream, or of a piece of one, which tells
// the segment size (16 MiB when none does). Any key will do. Throws what the store throws, and
// kCorrupt for that header.
std::vector<LogStream> list_log(const Vault& vault, const std::string& source);

}  // namespace holdfast
