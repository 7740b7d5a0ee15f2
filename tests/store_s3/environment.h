// The keys of the example account, for programs of tests whose stores ask the environment.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

namespace holdfast::test {

// Sets them before any thread starts, and takes away what is the user's own.
class S3Environment : public ::testing::Environment {
 public:
  void SetUp() override {
    ::setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", "secret-example", 1);
    for (const char* name : {"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION",
                             "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"}) {
      ::unsetenv(name);
    }
  }
};

}  // namespace holdfast::test
