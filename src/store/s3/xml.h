// The XML that S3 speaks, both ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "store/object_store.h"

namespace holdfast {

struct S3ErrorBody {
  std::string code;     // "NoSuchKey"; empty when the body says none
  std::string message;  // often empty with Ceph
  std::string request_id;
  std::string region;    // where the bucket is, in redirects
  std::string endpoint;  // the same
};
// Never throws: an error body may be anything, or nothing.
S3ErrorBody parse_error_body(ByteView body);

struct ListPage {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> storage_classes;  // of each object; empty: STANDARD
  bool truncated = false;
  std::string next;  // continuation token
};
// ListObjectsV2 with encoding-type=url. Throws Error(kCorrupt).
ListPage parse_list(ByteView body);

struct ObjectVersion {
  std::string key;
  std::string version;
  std::uint64_t size = 0;
  Timestamp modified{};
  std::string etag;
  bool latest = false;
  bool delete_marker = false;
};
struct VersionPage {
  std::vector<ObjectVersion> versions;  // by key, each key's newest first
  bool truncated = false;
  std::string next_key;
  std::string next_version;
};
// ListObjectVersions with encoding-type=url. Throws Error(kCorrupt).
VersionPage parse_versions(ByteView body);

// The UploadId of InitiateMultipartUpload. Throws Error(kCorrupt).
std::string parse_upload_id(ByteView body);
struct PendingUpload {
  std::string key;
  std::string upload_id;
  Timestamp initiated{};
};
struct UploadPage {
  std::vector<PendingUpload> uploads;
  bool truncated = false;
  std::string next_key;
  std::string next_upload;
};
// ListMultipartUploads with encoding-type=url. Throws Error(kCorrupt).
UploadPage parse_uploads(ByteView body);
// The body of CompleteMultipartUpload.
std::string complete_upload_body(const std::vector<std::string>& etags);

}  // namespace holdfast
