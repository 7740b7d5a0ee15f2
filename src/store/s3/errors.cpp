#include "store/s3/errors.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/human.h"
#include "store/s3/stranger.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

constexpr std::string_view kRights =
    "give the key the rights that `holdfast store check --policies` prints, and look whether a "
    "bucket policy or a lock forbids it";
constexpr std::string_view kKeys =
    "check the access key, the secret and the profile, and that the endpoint belongs to them";
constexpr std::string_view kExpired =
    "the credentials have expired: sign in again, or renew them where they come from";
constexpr std::string_view kOverload =
    "the store is overloaded: set limit_upload or connections of the store lower";
constexpr std::string_view kTrouble =
    "the store has trouble: run the command again later, it goes on from there";

constexpr std::string_view kElsewhere =
    "no S3 store answers so: a gateway or a login page stands before it, or the endpoint is "
    "another server's; check the endpoint, and sign in to the gateway";

struct Rule {
  std::string_view code;
  S3Remedy remedy;
  Code meaning;
  std::string_view hint;
};

// By the store's own code; the statuses below decide when there is none, or one not listed.
// Source: S3 API reference, "Error responses"; Ceph's rgw_common.cc for its own.
constexpr auto kRules = std::to_array<Rule>({
    {"AccessDenied", S3Remedy::kNone, Code::kDenied, kRights},
    {"AllAccessDisabled", S3Remedy::kNone, Code::kDenied, kRights},
    {"SignatureDoesNotMatch", S3Remedy::kNone, Code::kDenied, kKeys},
    {"InvalidAccessKeyId", S3Remedy::kNone, Code::kDenied, kKeys},
    {"ExpiredToken", S3Remedy::kRefreshCredentials, Code::kDenied, kExpired},
    {"TokenRefreshRequired", S3Remedy::kRefreshCredentials, Code::kDenied, kExpired},
    {"InvalidToken", S3Remedy::kRefreshCredentials, Code::kDenied, kKeys},
    {"RequestTimeTooSkewed", S3Remedy::kSetClock, Code::kDenied,
     "this machine's clock is wrong: set it (timedatectl set-ntp true)"},
    {"NoSuchBucket", S3Remedy::kNone, Code::kNotFound,
     "check how the bucket is spelt, the endpoint and the region"},
    {"NoSuchKey", S3Remedy::kNone, Code::kNotFound, ""},
    {"NoSuchVersion", S3Remedy::kNone, Code::kNotFound, ""},
    {"NoSuchUpload", S3Remedy::kNone, Code::kNotFound,
     "the upload was ended by somebody else: run the command again"},
    {"PreconditionFailed", S3Remedy::kNone, Code::kConflict, ""},
    {"ConditionalRequestConflict", S3Remedy::kRetry, Code::kConflict, "run the command again"},
    {"OperationAborted", S3Remedy::kRetry, Code::kConflict, "run the command again"},
    {"BadDigest", S3Remedy::kRetry, Code::kCorrupt,
     "bytes arrive changed: look at the network, proxies and this machine's memory"},
    {"XAmzContentSHA256Mismatch", S3Remedy::kRetry, Code::kCorrupt,
     "bytes arrive changed: look at the network, proxies and this machine's memory"},
    {"XAmzContentChecksumMismatch", S3Remedy::kRetry, Code::kCorrupt,
     "bytes arrive changed: look at the network, proxies and this machine's memory"},
    {"IncompleteBody", S3Remedy::kRetry, Code::kUnavailable, kTrouble},
    {"RequestTimeout", S3Remedy::kRetry, Code::kUnavailable, kTrouble},
    {"SlowDown", S3Remedy::kSlowDown, Code::kUnavailable, kOverload},
    {"TooManyRequests", S3Remedy::kSlowDown, Code::kUnavailable, kOverload},
    {"Throttling", S3Remedy::kSlowDown, Code::kUnavailable, kOverload},
    {"QuotaExceeded", S3Remedy::kNone, Code::kExhausted,
     "raise the quota, or free space: holdfast retention apply, holdfast prune"},
    {"XMinioStorageFull", S3Remedy::kNone, Code::kExhausted,
     "the store is full: add space, or free some: holdfast retention apply, holdfast prune"},
    {"InvalidObjectState", S3Remedy::kNone, Code::kUnsupported,
     "the object lies in an archive tier: restore, copy, validate and repair ask for what they "
     "need; "
     "`holdfast lifecycle show` says what lies where"},
    {"InvalidRange", S3Remedy::kNone, Code::kCorrupt,
     "the object is shorter than its index says: holdfast validate all --read-data"},
    {"NotImplemented", S3Remedy::kNone, Code::kUnsupported,
     "the store lacks this; `holdfast store check` lists what it has"},
    {"PermanentRedirect", S3Remedy::kFollow, Code::kInvalid, "set the region of the store"},
    {"AuthorizationHeaderMalformed", S3Remedy::kFollow, Code::kInvalid,
     "set the region of the store"},
    {"IllegalLocationConstraintException", S3Remedy::kFollow, Code::kInvalid,
     "set the region of the store"},
    {"TemporaryRedirect", S3Remedy::kFollow, Code::kUnavailable, ""},
    {"InvalidBucketName", S3Remedy::kNone, Code::kInvalid,
     "3 to 63 of a-z, 0-9, '-' and '.'; most stores want no other name"},
});

