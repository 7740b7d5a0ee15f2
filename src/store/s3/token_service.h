// AWS's Security Token Service: credentials for a role, in exchange for others or for a token.
#pragma once

#include <string>

#include "net/http.h"
#include "os/clock.h"
#include "store/s3/credentials.h"

namespace holdfast {

struct AwsRole {
  std::string arn;
  std::string session_name;      // empty: "holdfast"
  std::string external_id;       // empty: none
  std::string duration_seconds;  // empty: the service's own (an hour)
};

// Errors of both: kUnavailable (no answer, throttled), kDenied (refused; the message has the
// service's code and what it says), kInvalid (an answer that is none).
class TokenService {
 public:
  // As CredentialOptions::sts_endpoint says; the region is the environment's, else `region` (of the
  // profile), else us-east-1. The client and the clock must outlive it.
  TokenService(HttpClient& http, Clock& clock, const CredentialOptions& options,
               const std::string& region);

  S3Credentials assume(const AwsRole& role, const S3Credentials& as);
  // The token is one that the role trusts; the request is not signed.
  S3Credentials assume_with_token(const AwsRole& role, const std::string& token);

  const std::string& endpoint() const { return endpoint_; }

 private:
  HttpClient& http_;
  Clock& clock_;
  std::string region_;
  std::string endpoint_;
};

}  // namespace holdfast
