#include "store/s3/profile_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/file.h"
#include "store/expect_error.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

AwsProfiles config(std::string_view text) { return parse_aws_file(text, AwsFile::kConfig, "c"); }
AwsProfiles credentials(std::string_view text) {
  return parse_aws_file(text, AwsFile::kCredentials, "c");
}

TEST(AwsFile, SectionsOfTheConfigFile) {
  EXPECT_THAT(config("[default]\nregion = a\n"
                     "[profile work]\nregion=b\n"
                     "[ profile \t home ] # mine\nregion =c\n"
                     "[profile \"two words\"]\nregion = d\n"
                     "[bare]\nregion = ignored\n"
                     "[sso-session work]\nregion = ignored\n"
                     "[profilex]\nregion = ignored\n"),
              ElementsAre(Pair("default", ElementsAre(Pair("region", "a"))),
                          Pair("home", ElementsAre(Pair("region", "c"))),
                          Pair("two words", ElementsAre(Pair("region", "d"))),
                          Pair("work", ElementsAre(Pair("region", "b")))));
}

TEST(AwsFile, SectionsOfTheCredentialsFile) {
  EXPECT_THAT(credentials("[default]\nk = a\n[work]\nk = b\n[profile home];\nk = c\n[Work]\nk = d"),
              ElementsAre(Pair("Work", ElementsAre(Pair("k", "d"))),
                          Pair("default", ElementsAre(Pair("k", "a"))),
                          Pair("home", ElementsAre(Pair("k", "c"))),
                          Pair("work", ElementsAre(Pair("k", "b")))));
}

TEST(AwsFile, PrefixedDefaultCountsMore) {
  const auto expected = ElementsAre(Pair("default", ElementsAre(Pair("region", "b"))));
  EXPECT_THAT(config("[default]\nregion = a\nx = 1\n[profile default]\nregion = b\n"), expected);
  EXPECT_THAT(config("[profile default]\nregion = b\n[default]\nregion = a\nx = 1\n"), expected);
}

TEST(AwsFile, SameSectionTwiceIsOne) {
  EXPECT_THAT(config("[default]\na = 1\nb = 1\n[profile x]\n[default]\nb = 2\n"),
              ElementsAre(Pair("default", ElementsAre(Pair("a", "1"), Pair("b", "2"))),
                          Pair("x", IsEmpty())));
}

TEST(AwsFile, KeysIgnoreCaseAndValuesKeepIt) {
  EXPECT_EQ(
      setting_of(config("[default]\nAWS_Access_Key_ID = AbC\n")["default"], "aws_access_key_id"),
      "AbC");
}

TEST(AwsFile, LineEndsByteOrderMarkAndNoNewlineAtTheEnd) {
  EXPECT_THAT(config("\xef\xbb\xbf[default]\r\nregion = a\r\n\r\nb=2"),
              ElementsAre(Pair("default", ElementsAre(Pair("b", "2"), Pair("region", "a")))));
}

TEST(AwsFile, Comments) {
  EXPECT_THAT(config("# one\n; two\n  # three\n[default] ; four\na = 1 # five\nb = 2;c#d\n"
                     "c =\t3\t; six\nd = # seven\n"),
              ElementsAre(Pair("default", ElementsAre(Pair("a", "1"), Pair("b", "2;c#d"),
                                                      Pair("c", "3"), Pair("d", "")))));
}

TEST(AwsFile, CommandsKeepWhatLooksLikeAComment) {
  EXPECT_EQ(setting_of(config("[default]\ncredential_process = cd /x ; ./get # now\n")["default"],
                       "credential_process"),
            "cd /x ; ./get # now");
}

TEST(AwsFile, NestedSettings) {
  EXPECT_THAT(config("[default]\ns3 =\n  Addressing_Style = path\n  # comment\n\n  max = 1\n"
                     "region = a\n"),
              ElementsAre(Pair("default", ElementsAre(Pair("region", "a"), Pair("s3", ""),
                                                      Pair("s3.addressing_style", "path"),
                                                      Pair("s3.max", "1")))));
}

TEST(AwsFile, IndentedLinesContinueAValue) {
  EXPECT_EQ(setting_of(config("[default]\na = one\n  two = 2\n")["default"], "a"), "one\ntwo = 2");
}

TEST(AwsFile, AllSettingsMayBeIndented) {
  EXPECT_THAT(credentials("[default]\n  a = 1\n  b = 2\n[x]\n\ta = 3\n"),
              ElementsAre(Pair("default", ElementsAre(Pair("a", "1"), Pair("b", "2"))),
                          Pair("x", ElementsAre(Pair("a", "3")))));
}

