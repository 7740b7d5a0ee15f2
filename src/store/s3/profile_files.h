// ~/.aws/config and ~/.aws/credentials. Source: the AWS SDKs and Tools reference guide, "Shared
// config and credentials files".
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "store/s3/credentials.h"

namespace holdfast {

enum class AwsFile { kConfig, kCredentials };

// By name in lower case; a nested one is "s3.addressing_style".
using AwsSettings = std::map<std::string, std::string>;
// By profile. None inherits from "default".
using AwsProfiles = std::map<std::string, AwsSettings>;

// `path` is for messages. Sections that are no profiles are passed over. Throws Error(kInvalid),
// "PATH:LINE: what is wrong", which never quotes the line: it may be a secret.
AwsProfiles parse_aws_file(std::string_view text, AwsFile kind, const std::string& path);

// Both files, those that are there; where both have a setting, the credentials file decides. Throws
// Error(kInvalid), and kDenied for a file that cannot be read.
AwsProfiles load_aws_profiles(const Environment& environment);

// The profile's name: the one given, else $AWS_PROFILE, else "default".
std::string chosen_profile(const Environment& environment, const std::string& given);

// A setting of a profile, or nothing.
std::string setting_of(const AwsSettings& settings, const std::string& name);

}  // namespace holdfast
