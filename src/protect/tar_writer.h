// Entries as a tar stream in the pax format, with everything that a backup knows of them.
#pragma once

#include <memory>

#include "codec/byte_stream.h"
#include "protect/file_content.h"
#include "vault/entry.h"

namespace holdfast {

// Names are written byte for byte; attributes and ACLs as SCHILY.xattr, sparse files as GNU tar
// does (version 1.0), times in nanoseconds. One thread at a time.
class TarWriter {
 public:
  explicit TarWriter(ByteSink sink);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  // Ends the entry before. The path must not be empty.
  void begin(const Entry& entry);
  // Content of the file begun last, in order; of a sparse file that of its extents.
  void content(ByteView data);
  // Ends the archive, once. Without it the sink has no whole archive.
  void finish();

 private:
  class Archive;

  void end_entry();

  std::unique_ptr<Archive> archive_;
  FileContent content_;
  bool open_ = false;
};

}  // namespace holdfast
