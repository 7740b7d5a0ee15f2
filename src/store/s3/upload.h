// An object on its way into a bucket: spooled until its key is known, then sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/object_store.h"
#include "store/s3/client.h"
#include "store/s3/spool.h"

namespace holdfast {

// Storage class, encryption and retention, as the options want them for an object of this key (as
// the store knows it, without the prefix) and size.
HeaderList object_headers(const S3Client& client, std::string_view key, std::uint64_t size);

// Whether the stored object has exactly this content. `full_key` is with the prefix.
bool has_content(S3Client& client, const std::string& full_key, const HttpBody& body);

// Sends `put` on the condition that its key is free (`etag` empty) or still has `etag`. False when
// the condition does not hold. An answer that was lost is cleared up by looking.
bool put_if(S3Client& client, S3Request put, std::string_view etag);

// What is to become of a spooled object.
struct Upload {
  std::string key;  // with the prefix
  HeaderList headers;
  std::string sha256;  // of the content, hex; empty: not known
  bool over = false;   // in the place of what is there
};

// True when it was created, false when the key existed. With one request when it is small, or when
// its hash is known: that costs this side and the store less than parts. Else in parts.
bool send_upload(S3Client& client, const Upload& upload, const Spool& spool);

// Ends uploads below `prefix` that were begun before `before`: what crashed writers left. Returns
// how many.
std::uint64_t abort_uploads(S3Client& client, const std::string& prefix, Timestamp before);

}  // namespace holdfast
