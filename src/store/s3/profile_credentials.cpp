#include "store/s3/profile_credentials.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "os/process.h"
#include "store/s3/credential_answers.h"
#include "store/s3/credential_http.h"
#include "store/s3/token_service.h"

namespace holdfast {
namespace {

constexpr Duration kProcessTimeout = std::chrono::minutes{1};
constexpr std::size_t kLongestComplaint = 500;

bool has_keys(const AwsSettings& settings) {
  return settings.contains("aws_access_key_id") || settings.contains("aws_secret_access_key");
}

S3Credentials static_keys(const AwsSettings& settings) {
  S3Credentials credentials{setting_of(settings, "aws_access_key_id"),
                            setting_of(settings, "aws_secret_access_key"),
                            setting_of(settings, "aws_session_token"), std::nullopt};
  check_credentials(credentials, "it");
  return credentials;
}

bool needs_sign_in(const AwsSettings& settings) {
  return std::any_of(settings.begin(), settings.end(), [](const auto& setting) {
    return setting.first == "sso_start_url" || setting.first == "sso_session" ||
           setting.first == "sso_account_id" || setting.first == "login_session";
  });
}

// The last that a process complained about, in one line.
std::string complaint(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  while (text.ends_with(' ')) text.pop_back();
  if (text.size() > kLongestComplaint) text = "..." + text.substr(text.size() - kLongestComplaint);
  return text.empty() ? text : ": " + printable(text);
}

S3Credentials run(const std::string& command) {
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c", command};
  options.timeout = kProcessTimeout;
  const ProcessResult result = run_process(options);
  if (result.timed_out) {
    throw Error(Code::kUnavailable,
                fmt::format("its credential_process was ended after {}{}",
                            format_duration(kProcessTimeout), complaint(result.error_output)));
  }
  if (result.exit_code != 0) {
    throw Error(Code::kDenied,
                fmt::format("its credential_process ended with exit code {}{}", result.exit_code,
                            complaint(result.error_output)),
                "run the command of the profile's credential_process by hand");
  }
  try {
    return parse_process_answer(result.output);
  } catch (Error& error) {
    error.add_context("its credential_process");
    throw;
  }
}

AwsRole role_in(const AwsSettings& settings) {
  return {setting_of(settings, "role_arn"), setting_of(settings, "role_session_name"),
          setting_of(settings, "external_id"), setting_of(settings, "duration_seconds")};
}

}  // namespace

void no_such_profile(const std::string& profile, const AwsProfiles& profiles) {
  std::vector<std::string> names;
  for (const auto& [name, settings] : profiles) names.push_back(printable(name));
  const std::string there = names.empty() ? "there are no profiles at all"
                                          : fmt::format("there are: {}", fmt::join(names, ", "));
  throw Error(Code::kInvalid,
              fmt::format("there is no profile '{}' in the AWS configuration; {}",
                          printable(profile), there),
              "name one of them, or write it to ~/.aws/config or ~/.aws/credentials");
}

ProfileCredentials::ProfileCredentials(HttpClient& http, Clock& clock,
                                       const CredentialOptions& options,
                                       const AwsProfiles& profiles)
    : http_(http), clock_(clock), options_(options), profiles_(profiles) {}

const AwsSettings& ProfileCredentials::settings_of(const std::string& profile) const {
  const auto at = profiles_.find(profile);
  if (at == profiles_.end()) no_such_profile(profile, profiles_);
  return at->second;
}

PlaceAnswer ProfileCredentials::ask(const std::string& profile) {
  const AwsSettings& settings = settings_of(profile);
  if (settings.contains("role_arn")) return {role(profile, settings), {}};
  if (has_keys(settings)) return {static_keys(settings), {}};
  const std::string command = setting_of(settings, "credential_process");
  if (!command.empty()) return {run(command), {}};
  if (needs_sign_in(settings)) {
    throw Error(Code::kUnsupported,
                fmt::format("profile '{}' signs in through a browser (single sign-on)", profile),
                fmt::format("let the AWS CLI do that: write another profile with "
                            "'credential_process = aws configure export-credentials --profile {} "
                            "--format process' and use that one",
                            profile));
  }
  return {std::nullopt, "it has neither keys, nor a credential_process, nor a role"};
}

S3Credentials ProfileCredentials::role(const std::string& profile, const AwsSettings& settings) {
  if (std::find(roles_.begin(), roles_.end(), profile) != roles_.end()) {
    roles_.push_back(profile);
    throw Error(Code::kInvalid,
                fmt::format("source_profile goes in a circle: {}", fmt::join(roles_, " -> ")));
  }
  roles_.push_back(profile);
  if (settings.contains("mfa_serial")) {
    throw Error(Code::kUnsupported,
                fmt::format("the role of profile '{}' needs a code from an MFA device", profile),
                "take the role with a credential_process that asks for the code, or without MFA");
  }
  TokenService service(http_, clock_, options_, setting_of(settings, "region"));
  const std::string file = setting_of(settings, "web_identity_token_file");
  if (!file.empty()) return service.assume_with_token(role_in(settings), read_token_file(file));
  return service.assume(role_in(settings), role_source(profile, settings));
}

S3Credentials ProfileCredentials::role_source(const std::string& profile,
                                              const AwsSettings& settings) {
  const std::string source = setting_of(settings, "source_profile");
  const std::string place = setting_of(settings, "credential_source");
  if (source.empty() == place.empty()) {
    throw Error(Code::kInvalid,
                fmt::format("profile '{}' has role_arn with {} of source_profile and "
                            "credential_source",
                            profile, source.empty() ? "none" : "both"),
                "say with one of them who takes the role");
  }
  return source.empty() ? from_place(profile, place) : source_profile(profile, source);
}

S3Credentials ProfileCredentials::source_profile(const std::string& profile,
                                                 const std::string& source) {
  const AwsSettings& settings = settings_of(source);
  // Also when it has a role of its own: keys end the chain. A profile may be its own source so.
  if (has_keys(settings)) return static_keys(settings);
  PlaceAnswer answer = ask(source);
  if (answer.credentials) return *std::move(answer.credentials);
  throw Error(Code::kInvalid, fmt::format("source_profile '{}' of profile '{}': {}", source,
                                          profile, answer.why_not));
}

S3Credentials ProfileCredentials::from_place(const std::string& profile, const std::string& place) {
  PlaceAnswer answer;
  if (place == "Environment") {
    answer = ask_environment(options_.environment);
  } else if (place == "EcsContainer") {
    answer = ask_container(http_, options_.environment);
  } else if (place == "Ec2InstanceMetadata") {
    answer = ask_instance(http_, options_);
  } else {
    throw Error(Code::kInvalid,
                fmt::format("profile '{}' has an unknown credential_source", profile),
                "write Environment, EcsContainer or Ec2InstanceMetadata");
  }
  if (answer.credentials) return *std::move(answer.credentials);
  throw Error(Code::kDenied, fmt::format("credential_source {} of profile '{}': {}", place, profile,
                                         answer.why_not));
}

}  // namespace holdfast
