// From a URL to a store.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "os/clock.h"
#include "store/object_store.h"
#include "store/s3/options.h"

namespace holdfast {

struct OpenStoreOptions {
  bool create = false;     // make the directory or bucket when it does not exist (init, copy)
  bool read_only = false;  // every change is refused with kDenied (dry runs, restores)
  bool looks = true;       // asks for a bucket at once; else the first request tells
  S3Options s3 = {};       // for s3:// alone
  Clock* clock = &system_clock();  // outlives the store
  std::stop_token stop = {};       // ends waiting for a far store
};

// "file:///path" or a bare path, or "s3://BUCKET[/PREFIX]". Throws kNotFound when there is nothing,
// kInvalid on an unknown scheme (the message lists the known ones).
std::unique_ptr<ObjectStore> open_store(const std::string& url, const OpenStoreOptions& options);

// Whether the URL names a bucket.
bool is_s3_url(const std::string& url);

}  // namespace holdfast
