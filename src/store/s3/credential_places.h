// The places for credentials that need no file of settings: environment, container, instance.
#pragma once

#include <optional>
#include <string>

#include "net/http.h"
#include "store/s3/credentials.h"

namespace holdfast {

// What a place says: credentials, or why it has none. A place that is set up but does not work
// throws instead.
struct PlaceAnswer {
  std::optional<S3Credentials> credentials;
  std::string why_not;
};

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Throws Error(kInvalid) when only one
// of the keys is set.
PlaceAnswer ask_environment(const Environment& environment);

// The service that ECS and EKS put beside a container. Throws Error: kInvalid (a host that gets no
// token of ours, a token that is none, a malformed answer), kUnavailable, kDenied.
PlaceAnswer ask_container(HttpClient& http, const Environment& environment);
// The address of that service; empty when there is none. Plain HTTP only goes to this machine and
// to the link-local addresses that AWS documents. Throws Error(kInvalid).
std::string container_url(const Environment& environment);

// The instance metadata service, version 2. No answer is "none here", within about two seconds.
// Throws Error once the service is known to be there: kUnavailable, kDenied, kInvalid.
PlaceAnswer ask_instance(HttpClient& http, const CredentialOptions& options);

}  // namespace holdfast
