// The credentials of a profile in ~/.aws.
#pragma once

#include <string>
#include <vector>

#include "net/http.h"
#include "os/clock.h"
#include "store/s3/credential_places.h"
#include "store/s3/profile_files.h"

namespace holdfast {

// As the AWS tools do: a role (role_arn with web_identity_token_file, source_profile or
// credential_source) before static keys before a credential_process. For one answer, one thread.
class ProfileCredentials {
 public:
  // All must outlive it.
  ProfileCredentials(HttpClient& http, Clock& clock, const CredentialOptions& options,
                     const AwsProfiles& profiles);

  // Throws Error: kInvalid (no such profile, with those that there are; settings that make no
  // sense; an answer in no known format), kUnsupported (single sign-on, a role that needs MFA),
  // kDenied (the process failed, the role was refused), kUnavailable.
  PlaceAnswer ask(const std::string& profile);

 private:
  S3Credentials role(const std::string& profile, const AwsSettings& settings);
  S3Credentials role_source(const std::string& profile, const AwsSettings& settings);
  S3Credentials source_profile(const std::string& profile, const std::string& source);
  S3Credentials from_place(const std::string& profile, const std::string& place);
  const AwsSettings& settings_of(const std::string& profile) const;

  HttpClient& http_;
  Clock& clock_;
  const CredentialOptions& options_;
  const AwsProfiles& profiles_;
  std::vector<std::string> roles_;  // of the profiles on the way here
};

// Throws the Error(kInvalid) that names a missing profile and lists those that there are.
[[noreturn]] void no_such_profile(const std::string& profile, const AwsProfiles& profiles);

}  // namespace holdfast
