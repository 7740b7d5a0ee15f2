// Who asks: AWS credentials from wherever an AWS user keeps them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/http.h"
#include "os/clock.h"
#include "os/mutex.h"

namespace holdfast {

struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;         // empty: none
  std::optional<Timestamp> expires;  // unset: never
};

// How the environment is asked; tests hand in their own. Nothing: not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

struct CredentialOptions {
  std::string profile;  // empty: $AWS_PROFILE, else "default"
  Environment environment = process_environment();
  // Of the instance metadata service; empty: $AWS_EC2_METADATA_SERVICE_ENDPOINT, else
  // http://169.254.169.254.
  std::string metadata_endpoint;
  // Of the token service; empty: AWS_ENDPOINT_URL_STS, else AWS's own for the region.
  std::string sts_endpoint;
};

// Asks, in this order and stopping at the first that has an answer: the environment
// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), web identity
// (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME), both skipped when a profile
// was named in the options, the profile in AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials and
// AWS_CONFIG_FILE or ~/.aws/config (role_arn with web_identity_token_file, source_profile or
// credential_source; static keys; credential_process), the container service
// (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI with
// AWS_CONTAINER_AUTHORIZATION_TOKEN[_FILE]), instance metadata version 2 (unless
// AWS_EC2_METADATA_DISABLED is "true"). Temporary ones are asked for again five minutes before they
// expire; while the source does not answer, the old ones are used until they are expired.
// Thread-safe. Source: the AWS SDKs and Tools reference guide, "Standardized credential providers".
class CredentialSource {
 public:
  // The client and the clock must outlive it.
  CredentialSource(HttpClient& http, Clock& clock, CredentialOptions options);

  // Throws Error(kDenied) when no place has any (the message lists the places that were asked and
  // what each said, never a secret), kInvalid for files that cannot be read as what they are and
  // for a profile that is missing. A place that is set up but does not work ends the search with
  // its error, kUnavailable when it does not answer: nobody wants to be somebody else by accident.
  S3Credentials get();
  // The store refused these as expired: the next get() asks again.
  void refuse(const S3Credentials& refused);

 private:
  HttpClient& http_;
  Clock& clock_;
  const CredentialOptions options_;
  Mutex mutex_;
  std::optional<S3Credentials> current_ GUARDED_BY(mutex_);
  Duration ask_again_ GUARDED_BY(mutex_){};  // not before, while the old ones serve; monotonic
};

// A setting of the profile ("region", "endpoint_url", "ca_bundle", ...) in the two files, by the
// same rules; empty when there is none. `profile` as in the options.
std::string profile_setting(const Environment& environment, const std::string& profile,
                            const std::string& name);

}  // namespace holdfast
