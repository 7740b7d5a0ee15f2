// What an answer of an S3 store means: use it, try again, or give up with one of our codes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "net/http.h"

namespace holdfast {

enum class S3Remedy {
  kNone,      // nothing that a repetition would change
  kRetry,     // known to pass: overload, a hiccup of the store, a body that arrived damaged
  kSlowDown,  // the same, and the store asks for fewer requests
  kRefreshCredentials,  // they have expired; ask for new ones, once
  kSetClock,            // our clock is off; sign by the store's, once
  kFollow,              // the bucket is in another region, or for now at another host, once
};

struct S3Failure {
  S3Remedy remedy = S3Remedy::kNone;
  Error error;
  std::string region;    // where the bucket is; may be empty
  std::string location;  // with kFollow: "scheme://host[:port]"; may be empty
};

// For a status that is no success. `what` names the operation and the object for the message:
// "read s3://bucket/key". The error carries the store's code and request id, and a hint.
S3Failure judge(const HttpResponse& answer, const std::string& what);

// " (request ID)" as the answer names it, for the end of a message; empty when it names none.
std::string request_note(const HttpResponse& answer);

// The error with a request_note() at the end of its message.
Error with_note(const Error& error, const std::string& note);

// Looks into an answer with `read`. Its errors get the answer's request id.
template <typename Read>
auto reading(const HttpResponse& answer, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    throw with_note(error, request_note(answer));
  }
}

// "Sun, 22 Nov 2026 17:00:00 GMT"; nothing for any other shape. Source: RFC 9110, 5.6.7.
std::optional<Timestamp> parse_http_date(std::string_view text);

}  // namespace holdfast
