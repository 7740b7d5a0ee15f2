// Object Lock on single objects.
#pragma once

#include <optional>
#include <string>

#include "store/s3/client.h"

namespace holdfast {

struct Retention {
  LockMode mode = LockMode::kNone;
  std::optional<Timestamp> until;
};
// Nothing when the object is absent or free.
Retention retention_of(S3Client& client, const std::string& full_key);

// Whether objects of the bucket can have locks. True when the key may not look: then each object
// tells.
bool bucket_has_locks(S3Client& client);

// Locks the object until then in the mode of the options, governance without one.
// A lock that ends later stays as it is, and compliance never becomes governance.
void extend_retention(S3Client& client, const std::string& full_key, Timestamp until);

// Locks the object until then, or longer than it is locked now. A store refuses to shorten a
// compliance lock: Error(kDenied).
void set_retention(S3Client& client, const std::string& full_key, const Retention& retention);

}  // namespace holdfast
