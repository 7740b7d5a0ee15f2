#include "store/s3/credentials.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/s3/credential_http.h"
#include "store/s3/credential_places.h"
#include "store/s3/profile_credentials.h"
#include "store/s3/profile_files.h"
#include "store/s3/token_service.h"

namespace holdfast {
namespace {

constexpr Duration kRefreshBefore = std::chrono::minutes{5};
// Between two tries while the old ones still serve.
constexpr Duration kRefreshPause = std::chrono::seconds{30};

bool expires_within(const S3Credentials& credentials, Timestamp now, Duration margin) {
  return credentials.expires && *credentials.expires - now <= margin;
}

// The places, in their order.
class Chain {
 public:
  Chain(HttpClient& http, Clock& clock, const CredentialOptions& options)
      : http_(http), clock_(clock), options_(options) {}

  S3Credentials ask() {
    // Who names a profile means it, whatever else the environment says.
    const bool named = !options_.profile.empty();
    if (!named && take("the environment", [&] { return ask_environment(options_.environment); })) {
      return *found_;
    }
    if (!named && take("web identity", [&] { return ask_web_identity(); })) return *found_;
    if (take("the profile", [&] { return ask_profile(); })) return *found_;
    if (take("the container service", [&] { return ask_container(http_, options_.environment); })) {
      return *found_;
    }
    if (take("instance metadata", [&] { return ask_instance(http_, options_); })) return *found_;
    throw Error(Code::kDenied,
                fmt::format("there are no AWS credentials ({})", fmt::join(refusals_, "; ")),
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write a profile to "
                "~/.aws/credentials");
  }

 private:
  template <typename Ask>
  bool take(std::string_view place, Ask ask) {
    PlaceAnswer answer;
    try {
      answer = ask();
    } catch (Error& error) {
      error.add_context(fmt::format("AWS credentials from {}", place));
      throw;
    }
    if (!answer.credentials) {
      refusals_.push_back(fmt::format("{}: {}", place, answer.why_not));
      return false;
    }
    found_ = std::move(answer.credentials);
    if (!expires_within(*found_, clock_.now(), Duration::zero())) return true;
    throw Error(Code::kDenied,
                fmt::format("AWS credentials from {} have expired at {} already", place,
                            format_rfc3339(*found_->expires)),
                "look at the clocks of this machine and of that source");
  }

  PlaceAnswer ask_web_identity() {
    const auto variable = [&](const char* name) { return options_.environment(name).value_or(""); };
    const std::string file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (file.empty()) return {std::nullopt, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"};
    const AwsRole role{variable("AWS_ROLE_ARN"), variable("AWS_ROLE_SESSION_NAME"), {}, {}};
    if (role.arn.empty()) {
      throw Error(Code::kInvalid, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not",
                  "set AWS_ROLE_ARN to the role that trusts the token");
    }
    TokenService service(http_, clock_, options_,
                         profile_setting(options_.environment, {}, "region"));
    return {service.assume_with_token(role, read_token_file(file)), {}};
  }

  PlaceAnswer ask_profile() {
    const AwsProfiles profiles = load_aws_profiles(options_.environment);
    const std::string name = chosen_profile(options_.environment, options_.profile);
    const bool asked_for =
        !options_.profile.empty() || !options_.environment("AWS_PROFILE").value_or("").empty();
    if (!asked_for && !profiles.contains(name)) {
      return {std::nullopt, "there is no profile 'default' in ~/.aws"};
    }
    PlaceAnswer answer = ProfileCredentials(http_, clock_, options_, profiles).ask(name);
    if (!answer.credentials) answer.why_not = fmt::format("'{}': {}", name, answer.why_not);
    return answer;
  }

  HttpClient& http_;
  Clock& clock_;
  const CredentialOptions& options_;
  std::vector<std::string> refusals_;
  std::optional<S3Credentials> found_;
};

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

CredentialSource::CredentialSource(HttpClient& http, Clock& clock, CredentialOptions options)
    : http_(http), clock_(clock), options_(std::move(options)) {}

S3Credentials CredentialSource::get() {
  // Held while the source is asked: those who come meanwhile wait for the same answer.
  MutexLock lock(mutex_);
  if (current_) {
    const Timestamp now = clock_.now();
    if (!expires_within(*current_, now, kRefreshBefore)) return *current_;
    const bool usable = !expires_within(*current_, now, Duration::zero());
    if (usable && clock_.monotonic() < ask_again_) return *current_;
  }
  try {
    current_ = Chain(http_, clock_, options_).ask();
  } catch (const Error&) {
    if (!current_ || expires_within(*current_, clock_.now(), Duration::zero())) throw;
  }
  ask_again_ = clock_.monotonic() + kRefreshPause;
  return *current_;
}

void CredentialSource::refuse(const S3Credentials& refused) {
  MutexLock lock(mutex_);
  const bool ours = current_ && current_->access_key == refused.access_key &&
                    current_->secret_key == refused.secret_key &&
                    current_->session_token == refused.session_token;
  if (ours) current_.reset();
}

std::string profile_setting(const Environment& environment, const std::string& profile,
                            const std::string& name) {
  const AwsProfiles profiles = load_aws_profiles(environment);
  const auto at = profiles.find(chosen_profile(environment, profile));
  return at == profiles.end() ? std::string() : setting_of(at->second, name);
}

}  // namespace holdfast
