// From a URL to a store.
#pragma once

#include <memory>
#include <string>

#include "store/object_store.h"

namespace holdfast {

struct OpenStoreOptions {
  bool create = false;     // make the directory when it does not exist (init, copy)
  bool read_only = false;  // every change is refused with kDenied (dry runs, restores)
};

// "file:///path" or a bare path. Throws kNotFound when there is nothing, kInvalid on an unknown
// scheme (the message lists the known ones).
std::unique_ptr<ObjectStore> open_store(const std::string& url, const OpenStoreOptions& options);

}  // namespace holdfast
