#include "store/s3/token_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "store/s3/credential_answers.h"
#include "store/s3/credential_http.h"
#include "store/s3/errors.h"
#include "store/s3/sign.h"

namespace holdfast {
namespace {

constexpr Duration kDeadline = std::chrono::seconds{10};
constexpr unsigned kTries = 2;

std::string first_of(std::initializer_list<std::string> candidates) {
  const auto* at = std::find_if(candidates.begin(), candidates.end(),
                                [](const std::string& text) { return !text.empty(); });
  return at == candidates.end() ? std::string() : *at;
}

QueryParameters parameters(const char* action, const AwsRole& role) {
  QueryParameters all = {
      {"Action", action},
      {"Version", "2011-06-15"},
      {"RoleArn", role.arn},
      {"RoleSessionName", role.session_name.empty() ? "holdfast" : role.session_name},
  };
  if (!role.external_id.empty()) all.emplace_back("ExternalId", role.external_id);
  if (!role.duration_seconds.empty()) all.emplace_back("DurationSeconds", role.duration_seconds);
  return all;
}

// True when `message` repeats a secret, even a part that only begins it.
bool echoes(const std::string& message, const std::string& secret) {
  constexpr std::size_t kTelling = 12;
  return !secret.empty() && message.find(secret.substr(0, kTelling)) != std::string::npos;
}

// `secrets` are what the request carried: a message that repeats one is not passed on.
[[noreturn]] void refuse(const HttpResponse& answer, std::initializer_list<std::string> secrets) {
  const TokenServiceError said = parse_token_error(answer.body);
  const bool passing = answer.status == 429 || answer.status >= 500 ||
                       said.code.starts_with("Throttling") || said.code == "IDPCommunicationError";
  std::string text = fmt::format("the token service answered with HTTP status {}", answer.status);
  if (!said.code.empty()) text += ", " + said.code;
  const bool telling = std::any_of(secrets.begin(), secrets.end(), [&](const std::string& secret) {
    return echoes(said.message, secret);
  });
  if (!said.message.empty() && !telling) text += ": " + said.message;
  const std::string note = request_note(answer);
  if (std::none_of(secrets.begin(), secrets.end(),
                   [&](const std::string& secret) { return echoes(note, secret); })) {
    text += note;
  }
  throw Error(passing ? Code::kUnavailable : Code::kDenied, std::move(text));
}

}  // namespace

TokenService::TokenService(HttpClient& http, Clock& clock, const CredentialOptions& options,
                           const std::string& region)
    : http_(http), clock_(clock) {
  const auto variable = [&](const char* name) { return options.environment(name).value_or(""); };
  region_ = first_of({variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"), region, "us-east-1"});
  endpoint_ = first_of({options.sts_endpoint, variable("AWS_ENDPOINT_URL_STS"),
                        fmt::format("https://sts.{}.amazonaws.com{}", region_,
                                    region_.starts_with("cn-") ? ".cn" : "")});
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
  if (!endpoint_.starts_with("https://") && !endpoint_.starts_with("http://")) {
    throw Error(Code::kInvalid, "the token service's endpoint is no URL",
                "write AWS_ENDPOINT_URL_STS as https://HOST[:PORT]");
  }
}

S3Credentials TokenService::assume(const AwsRole& role, const S3Credentials& as) {
  const std::string body = canonical_query(parameters("AssumeRole", role));
  const std::string host = endpoint_.substr(endpoint_.find("://") + 3);
  SignableRequest signable;
  signable.method = "POST";
  // An endpoint may have a path of its own in front of a proxy's many services.
  const std::size_t slash = std::min(host.find('/'), host.size());
  signable.path = host.substr(slash) + "/";
  signable.headers = {{"host", host.substr(0, slash)},
                      {"content-type", "application/x-www-form-urlencoded"}};
  signable.payload_hash = sha256_hex(as_bytes(body));
  sign(signable, as, {region_, "sts", true}, clock_.now());
  HttpRequest request;
  request.method = "POST";
  request.url = endpoint_ + "/";
  request.body = body_of(as_bytes(body));
  request.deadline = kDeadline;
  std::erase_if(signable.headers, [](const auto& header) { return header.first == "host"; });
  request.headers = std::move(signable.headers);
  const HttpResponse answer = send_with_tries(http_, request, kTries);
  if (answer.status != 200) refuse(answer, {as.secret_key, as.session_token});
  return reading(answer, [&] { return parse_token_answer(answer.body); });
}

S3Credentials TokenService::assume_with_token(const AwsRole& role, const std::string& token) {
  QueryParameters all = parameters("AssumeRoleWithWebIdentity", role);
  all.emplace_back("WebIdentityToken", token);
  const std::string body = canonical_query(all);
  HttpRequest request;
  request.method = "POST";
  request.url = endpoint_ + "/";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = body_of(as_bytes(body));
  request.deadline = kDeadline;
  const HttpResponse answer = send_with_tries(http_, request, kTries);
  if (answer.status != 200) refuse(answer, {token});
  return reading(answer, [&] { return parse_token_answer(answer.body); });
}

}  // namespace holdfast
