// Credentials as AWS's services, and programs in their place, write them down.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "store/s3/credentials.h"

namespace holdfast {

// All throw Error(kInvalid) for what is not in the format. No message quotes what was read, which
// may be a secret.

// What a credential_process prints: JSON, Version 1.
S3Credentials parse_process_answer(std::string_view json);
// Of the container and the instance metadata service: JSON. Error(kDenied) when the answer itself
// says that there are none.
S3Credentials parse_metadata_answer(std::string_view json);
// Of the token service: XML.
S3Credentials parse_token_answer(ByteView xml);

struct TokenServiceError {
  std::string code;  // "AccessDenied"; empty when the body says none
  std::string message;
};
// Never throws: an error body may be anything, or nothing.
TokenServiceError parse_token_error(ByteView xml);

// Throws Error(kInvalid) when a key is missing or has a character that no key has (a line break in
// an environment variable, most often). `where` begins the message.
void check_credentials(const S3Credentials& credentials, std::string_view where);

}  // namespace holdfast
