// What an S3 store, or whatever answers in its place, sends.
#include "fuzz.h"
#include "store/s3/xml.h"

using namespace holdfast;

namespace {

void lists(ByteView body) {
  const ListPage page = parse_list(body);
  require(page.storage_classes.size() == page.objects.size(), "each object has a storage class");
  require(page.truncated != page.next.empty(), "a page that goes on says where");
}

void versions(ByteView body) {
  const VersionPage page = parse_versions(body);
  require(page.truncated || page.next_key.empty(), "the last page has no next one");
  for (std::size_t i = 1; i < page.versions.size(); ++i) {
    require(page.versions[i - 1].key <= page.versions[i].key, "versions are by key");
  }
}

void uploads(ByteView body) {
  const UploadPage page = parse_uploads(body);
  require(page.truncated || page.next_key.empty(), "the last page has no next one");
  for (const PendingUpload& upload : page.uploads) {
    require(!upload.upload_id.empty(), "an upload has an id");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView body(data, size);
  parse_error_body(body);
  refuse_or_accept([&] { lists(body); });
  refuse_or_accept([&] { versions(body); });
  refuse_or_accept([&] { uploads(body); });
  refuse_or_accept([&] { require(!parse_upload_id(body).empty(), "an upload has an id"); });
  // Text of any kind stays text.
  const Bytes made = to_bytes(as_bytes(complete_upload_body({std::string(as_text(body))})));
  require(parse_error_body(made).code.empty(), "a body of ours is no error");
  return 0;
}
