// AWS Signature Version 4. Source: AWS General Reference, "Create a signed AWS API request", and
// the S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "store/s3/credentials.h"

namespace holdfast {

using QueryParameters = std::vector<std::pair<std::string, std::string>>;  // not encoded
using HeaderList = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
// Hex, as SignableRequest::payload_hash wants it.
std::string sha256_hex(ByteView data);

struct SigningScope {
  std::string region;
  std::string service = "s3";
  // S3 signs the path as it is sent; other services normalise it and encode it once more.
  bool encode_path_twice = false;
};

struct SignableRequest {
  std::string method;
  std::string path = "/";  // not encoded
  QueryParameters query;
  HeaderList headers;        // with "host"; every one of them is signed
  std::string payload_hash;  // hex SHA-256 of the body, or kUnsignedPayload
};

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~ (and '/' when `keep_slash`), as AWS does.
std::string aws_encode(std::string_view text, bool keep_slash = false);
// "a=1&b=2", encoded, sorted as the signature wants it. Empty for no parameters.
std::string canonical_query(const QueryParameters& query);

// The three steps, for tests and for messages.
std::string canonical_request(const SignableRequest& request, const SigningScope& scope);
std::string string_to_sign(const std::string& canonical, const SigningScope& scope, Timestamp when);
// Hex.
std::string signature(const std::string& string_to_sign, const std::string& secret_key,
                      const SigningScope& scope, Timestamp when);

// Adds x-amz-date, x-amz-security-token (if there is one), x-amz-content-sha256 (for S3) and
// authorization to the request's headers, in place of those that an earlier call added.
void sign(SignableRequest& request, const S3Credentials& credentials, const SigningScope& scope,
          Timestamp when);

}  // namespace holdfast
