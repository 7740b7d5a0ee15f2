#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "os/file.h"
#include "settings/defaults.h"
#include "settings/settings.h"
#include "test_support.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A home and a current directory of their own.
class LoadTest : public testing::Test {
 protected:
  LoadTest() {
    fs::create_directories(home() + "/.config/holdfast");
    fs::create_directories(root_ + "/work");
    before_ = fs::current_path();
    fs::current_path(root_ + "/work");
    home_variable_.emplace("HOME", home().c_str());
    xdg_variable_.emplace("XDG_CONFIG_HOME", nullptr);
  }
  ~LoadTest() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }

  static std::string make_root() {
    std::string path = testing::TempDir() + "holdfast-load-XXXXXX";
    return ::mkdtemp(path.data());
  }
  std::string home() const { return root_ + "/home"; }
  void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  std::string root_ = make_root();
  fs::path before_;
  std::optional<ScopedVariable> home_variable_;
  std::optional<ScopedVariable> xdg_variable_;
};

TEST_F(LoadTest, TheCurrentDirectoryComesFirst) {
  write("holdfast.yaml", "vault: /here");
  write(home() + "/.config/holdfast/holdfast.yaml", "vault: /home");
  EXPECT_EQ(load_settings("").vault, "/here");
  EXPECT_EQ(load_settings("").file, "./holdfast.yaml");
}

TEST_F(LoadTest, ThenTheHome) {
  write(home() + "/.config/holdfast/holdfast.yaml", "vault: /home");
  EXPECT_EQ(load_settings("").vault, "/home");
}

TEST_F(LoadTest, XdgConfigHomeIsHonoured) {
  fs::create_directories(root_ + "/xdg/holdfast");
  write(root_ + "/xdg/holdfast/holdfast.yaml", "vault: /xdg");
  write(home() + "/.config/holdfast/holdfast.yaml", "vault: /home");
  const ScopedVariable xdg("XDG_CONFIG_HOME", (root_ + "/xdg").c_str());
  EXPECT_EQ(load_settings("").vault, "/xdg");
  const ScopedVariable relative("XDG_CONFIG_HOME", "xdg");
  EXPECT_EQ(load_settings("").vault, "/home");
}

TEST_F(LoadTest, NoFileGivesDefaults) {
  if (path_exists("/etc/holdfast/holdfast.yaml"))
    GTEST_SKIP() << "this machine has a configuration";
  const Settings settings = load_settings("");
  EXPECT_EQ(settings.file, "");
  EXPECT_EQ(settings.state_directory, default_state_directory());
}

TEST_F(LoadTest, AnExplicitFile) {
  write("other.yaml", "vault: /other");
  write("holdfast.yaml", "vault: /here");
  EXPECT_EQ(load_settings("other.yaml").vault, "/other");
  EXPECT_EQ(load_settings("other.yaml").file, "other.yaml");
}

TEST_F(LoadTest, AMissingExplicitFileIsNotReplacedByAnother) {
  write("holdfast.yaml", "vault: /here");
  const auto error = error_of([] { load_settings("missing.yaml"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kNotFound);
  EXPECT_THAT(error->message(), HasSubstr("missing.yaml"));
}

TEST_F(LoadTest, ErrorsNameTheFile) {
  write("bad.yaml", "vault: /v\noops: 1\n");
  const auto error = error_of([] { load_settings("bad.yaml"); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message(), HasSubstr("bad.yaml:2: unknown key 'oops'"));
}

TEST_F(LoadTest, AHugeFileIsRefused) {
  write("huge.yaml", std::string(3 << 20, '#'));
  const auto error = error_of([] { load_settings("huge.yaml"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kInvalid);
  EXPECT_THAT(error->message(), HasSubstr("larger than 1.0 MiB"));
}

TEST_F(LoadTest, AFoundFileThatEverybodyCanWriteIsRefused) {
  write("holdfast.yaml", "vault: /here");
  ASSERT_EQ(::chmod("holdfast.yaml", 0666), 0);
  const auto error = error_of([] { load_settings(""); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kDenied);
  EXPECT_THAT(error->hint(), HasSubstr("--config ./holdfast.yaml"));
  EXPECT_EQ(load_settings("holdfast.yaml").vault, "/here");
}

TEST_F(LoadTest, AFoundFileOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  write("holdfast.yaml", "vault: /here");
  ASSERT_EQ(::chown("holdfast.yaml", 65534, 65534), 0);
  const auto error = error_of([] { load_settings(""); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kDenied);
  EXPECT_THAT(error->message(), HasSubstr("belongs to another user"));
}

TEST_F(LoadTest, HomeComesFromTheUserDatabaseWithoutTheVariable) {
  const ScopedVariable none("HOME", nullptr);
  const std::string home = home_directory();
  EXPECT_TRUE(home.empty() || home[0] == '/');
  const ScopedVariable relative("HOME", "not/absolute");
  EXPECT_EQ(home_directory(), home);
}

}  // namespace
}  // namespace holdfast