Rule rule_of_status(int status) {
  switch (status) {
    case 301:
    case 307:
    case 308:
      return {"", S3Remedy::kFollow, Code::kInvalid, "set the region and endpoint of the store"};
    case 302:
    case 303:
      return {"", S3Remedy::kNone, Code::kInvalid, kElsewhere};
    case 401:
    case 403:
      return {"", S3Remedy::kNone, Code::kDenied, kRights};
    case 404:
      return {"", S3Remedy::kNone, Code::kNotFound, ""};
    case 408:
      return {"", S3Remedy::kRetry, Code::kUnavailable, kTrouble};
    case 409:
    case 412:
      return {"", S3Remedy::kNone, Code::kConflict, ""};
    case 416:
      return {"", S3Remedy::kNone, Code::kCorrupt, ""};
    case 429:
    case 503:
      return {"", S3Remedy::kSlowDown, Code::kUnavailable, kOverload};
    case 501:
      return {"", S3Remedy::kNone, Code::kUnsupported, ""};
    case 507:
      return {"", S3Remedy::kNone, Code::kExhausted, ""};
    default:
      break;
  }
  if (status >= 500) return {"", S3Remedy::kRetry, Code::kUnavailable, kTrouble};
  return {"", S3Remedy::kNone, Code::kInvalid, ""};
}

// The answer to HEAD has no body that could say more.
Rule rule_of_silence(int status) {
  // AWS's word for a token that has expired, or for the wrong region, which a header then names.
  if (status == 400) {
    return {"", S3Remedy::kRefreshCredentials, Code::kDenied,
            "are the credentials still valid? sign in again, or renew them; does the endpoint have "
            "the right scheme (https://) and port?"};
  }
  return rule_of_status(status);
}

Rule rule_of(const HttpResponse& answer, const std::string& code) {
  const int status = answer.status;
  if (wants_tls(answer)) {
    return {"", S3Remedy::kNone, Code::kInvalid,
            "this port speaks TLS: write https:// in the endpoint of the store"};
  }
  if (code.empty()) return answer.body.empty() ? rule_of_silence(status) : rule_of_status(status);
  const auto* const found = std::find_if(kRules.begin(), kRules.end(),
                                         [&](const Rule& rule) { return rule.code == code; });
  return found != kRules.end() ? *found : rule_of_status(status);
}

std::string origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return std::string(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

}  // namespace

std::string request_note(const HttpResponse& answer) {
  std::string id;
  if (answer.status / 100 != 2) id = parse_error_body(answer.body).request_id;
  // S3 itself, then AWS's other services.
  for (const char* const name : {"x-amz-request-id", "x-amzn-requestid"}) {
    if (id.empty()) id = answer.header(name);
  }
  return id.empty() ? std::string() : fmt::format(" (request {})", printable(id));
}

Error with_note(const Error& error, const std::string& note) {
  return {error.code(), error.message() + note, error.hint()};
}

S3Failure judge(const HttpResponse& answer, const std::string& what) {
  const S3ErrorBody body = parse_error_body(answer.body);
  const Rule rule = rule_of(answer, body.code);

  std::string message = fmt::format("cannot {}: the store answered {}", what, answer.status);
  if (!body.code.empty()) message += " " + printable(body.code);
  if (!body.message.empty()) message += ": " + printable(body.message);
  const std::string location = origin_of(answer.header("location"));
  if (answer.status / 100 == 3 && !location.empty()) message += ", go to " + printable(location);
  std::string region(answer.header("x-amz-bucket-region"));
  if (region.empty()) region = body.region;
  if (rule.remedy == S3Remedy::kFollow && !region.empty()) {
    message += fmt::format("; it says that the bucket is in region {}", printable(region));
  }
  message += request_note(answer);

  S3Failure failure{rule.remedy, Error(rule.meaning, message, std::string(rule.hint)), {}, {}};
  if (rule.remedy == S3Remedy::kFollow || rule.remedy == S3Remedy::kRefreshCredentials) {
    failure.region = std::move(region);
    failure.location = location;
  }
  return failure;
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  const std::string copy(text);
  std::tm fields{};
  const char* const end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return Timestamp{std::chrono::seconds{::timegm(&fields)}};
}

}  // namespace holdfast
