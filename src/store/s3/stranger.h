// Answers of what is no S3 store: a login page, another web server, a port that wants TLS.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "net/http.h"

namespace holdfast {

// Whether the headers have what S3 itself sends with each answer. Some stores send none of it.
bool has_request_id(const HttpResponse& answer);

// For a success that no S3 store gives: a page of HTML, of type and content, without a request id.
// What Holdfast stores is none, so no object looks like that.
std::optional<Error> stranger_error(const HttpResponse& answer, const std::string& endpoint);

// Whether it says that the port speaks TLS and was not spoken to in TLS.
bool wants_tls(const HttpResponse& answer);

}  // namespace holdfast
