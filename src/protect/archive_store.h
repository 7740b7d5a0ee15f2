// Archives as objects of a store: one ordinary object for each backup of a source with
// `format: archive`.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/archive_stream.h"

namespace holdfast {

struct ArchiveWriterOptions {
  std::vector<Key> recipients;  // age; empty: not sealed
  std::optional<int> level;
  unsigned threads = 0;
};

// Takes a dump (or a tar stream) and makes an object of it. The object exists only after commit(),
// whole; destroyed before, this leaves nothing. One thread at a time.
class ArchiveWriter {
 public:
  // `name.sealed` must say whether there are recipients, else Error(kInternal); `store` outlives
  // this.
  ArchiveWriter(ObjectStore& store, ArchiveName name, const ArchiveWriterOptions& options);

  const ArchiveName& name() const { return name_; }
  void write(ByteView plain);
  // To be called once, when the producer ended well: all of the archive is with the store, though
  // not visible yet, and what compressing needed is freed.
  void finish();
  // Makes it visible; finishes it if that has not been done. Throws Error(kConflict) when an object
  // of that key exists, which stays as it is.
  void commit();

  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }

 private:
  ArchiveName name_;
  std::unique_ptr<StagedObject> object_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::unique_ptr<ByteStream> encoder_;
};

struct ArchiveContent {
  std::uint64_t bytes = 0;         // plain
  std::uint64_t stored_bytes = 0;  // of the object
};

// Gives the plain bytes of a stored archive to `sink`, in order; all of them have been given when
// it returns. What was given before an Error is not to be trusted to be the whole. Errors:
// kNotFound, kDenied (sealed for others), kCorrupt, kCancelled.
ArchiveContent read_archive(ObjectStore& store, const ArchiveName& name,
                            const std::vector<Key>& identities, const ByteSink& sink,
                            std::stop_token stop = {});

}  // namespace holdfast
