#include "net/curl.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "net/resolve.h"

namespace holdfast {
namespace {

Code code_of(CURLcode result) {
  switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return Code::kDenied;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Code::kInvalid;
    case CURLE_OUT_OF_MEMORY:
      return Code::kExhausted;
    case CURLE_NOT_BUILT_IN:
    case CURLE_UNKNOWN_OPTION:
      return Code::kInternal;
    // CURLE_BAD_FUNCTION_ARGUMENT, too: libcurl's word for a trailer that a damaged chunk made.
    default:
      return Code::kUnavailable;
  }
}

// OpenSSL's words for an answer that is no TLS. An alert of a TLS server has others.
bool speaks_no_tls(CURLcode result, std::string_view reason) {
  if (result != CURLE_SSL_CONNECT_ERROR) return false;
  return reason.find("wrong version number") != std::string_view::npos ||
         reason.find("packet length too long") != std::string_view::npos;
}

std::string hint_for(CURLcode result, std::string_view reason) {
  if (result == CURLE_SSL_CACERT_BADFILE) {
    return "ca_file, or AWS_CA_BUNDLE in the environment, must name a readable PEM file";
  }
  if (speaks_no_tls(result, reason)) return "this port does not speak TLS: is it http:// there?";
  // A server of TLS answers to plain HTTP with an alert.
  if (reason.find("HTTP/0.9") != std::string_view::npos) {
    return "what came is no HTTP: check the port; if it speaks TLS, write https://";
  }
  if (code_of(result) != Code::kDenied) return {};
  return "if an authority of your own signed the server's certificate, name that authority's "
         "certificate with ca_file, or with AWS_CA_BUNDLE=FILE in the environment";
}

// Without the port.
std::string name_of(const std::string& host) { return host.substr(0, host.rfind(':')); }

std::string word_behind(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + mark.size());
  return std::string(text.substr(0, text.find_first_of(" :;,")));
}

// The variable that sends requests to `host` through the proxy that libcurl did not reach; empty
// when that is not what happened. Its value may hold a password.
std::string proxy_variable(const std::string& host, std::string_view reason) {
  std::string tried = word_behind(reason, " via ");
  if (tried.empty()) tried = word_behind(reason, "resolve proxy: ");
  if (tried.empty()) tried = word_behind(reason, "Failed to connect to ");
  if (tried.empty() || tried == name_of(host)) return {};
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr && std::string_view(value).find(tried) != std::string_view::npos) {
      return name;
    }
  }
  return {};
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string result(text);
  curl_free(text);
  return result;
}

}  // namespace

void start_libcurl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) {
    throw Error(Code::kInternal,
                fmt::format("libcurl does not start: {}", curl_easy_strerror(started)));
  }
}

CurlHandle new_curl_handle() {
  CurlHandle handle(curl_easy_init());
  if (!handle) throw no_memory_for_connection();
  return handle;
}

Error no_memory_for_connection() {
  return {Code::kExhausted, "there is no memory for a connection"};
}

long curl_milliseconds(Duration duration) {
  return std::max(1L, std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

std::string host_of(const std::string& url) {
  const CurlUrl parsed(curl_url());
  if (!parsed) throw no_memory_for_connection();
  const CURLUcode result = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_PATH_AS_IS);
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  if (result != CURLUE_OK || (scheme != "http" && scheme != "https")) {
    // The URL itself may hold credentials.
    const char* reason = result == CURLUE_OK ? "Unsupported URL scheme" : curl_url_strerror(result);
    throw Error(Code::kInvalid, fmt::format("cannot send a request: not a web URL ({})", reason),
                "write http://HOST[:PORT] or https://HOST[:PORT]");
  }
  const std::string port = part_of(parsed.get(), CURLUPART_PORT);
  return part_of(parsed.get(), CURLUPART_HOST) + (port.empty() ? "" : ":" + port);
}

Error curl_error(CURLcode result, const std::string& host, std::string reason) {
  // These quote the setting, which may hold a password.
  if (reason.starts_with("Unsupported proxy")) {
    return {Code::kInvalid, fmt::format("cannot reach {}: the proxy setting is not valid", host),
            "write http://HOST:PORT"};
  }
  if (reason.empty()) reason = curl_easy_strerror(result);
  while (reason.ends_with('\n') || reason.ends_with('\r')) reason.pop_back();
  if (result == CURLE_COULDNT_RESOLVE_HOST && is_unknown_host(name_of(host))) {
    return {Code::kUnavailable, fmt::format("no answer from {}: {}", host, kNoSuchHost),
            "check how the name is written, and this machine's name service (DNS)"};
  }
  if (const std::string variable = proxy_variable(host, reason); !variable.empty()) {
    return {Code::kUnavailable,
            fmt::format("no answer from {}: {} (the proxy that {} names)", host, reason, variable),
            fmt::format("check the proxy in {}, or name {} in no_proxy to go past it", variable,
                        name_of(host))};
  }
  return {speaks_no_tls(result, reason) ? Code::kInvalid : code_of(result),
          fmt::format("no answer from {}: {}", host, reason), hint_for(result, reason)};
}

}  // namespace holdfast
