#include "store/s3/archive.h"

#include <fmt/format.h>

#include "store/s3/xml.h"

namespace holdfast {

bool is_archive_class(std::string_view storage_class) {
  return storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE";
}

Tier tier_of(S3Client& client, const std::string& full_key, const std::string& version) {
  S3Request request{.method = "HEAD", .key = full_key};
  if (!version.empty()) request.query = {{"versionId", version}};
  const HttpResponse head = client.send(request).http;
  if (!is_archive_class(head.header("x-amz-storage-class"))) return Tier::kReady;
  const std::string_view restore = head.header("x-amz-restore");
  if (restore.find("ongoing-request=\"false\"") != restore.npos) return Tier::kReady;
  return restore.empty() ? Tier::kArchived : Tier::kThawing;
}

void request_thaw(S3Client& client, const std::string& full_key, unsigned days,
                  const std::string& version) {
  const std::string body = fmt::format(
      "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>{}</Days>"
      "<GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters></RestoreRequest>",
      days);
  S3Request request{.method = "POST",
                    .key = full_key,
                    .query = {{"restore", ""}},
                    .body = body_of(as_bytes(body)),
                    .expected = {403, 409}};
  if (!version.empty()) request.query.emplace_back("versionId", version);
  const HttpResponse answer = client.send(request).http;
  if (answer.status / 100 == 2) return;
  const std::string code = parse_error_body(answer.body).code;
  // 403 InvalidObjectState: it is in no archive.
  if (code == "RestoreAlreadyInProgress" || code == "InvalidObjectState") return;
  throw judge(answer, fmt::format("request s3://{}/{}", client.bucket(), full_key)).error;
}

}  // namespace holdfast
