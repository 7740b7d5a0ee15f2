// Objects in archive tiers. Source: S3 API reference, RestoreObject and HeadObject (x-amz-restore).
#pragma once

#include <string>
#include <string_view>

#include "store/object_store.h"
#include "store/s3/client.h"

namespace holdfast {

// GLACIER and DEEP_ARCHIVE. What lies there has to be asked for before it can be read.
bool is_archive_class(std::string_view storage_class);

// Archived is what lies in an archive class without a restored copy, as HEAD tells. An empty
// `version` is the current one. Throws kNotFound.
Tier tier_of(S3Client& client, const std::string& full_key, const std::string& version = {});

// Asks for a readable copy for so many days, at the standard speed. Asking again is no error, nor
// is asking for what is readable.
void request_thaw(S3Client& client, const std::string& full_key, unsigned days,
                  const std::string& version = {});

}  // namespace holdfast
