// An environment, a home directory and a clock for the tests of credentials.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "net/http.h"
#include "os/file.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/credentials.h"
#include "support/scripted_server.h"
#include "support/temp_dir.h"

namespace holdfast {

using Reply = ScriptedServer::Reply;
using Received = ScriptedServer::Received;

inline Timestamp noon() { return parse_rfc3339("2025-11-10T12:00:00Z"); }

// As the container and the instance metadata service answer.
inline std::string metadata_json(const std::string& key,
                                 const std::string& expires = "2025-11-10T18:00:00Z") {
  return R"({"Code": "Success", "AccessKeyId": ")" + key + R"(", "SecretAccessKey": "HUSH-)" + key +
         R"(", "Token": "TOKEN-)" + key + R"(", "Expiration": ")" + expires + R"("})";
}

// As the token service answers.
inline std::string token_xml(const std::string& key,
                             const std::string& expires = "2025-11-10T18:00:00Z") {
  return R"(<?xml version="1.0"?>)"
         R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">)"
         "<AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::1:x</Arn></AssumedRoleUser>"
         "<Credentials><AccessKeyId>" +
         key + "</AccessKeyId><SecretAccessKey>HUSH-" + key + "</SecretAccessKey><SessionToken>" +
         "TOKEN-" + key + "</SessionToken><Expiration>" + expires +
         "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
}

inline Reply ok(std::string body) {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

inline Reply status(int code, std::string body = {}) {
  Reply reply;
  reply.status = code;
  reply.body = std::move(body);
  return reply;
}

class CredentialTest : public ::testing::Test {
 protected:
  CredentialTest() {
    make_directories(home_ / ".aws");
    variables_["HOME"] = home_.path();
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  }

  std::string write(const std::string& name, std::string_view text) {
    write_file_atomic(home_ / name, as_bytes(text));
    return home_ / name;
  }
  void set_keys(const std::string& key) {
    variables_["AWS_ACCESS_KEY_ID"] = key;
    variables_["AWS_SECRET_ACCESS_KEY"] = "HUSH-" + key;
  }
  CredentialOptions options(const std::string& profile = {}) {
    CredentialOptions options;
    options.profile = profile;
    options.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto at = variables_.find(name);
      if (at == variables_.end()) return std::nullopt;
      return at->second;
    };
    return options;
  }
  S3Credentials get(const std::string& profile = {}) {
    return CredentialSource(http_, clock_, options(profile)).get();
  }
  // The error of get(), which never has a secret in it.
  Error failure(const std::string& profile = {}) {
    const auto error = error_of([&] { get(profile); });
    if (!error) {
      ADD_FAILURE() << "no error was thrown";
      return {Code::kInternal, ""};
    }
    EXPECT_THAT(error->message() + error->hint(), ::testing::Not(::testing::HasSubstr("HUSH")));
    return *error;
  }

  TempDir home_;
  std::map<std::string, std::string> variables_;
  ManualClock clock_{noon()};
  HttpClient http_{HttpOptions{}};
};

}  // namespace holdfast
