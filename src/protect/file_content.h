// The bytes of a file from its chunks, which leave out the holes of a sparse file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codec/byte_stream.h"
#include "vault/entry.h"

namespace holdfast {

// One file at a time, one thread at a time.
class FileContent {
 public:
  // `entry` is of any type; only a file has content.
  void begin(const Entry& entry);
  // Data in order; the sink gets it with zeros for the holes before it.
  void add(ByteView data, const ByteSink& sink);
  // The hole at the end. Throws Error(kCorrupt) when data is missing.
  void end(const ByteSink& sink);

 private:
  bool all_given();
  void skip_to(std::uint64_t offset, const ByteSink& sink);

  std::string path_;
  std::vector<Extent> extents_;
  std::size_t extent_ = 0;
  std::uint64_t in_extent_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace holdfast
