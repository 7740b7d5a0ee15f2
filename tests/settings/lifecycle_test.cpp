// The section 'lifecycle'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "settings/settings.h"
#include "test_support.h"

namespace holdfast {
namespace {

using std::chrono::days;
using testing::HasSubstr;

LifecycleSettings parse_lifecycle(const std::string& text) {
  return parse_settings(text, "f.yaml").lifecycle;
}

// The runbook's policy.
constexpr const char* kRunbook = R"(lifecycle:
  database: {infrequent_access_after: 30d, archive_after: 90d, expire_after: 365d}
  files: {infrequent_access_after: 30d, expire_after: 180d}
)";

TEST(Lifecycle, ReadsTheRunbooksPolicy) {
  const LifecycleSettings lifecycle = parse_lifecycle(kRunbook);
  ASSERT_EQ(lifecycle.classes.size(), 2U);
  EXPECT_EQ(lifecycle.classes.at("database"), (LifecyclePolicy{days{30}, days{90}, days{365}}));
  EXPECT_EQ(lifecycle.classes.at("files"), (LifecyclePolicy{days{30}, {}, days{180}}));
  EXPECT_EQ(lifecycle.infrequent_access_class, "STANDARD_IA");
  EXPECT_EQ(lifecycle.archive_class, "GLACIER");
  EXPECT_EQ(lifecycle.keep_versions, Duration{days{30}});
}

TEST(Lifecycle, IsEmptyByDefault) {
  EXPECT_TRUE(parse_lifecycle("").classes.empty());
  EXPECT_TRUE(parse_lifecycle("lifecycle: {}").classes.empty());
  EXPECT_EQ(parse_lifecycle("lifecycle: {config: {}}").classes.at("config"), LifecyclePolicy{});
}

TEST(Lifecycle, ReadsClassesAndSums) {
  const LifecycleSettings lifecycle = parse_lifecycle(
      "lifecycle:\n"
      "  config: {archive_after: 4w24h, expire_after: 1y}\n"
      "  infrequent_access_class: ONEZONE_IA\n"
      "  archive_class: DEEP_ARCHIVE\n"
      "  keep_versions: 2w\n");
  EXPECT_EQ(lifecycle.classes.at("config"), (LifecyclePolicy{{}, days{29}, days{365}}));
  EXPECT_EQ(lifecycle.infrequent_access_class, "ONEZONE_IA");
  EXPECT_EQ(lifecycle.archive_class, "DEEP_ARCHIVE");
  EXPECT_EQ(lifecycle.keep_versions, Duration{days{14}});
}

TEST(Lifecycle, OnlyTheClassesOfAwsWantThirtyDays) {
  const std::string early = "lifecycle: {files: {infrequent_access_after: 1d}, ";
  EXPECT_TRUE(error_of([&] { parse_lifecycle(early + "infrequent_access_class: STANDARD_IA}"); }));
  EXPECT_TRUE(error_of([&] { parse_lifecycle(early + "infrequent_access_class: ONEZONE_IA}"); }));
  EXPECT_EQ(parse_lifecycle(early + "infrequent_access_class: COLD}").classes.at("files"),
            (LifecyclePolicy{days{1}, {}, {}}));
}

struct BadLifecycle {
  const char* text;
  const char* message;
  const char* hint;  // a part of it
};

constexpr BadLifecycle kBadLifecycles[] = {
    {"lifecycle:\n  file: {}\n", "f.yaml:2: unknown key 'file' in 'lifecycle'",
     "did you mean 'files'?"},
    {"lifecycle:\n  files: {expire: 1d}\n", "f.yaml:2: unknown key 'expire' in 'lifecycle.files'",
     "expire_after"},
    {"lifecycle:\n  files: {}\n  files: {}\n", "f.yaml:3: duplicate key 'files'", "once"},
    {"lifecycle:\n  files:\n    infrequent_access_after: 29d\n",
     "f.yaml:3: 'infrequent_access_after' in 'lifecycle.files': '29d' is not from 30d to 100y", ""},
    {"lifecycle:\n  files:\n    expire_after: 36h\n",
     "f.yaml:3: 'expire_after' in 'lifecycle.files': '36h' is not a whole number of days", "30d"},
    {"lifecycle:\n  files:\n    expire_after: 1h\n",
     "f.yaml:3: 'expire_after' in 'lifecycle.files': '1h' is not from 1d to 100y", ""},
    {"lifecycle:\n  files:\n    archive_after: 101y\n",
     "f.yaml:3: 'archive_after' in 'lifecycle.files': '101y' is not from 1d to 100y", ""},
    {"lifecycle:\n  files:\n    infrequent_access_after: 90d\n    archive_after: 90d\n",
     "f.yaml:4: 'archive_after' in 'lifecycle.files': must be longer than "
     "'infrequent_access_after'",
     "archive"},
    {"lifecycle:\n  files:\n    expire_after: 60d\n    archive_after: 90d\n",
     "f.yaml:3: 'expire_after' in 'lifecycle.files': must be longer than 'archive_after'", ""},
    {"lifecycle:\n  files:\n    infrequent_access_after: 60d\n    expire_after: 30d\n",
     "f.yaml:4: 'expire_after' in 'lifecycle.files': must be longer than "
     "'infrequent_access_after'",
     ""},
    {"lifecycle:\n  archive_class: a b\n",
     "f.yaml:2: 'archive_class' in 'lifecycle': 'a b' is not a storage class", "provider"},
    {"lifecycle:\n  keep_versions: 12h\n",
     "f.yaml:2: 'keep_versions' in 'lifecycle': '12h' is not from 1d to 100y", ""},
    {"lifecycle: 30d\n", "f.yaml:1: 'lifecycle': expected keys and values, found a single value",
     "database"},
};

TEST(Lifecycle, ErrorsNameFileLineAndRemedy) {
  for (const BadLifecycle& bad : kBadLifecycles) {
    const auto error = error_of([&] { parse_lifecycle(bad.text); });
    ASSERT_TRUE(error) << bad.text;
    EXPECT_EQ(error->code(), Code::kInvalid) << bad.text;
    EXPECT_EQ(error->message(), bad.message) << bad.text;
    EXPECT_THAT(error->hint(), HasSubstr(bad.hint)) << bad.text;
  }
}

}  // namespace
}  // namespace holdfast
