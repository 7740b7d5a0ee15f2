#include "store/s3/retention.h"

#include <fmt/format.h>

#include "base/error.h"
#include "store/s3/bucket.h"

namespace holdfast {

Retention retention_of(S3Client& client, const std::string& full_key) {
  const HttpResponse head =
      client.send({.method = "HEAD", .key = full_key, .expected = {404}}).http;
  const std::string_view until = head.header("x-amz-object-lock-retain-until-date");
  if (head.status == 404 || until.empty()) return {};
  const std::string_view mode = head.header("x-amz-object-lock-mode");
  return {mode == "GOVERNANCE" ? LockMode::kGovernance : LockMode::kCompliance,
          reading(head, [&] { return parse_rfc3339(until); })};
}

void set_retention(S3Client& client, const std::string& full_key, const Retention& retention) {
  const std::string body = fmt::format(
      "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>"
      "<RetainUntilDate>{}</RetainUntilDate></Retention>",
      retention.mode == LockMode::kGovernance ? "GOVERNANCE" : "COMPLIANCE",
      format_rfc3339(retention.until.value()));
  client.send({.method = "PUT",
               .key = full_key,
               .query = {{"retention", ""}},
               .headers = {},
               .body = body_of(as_bytes(body))});
}

bool bucket_has_locks(S3Client& client) {
  try {
    return bucket_lock(client).enabled;
  } catch (const Error& error) {
    if (error.code() == Code::kUnsupported) return false;
    if (error.code() == Code::kDenied) return true;
    throw;
  }
}

void extend_retention(S3Client& client, const std::string& full_key, Timestamp until) {
  Retention wanted{client.options().lock, until};
  if (wanted.mode == LockMode::kNone) wanted.mode = LockMode::kGovernance;
  try {
    set_retention(client, full_key, wanted);
  } catch (const Error& error) {
    // A store refuses what would weaken the present lock; one request fewer for all the others.
    if (error.code() != Code::kDenied) throw;
    const Retention present = retention_of(client, full_key);
    if (present.until && *present.until >= until) return;
    if (present.mode != LockMode::kCompliance || wanted.mode == LockMode::kCompliance) throw;
    wanted.mode = LockMode::kCompliance;
    set_retention(client, full_key, wanted);
  }
}

}  // namespace holdfast
