// What lies in a bucket, by its own word.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "store/object_store.h"
#include "store/s3/client.h"

namespace holdfast {

struct BucketObject {
  ObjectInfo info;  // with the whole key; whole seconds, as headers have no more
  std::string storage_class;
};

// Every object whose key begins with `full_prefix`, in the order of the keys. A page that cannot be
// what the store sent is asked for again. Over plain HTTP, where nothing else would notice a
// changed byte in a key or a time, the list is read twice at once, and an object in which the two
// differ (written or removed meanwhile, or changed on the way) is looked at by itself.
void list_bucket(S3Client& client, const std::string& full_prefix,
                 const std::function<void(const BucketObject&)>& visit);

// Throws kUnsupported when a truncated page is followed by itself: that would never end. `last` and
// `next`: where it was asked to go on from, and is to be next. `request`: request_note() of the
// page.
void require_progress(bool truncated, const std::string& last, const std::string& next,
                      const std::string& request);

// The object itself; nothing when there is none.
std::optional<BucketObject> look_at(S3Client& client, const std::string& full_key);

}  // namespace holdfast
