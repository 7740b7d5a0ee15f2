#include "store/s3/bucket.h"

#include <fmt/format.h>

#include <pugixml.hpp>

#include "store/s3/whole_object.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

// Names with or without a namespace prefix.
pugi::xml_document parsed(const HttpResponse& answer, std::string_view what) {
  pugi::xml_document document;
  if (!document.load_buffer(answer.body.data(), answer.body.size())) {
    throw Error(Code::kCorrupt,
                fmt::format("the store's {} is no XML{}", what, request_note(answer)),
                "check that the endpoint is that of an S3 store and that no proxy answers for it");
  }
  return document;
}

HttpResponse look_at_bucket(S3Client& client) {
  S3Request request;
  request.method = "HEAD";
  request.expected = {403, 404};
  return client.send(request).http;
}

std::string location_body(const S3Client& client) {
  // The oldest region of AWS refuses to be named; other stores have places of their own names, and
  // take the bucket where they are asked.
  const std::string region = client.region();
  const bool aws = client.endpoint().find(".amazonaws.com") != std::string::npos;
  if (!aws || region == "us-east-1") return {};
  return fmt::format(
      "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
      region);
}

void create_bucket(S3Client& client) {
  const std::string body = location_body(client);
  S3Request request;
  request.method = "PUT";
  request.body = body_of(as_bytes(body));
  request.expected = {409};
  if (client.options().lock != LockMode::kNone) {
    request.headers.emplace_back("x-amz-bucket-object-lock-enabled", "true");
  }
  const HttpResponse answer = client.send(request).http;
  if (answer.status != 409) {
    // A name that is misspelt makes one, too.
    const auto& notice = client.options().notice;
    if (notice) notice(fmt::format("made the bucket {} at {}", client.bucket(), client.endpoint()));
    return;
  }
  const std::string code = parse_error_body(answer.body).code;
  if (code == "BucketAlreadyOwnedByYou") return;  // an earlier try, or somebody just now
  throw judge(answer, "make the bucket " + client.bucket())
      .error.suggest("bucket names are unique in the whole store: choose another");
}

}  // namespace

void require_bucket(S3Client& client) {
  const HttpResponse answer = look_at_bucket(client);
  if (answer.status != 404) return;
  throw Error(Code::kNotFound,
              fmt::format("there is no bucket {} at {}{}", client.bucket(), client.endpoint(),
                          request_note(answer)),
              "check how the bucket is spelt, the endpoint and the region");
}

void ensure_bucket(S3Client& client) {
  if (look_at_bucket(client).status == 404) create_bucket(client);
  if (client.options().lock == LockMode::kNone || bucket_lock(client).enabled) return;
  throw Error(
      Code::kInvalid,
      fmt::format("the bucket {} has no Object Lock, which object_lock needs", client.bucket()),
      "most stores can only have it from the bucket's making: use a new bucket, or leave "
      "object_lock away");
}

std::optional<HttpResponse> bucket_setting(S3Client& client, std::string_view name) {
  S3Request request;
  request.query = {{std::string(name), ""}};
  request.expected = {404};
  HttpResponse answer = get_whole(client, request);
  if (answer.status != 404) return answer;
  if (parse_error_body(answer.body).code == "NoSuchBucket") require_bucket(client);
  return std::nullopt;
}

void set_bucket_setting(S3Client& client, std::string_view name, const std::string& document) {
  S3Request request;
  request.method = "PUT";
  request.query = {{std::string(name), ""}};
  request.body = body_of(as_bytes(document));
  client.send(request);
}

void remove_bucket_setting(S3Client& client, std::string_view name) {
  S3Request request;
  request.method = "DELETE";
  request.query = {{std::string(name), ""}};
  request.expected = {404};
  client.send(request);
}

Versioning bucket_versioning(S3Client& client) {
  const auto answer = bucket_setting(client, "versioning");
  if (!answer || answer->body.empty()) return Versioning::kNever;
  const auto document = parsed(*answer, "versioning");
  const std::string_view status = document.document_element().child_value("Status");
  if (status == "Enabled") return Versioning::kEnabled;
  return status == "Suspended" ? Versioning::kSuspended : Versioning::kNever;
}

BucketLock bucket_lock(S3Client& client) {
  BucketLock lock;
  const auto answer = bucket_setting(client, "object-lock");
  if (!answer || answer->body.empty()) return lock;
  const auto document = parsed(*answer, "object lock configuration");
  const auto root = document.document_element();
  lock.enabled = std::string_view(root.child_value("ObjectLockEnabled")) == "Enabled";
  const auto rule = root.child("Rule").child("DefaultRetention");
  const std::string_view mode = rule.child_value("Mode");
  if (mode == "COMPLIANCE") lock.mode = LockMode::kCompliance;
  if (mode == "GOVERNANCE") lock.mode = LockMode::kGovernance;
  lock.days = rule.child("Days").text().as_uint() + 365 * rule.child("Years").text().as_uint();
  return lock;
}

}  // namespace holdfast
