#include "store/s3/credential_places.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "store/s3/credential_answers.h"
#include "store/s3/credential_http.h"
#include "store/s3/sign.h"

namespace holdfast {
namespace {

constexpr Duration kContainerDeadline = std::chrono::seconds{2};
constexpr unsigned kContainerTries = 3;
constexpr Duration kInstanceDeadline = std::chrono::seconds{1};
constexpr unsigned kInstanceTries = 2;
constexpr std::size_t kLongestToken = 4096;

bool is_local_v4(const std::string& host) {
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1) return false;
  const bool loopback = ntohl(address.s_addr) >> 24 == 127;
  return loopback || host == "169.254.170.2" || host == "169.254.170.23";
}

bool is_local_v6(const std::string& host) {
  in6_addr address{}, known{};
  if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return false;
  for (const char* text : {"::1", "fd00:ec2::23"}) {
    ::inet_pton(AF_INET6, text, &known);
    if (std::equal(std::begin(address.s6_addr), std::end(address.s6_addr), known.s6_addr)) {
      return true;
    }
  }
  return false;
}

// The host in "HOST[:PORT]..." as text; with a user name or anything odd in it, it is no address.
bool is_local(std::string_view rest) {
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end != authority.npos && is_local_v6(std::string(authority.substr(1, end - 1)));
  }
  const std::string host(authority.substr(0, authority.find(':')));
  return host == "localhost" || is_local_v4(host);
}

std::string container_token(const Environment& environment) {
  const auto file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").value_or("");
  if (!file.empty()) return read_token_file(file);
  std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (token.find_first_of("\r\n") != token.npos) {
    throw Error(Code::kInvalid, "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break in it");
  }
  return token;
}

// What the metadata service calls a token or a role: one short line. Else something stands in its
// place, such as a portal's log-in page.
bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kLongestToken &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string instance_endpoint(const CredentialOptions& options) {
  std::string endpoint = options.metadata_endpoint;
  if (endpoint.empty()) {
    endpoint = options.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("");
  }
  if (endpoint.empty()) endpoint = "http://169.254.169.254";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

HttpRequest instance_request(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.direct = true;  // a proxy would ask its own machine's service
  request.deadline = kInstanceDeadline;
  return request;
}

// Empty, with the reason in `why_not`, when there is no such service.
std::string session_token(HttpClient& http, const std::string& endpoint, std::string& why_not) {
  HttpRequest request = instance_request(endpoint + "/latest/api/token");
  request.method = "PUT";
  request.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  try {
    const HttpResponse answer = send_with_tries(http, request, kInstanceTries);
    if (answer.status != 200) {
      why_not =
          fmt::format("the service gives no token for version 2 (HTTP status {})", answer.status);
    } else if (!is_word(as_text(answer.body))) {
      why_not = "something that is not the service answers in its place";
    } else {
      return std::string(as_text(answer.body));
    }
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    why_not = error.message();
  }
  return {};
}

}  // namespace

PlaceAnswer ask_environment(const Environment& environment) {
  const auto value = [&](const char* name) { return environment(name).value_or(""); };
  const S3Credentials credentials{value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"),
                                  value("AWS_SESSION_TOKEN"), std::nullopt};
  if (credentials.access_key.empty() && credentials.secret_key.empty()) {
    return {std::nullopt, "AWS_ACCESS_KEY_ID is not set"};
  }
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
    if (!value(name).empty()) continue;
    throw Error(Code::kInvalid, fmt::format("{} is not set, but the other key is", name),
                "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither");
  }
  check_credentials(credentials, "it");
  return {credentials, {}};
}

std::string container_url(const Environment& environment) {
  const auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").value_or("");
  if (!relative.empty()) {
    if (relative.starts_with('/')) return "http://169.254.170.2" + relative;
    throw Error(Code::kInvalid, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
  }
  constexpr std::string_view kPlain = "http://";
  const auto full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").value_or("");
  if (full.empty() || full.starts_with("https://")) return full;
  if (full.starts_with(kPlain) && is_local(std::string_view(full).substr(kPlain.size()))) {
    return full;
  }
  throw Error(Code::kInvalid,
              "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that plain HTTP is not used with",
              "use https://, or http:// with 127.0.0.1, 169.254.170.2, 169.254.170.23 or "
              "[fd00:ec2::23]");
}

PlaceAnswer ask_container(HttpClient& http, const Environment& environment) {
  HttpRequest request;
  request.url = container_url(environment);
  if (request.url.empty()) return {std::nullopt, "no AWS_CONTAINER_CREDENTIALS_ variable is set"};
  request.direct = true;
  request.deadline = kContainerDeadline;
  request.headers = {{"accept", "application/json"}};
  const std::string token = container_token(environment);
  if (!token.empty()) request.headers.emplace_back("authorization", token);
  const HttpResponse answer = send_with_tries(http, request, kContainerTries);
  expect_ok(answer);
  return {parse_metadata_answer(as_text(answer.body)), {}};
}

PlaceAnswer ask_instance(HttpClient& http, const CredentialOptions& options) {
  std::string disabled = options.environment("AWS_EC2_METADATA_DISABLED").value_or("");
  std::transform(disabled.begin(), disabled.end(), disabled.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (disabled == "true") return {std::nullopt, "AWS_EC2_METADATA_DISABLED is true"};
  const std::string endpoint = instance_endpoint(options);
  std::string why_not;
  const std::string token = session_token(http, endpoint, why_not);
  if (token.empty()) return {std::nullopt, why_not};

  HttpRequest request = instance_request(endpoint + "/latest/meta-data/iam/security-credentials/");
  request.headers = {{"x-aws-ec2-metadata-token", token}};
  const HttpResponse roles = send_with_tries(http, request, kInstanceTries);
  if (roles.status == 404) return {std::nullopt, "no role is attached to this instance"};
  expect_ok(roles);
  const std::string_view list = as_text(roles.body);
  std::string role(list.substr(0, list.find_first_of("\r\n")));
  if (role.empty()) return {std::nullopt, "no role is attached to this instance"};
  if (!is_word(role)) throw Error(Code::kInvalid, "the service answered with no role's name");
  request.url += aws_encode(role);
  const HttpResponse answer = send_with_tries(http, request, kInstanceTries);
  expect_ok(answer);
  return {parse_metadata_answer(as_text(answer.body)), {}};
}

}  // namespace holdfast
