#include "store/s3/stranger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace holdfast {
namespace {

constexpr std::size_t kLook = 4096;

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string beginning(const HttpResponse& answer) {
  return lower_case(as_text(answer.body).substr(0, kLook));
}

bool is_page(const HttpResponse& answer) {
  if (!lower_case(answer.header("content-type")).starts_with("text/html")) return false;
  const std::string text = beginning(answer);
  // A byte order mark is no white space.
  const std::size_t start = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (start == std::string::npos) return false;
  const std::string_view page = std::string_view(text).substr(start);
  return page.starts_with("<!doctype html") || page.starts_with("<html");
}

}  // namespace

bool has_request_id(const HttpResponse& answer) {
  constexpr auto kNames = std::to_array({"x-amz-request-id", "x-amz-id-2", "x-amzn-requestid"});
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](const char* name) { return !answer.header(name).empty(); });
}

std::optional<Error> stranger_error(const HttpResponse& answer, const std::string& endpoint) {
  if (has_request_id(answer) || !is_page(answer)) return std::nullopt;
  return Error(Code::kInvalid,
               fmt::format("what answers at {} is no S3 store: it sent a web page (text/html, no "
                           "request id)",
                           endpoint),
               "check the endpoint of the store, its port too, and whether a proxy or a login page "
               "answers in its place");
}

// nginx, Go's server (MinIO), Apache. Their pages differ, but not these words.
bool wants_tls(const HttpResponse& answer) {
  if (answer.status != 400 || has_request_id(answer)) return false;
  const std::string text = beginning(answer);
  constexpr auto kWords =
      std::to_array<std::string_view>({"plain http request was sent to https port",
                                       "client sent an http request to an https server",
                                       "speaking plain http to an ssl-enabled server port"});
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view words) { return text.find(words) != std::string::npos; });
}

}  // namespace holdfast
