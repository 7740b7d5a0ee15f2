// A versioned bucket as it was at a moment: whatever was overwritten, deleted or added since does
// not count. The way back after somebody with a stolen key was at work.
#pragma once

#include <map>
#include <string>

#include "store/s3/client.h"
#include "store/s3/xml.h"

namespace holdfast {

// Every version below `prefix`, page by page, each key's newest first.
void list_versions(S3Client& client, const std::string& prefix,
                   const std::function<void(const ObjectVersion&)>& visit);

// Full key -> the version that was current at `moment` by the store's clock; keys that did not
// exist then, or were deleted, are not in it.
std::map<std::string, ObjectVersion> versions_at(S3Client& client, const std::string& prefix,
                                                 Timestamp moment);

}  // namespace holdfast
