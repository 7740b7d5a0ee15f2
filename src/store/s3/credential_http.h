// Requests to the services that hand out credentials, which are near and quick or not there at all.
#pragma once

#include <string>

#include "net/http.h"

namespace holdfast {

// Sends up to `tries` times while there is no complete answer or its status is 500 or more. The
// last try's answer, whatever it is; throws what HttpClient::send throws.
HttpResponse send_with_tries(HttpClient& http, const HttpRequest& request, unsigned tries);

// Throws Error unless the status is 200: kUnavailable for 429 and 500 and more, else kDenied.
void expect_ok(const HttpResponse& answer);

// A token that some other program keeps in a file, without the white space at its ends. Throws
// Error(kInvalid) when it is empty or has a line break in it, and what read_file throws.
std::string read_token_file(const std::string& path);

}  // namespace holdfast
