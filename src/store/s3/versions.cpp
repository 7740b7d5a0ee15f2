#include "store/s3/versions.h"

#include <functional>

#include "store/s3/listing.h"

namespace holdfast {

void list_versions(S3Client& client, const std::string& prefix,
                   const std::function<void(const ObjectVersion&)>& visit) {
  VersionPage page;
  do {
    QueryParameters query = {{"versions", ""}, {"prefix", prefix}, {"encoding-type", "url"}};
    if (page.truncated) {
      query.emplace_back("key-marker", page.next_key);
      query.emplace_back("version-id-marker", page.next_version);
    }
    const std::string last = page.next_key + "\n" + page.next_version;
    const HttpResponse answer = client.send({.query = query}).http;
    page = reading(answer, [&] { return parse_versions(answer.body); });
    require_progress(page.truncated, last, page.next_key + "\n" + page.next_version,
                     request_note(answer));
    for (const ObjectVersion& version : page.versions) visit(version);
  } while (page.truncated);
}

std::map<std::string, ObjectVersion> versions_at(S3Client& client, const std::string& prefix,
                                                 Timestamp moment) {
  std::map<std::string, ObjectVersion> current;
  list_versions(client, prefix, [&](const ObjectVersion& version) {
    if (version.modified > moment) return;
    const auto [at, added] = current.try_emplace(version.key, version);
    if (!added && version.modified > at->second.modified) at->second = version;
  });
  std::erase_if(current, [](const auto& item) { return item.second.delete_marker; });
  return current;
}

}  // namespace holdfast
