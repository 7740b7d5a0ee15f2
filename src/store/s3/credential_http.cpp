#include "store/s3/credential_http.h"

#include <fmt/format.h>

#include "base/error.h"
#include "os/file.h"
#include "store/s3/errors.h"

namespace holdfast {

HttpResponse send_with_tries(HttpClient& http, const HttpRequest& request, unsigned tries) {
  for (;; --tries) {
    try {
      HttpResponse answer = http.send(request);
      if (answer.status < 500 || tries <= 1) return answer;
    } catch (const Error& error) {
      if (error.code() != Code::kUnavailable || tries <= 1) throw;
    }
  }
}

void expect_ok(const HttpResponse& answer) {
  if (answer.status == 200) return;
  const bool passing = answer.status == 429 || answer.status >= 500;
  throw Error(passing ? Code::kUnavailable : Code::kDenied,
              fmt::format("the service answered with HTTP status {}{}", answer.status,
                          request_note(answer)));
}

std::string read_token_file(const std::string& path) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const Bytes bytes = read_file(path);
  std::string_view token = as_text(bytes);
  token = token.substr(std::min(token.find_first_not_of(kSpaces), token.size()));
  token = token.substr(0, token.find_last_not_of(kSpaces) + 1);
  if (token.empty() || token.find_first_of("\r\n") != token.npos) {
    throw Error(Code::kInvalid, fmt::format("{} does not hold one token", path));
  }
  return std::string(token);
}

}  // namespace holdfast