TEST(AwsFile, ValuesMayHoldAnEqualsSign) {
  EXPECT_EQ(
      setting_of(config("[default]\naws_session_token = ab==\n")["default"], "aws_session_token"),
      "ab==");
}

TEST(AwsFile, NonsenseIsRefusedWithItsLineAndWithoutItsText) {
  for (const auto* const text :
       {"[default]\n\nSECRET\n", "\n\n[SECRET\n", "\n\n[SECRET] x\n", "\n\n[]\n", "\n\nSECRET=1\n",
        "[default]\n\n=SECRET\n", "[default]\ns3 =\n  SECRET\n", "[default]\ns3 =\n  = SECRET\n",
        "\n\n[profile \"\"]\n"}) {
    const auto error = error_of([&] { config(text); });
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->code(), Code::kInvalid) << text;
    EXPECT_THAT(error->message(), ::testing::StartsWith("c:3: ")) << text;
    EXPECT_THAT(error->message() + error->hint(), Not(HasSubstr("SECRET"))) << text;
  }
  expect_error(Code::kInvalid, [] { config(std::string_view("[default]\na = \0\n", 16)); });
}

class AwsFiles : public ::testing::Test {
 protected:
  AwsFiles() {
    make_directories(home_ / ".aws");
    variables_["HOME"] = home_.path();
  }
  void write(const std::string& name, std::string_view text) {
    write_file_atomic(home_ / name, as_bytes(text));
  }
  Environment environment() {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto at = variables_.find(name);
      if (at == variables_.end()) return std::nullopt;
      return at->second;
    };
  }

  TempDir home_;
  std::map<std::string, std::string> variables_;
};

TEST_F(AwsFiles, AbsentOnesAreEmpty) {
  EXPECT_THAT(load_aws_profiles(environment()), IsEmpty());
  variables_.clear();
  EXPECT_THAT(load_aws_profiles(environment()), IsEmpty());
}

TEST_F(AwsFiles, CredentialsFileDecides) {
  write(".aws/config", "[profile w]\nregion = a\noutput = json\n");
  write(".aws/credentials", "[w]\nregion = b\n[only]\nregion = c\n");
  EXPECT_THAT(load_aws_profiles(environment()),
              ElementsAre(Pair("only", ElementsAre(Pair("region", "c"))),
                          Pair("w", ElementsAre(Pair("output", "json"), Pair("region", "b")))));
}

TEST_F(AwsFiles, KeysOfTheTwoFilesAreNotMixed) {
  write(".aws/config",
        "[default]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = T\n");
  write(".aws/credentials", "[default]\naws_access_key_id = B\naws_secret_access_key = R\n");
  EXPECT_THAT(load_aws_profiles(environment()),
              ElementsAre(Pair("default", ElementsAre(Pair("aws_access_key_id", "B"),
                                                      Pair("aws_secret_access_key", "R")))));
}

TEST_F(AwsFiles, VariablesSayWhereTheyAre) {
  write("c", "[default]\nregion = a\n");
  write("k", "[default]\nx = 1\n");
  variables_["AWS_CONFIG_FILE"] = home_ / "c";
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "~/k";
  EXPECT_THAT(load_aws_profiles(environment()),
              ElementsAre(Pair("default", ElementsAre(Pair("region", "a"), Pair("x", "1")))));
}

TEST_F(AwsFiles, NonsenseNamesTheFile) {
  write(".aws/credentials", "nonsense\n");
  const auto error = error_of([&] { load_aws_profiles(environment()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kInvalid);
  EXPECT_THAT(error->message(), HasSubstr(home_ / ".aws/credentials:1: "));
}

TEST_F(AwsFiles, SettingOfTheChosenProfile) {
  write(".aws/config",
        "[default]\nregion = a\nca_bundle = /x.pem\n[profile w]\nregion = b\ns3 =\n  x = 1\n");
  EXPECT_EQ(profile_setting(environment(), "", "region"), "a");
  EXPECT_EQ(profile_setting(environment(), "w", "region"), "b");
  EXPECT_EQ(profile_setting(environment(), "w", "s3.x"), "1");
  variables_["AWS_PROFILE"] = "w";
  EXPECT_EQ(profile_setting(environment(), "", "region"), "b");
  EXPECT_EQ(profile_setting(environment(), "default", "region"), "a");
  EXPECT_EQ(profile_setting(environment(), "", "ca_bundle"), "") << "nothing comes from default";
  EXPECT_EQ(profile_setting(environment(), "absent", "region"), "");
}

}  // namespace
}  // namespace holdfast
