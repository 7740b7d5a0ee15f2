// An object on its way into a bucket: spooled until its key is known, then sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "os/file.h"
#include "store/object_store.h"
#include "store/s3/client.h"

namespace holdfast {

// Storage class, encryption and retention, as the options want them for an object of this key (as
// the store knows it, without the prefix) and size.
HeaderList object_headers(const S3Client& client, std::string_view key, std::uint64_t size);

// Whether the stored object has exactly this content. `full_key` is with the prefix.
bool has_content(S3Client& client, const std::string& full_key, const HttpBody& body);

// A PUT on the condition that the key is free (`etag` empty) or still has `etag`. False when the
// condition does not hold. An answer that was lost is cleared up by looking.
bool put_if(S3Client& client, const std::string& full_key, const HttpBody& body, HeaderList headers,
            std::string_view etag, const std::string& body_sha256 = {});

// Content that waits in an unnamed file. One thread at a time.
class Spool {
 public:
  // In $TMPDIR or /tmp. `hash_parts`: the SHA-256 of each part is computed on the way.
  Spool(bool hash_parts, std::uint64_t part_bytes);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void append(ByteView data);
  void finish();
  std::uint64_t size() const { return size_; }
  std::size_t parts() const {
    return static_cast<std::size_t>((size_ + part_bytes_ - 1) / part_bytes_);
  }
  // Part `index`, from 0; valid as long as the spool. May be read by any thread after finish().
  HttpBody part(std::size_t index) const;
  HttpBody whole() const;
  // Hex; empty when the parts are not hashed.
  std::string part_sha256(std::size_t index) const;

 private:
  class Hasher;

  HttpBody range(std::uint64_t from, std::uint64_t size) const;

  std::string path_;  // for messages
  Fd fd_;
  const std::uint64_t part_bytes_;
  std::uint64_t size_ = 0;
  std::unique_ptr<Hasher> hasher_;
  std::vector<std::string> hashes_;
};

// Sends a spooled object in parts, several at once. True when it was created, false when the key
// existed. Leaves no unfinished upload behind when it throws, as far as the store answers.
bool upload_in_parts(S3Client& client, const std::string& full_key, const Spool& spool,
                     const HeaderList& headers);

// Ends uploads below `prefix` that were begun before `before`: what crashed writers left. Returns
// how many.
std::uint64_t abort_uploads(S3Client& client, const std::string& prefix, Timestamp before);

}  // namespace holdfast
