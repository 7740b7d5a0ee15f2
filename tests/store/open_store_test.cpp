#include "store/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/file.h"
#include "store/expect_error.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

const OpenStoreOptions kCreate{.create = true, .read_only = false};
const OpenStoreOptions kReadOnly{.create = false, .read_only = true};

TEST(OpenStore, PathsAndUrlsAreTheSame) {
  const TempDir directory;
  open_store(directory.path(), {})->put("a", as_bytes("x"));
  const auto store = open_store("file://" + directory.path() + "/", {});
  EXPECT_EQ(as_text(store->get("a")), "x");
  EXPECT_EQ(store->traits().url, "file://" + directory.path());
}

TEST(OpenStore, AbsentDirectoryIsNotFound) {
  const TempDir directory;
  expect_error(Code::kNotFound, [&] { open_store(directory / "absent", {}); });
  expect_error(Code::kNotFound, [&] { open_store(directory / "absent", kReadOnly); });
  const OpenStoreOptions both{.create = true, .read_only = true};
  expect_error(Code::kNotFound, [&] { open_store(directory / "absent", both); });
  EXPECT_FALSE(path_exists(directory / "absent"));
}

TEST(OpenStore, CreatesPrivateDirectories) {
  const TempDir directory;
  open_store(directory / "new/vault/", kCreate)->put("a", as_bytes("x"));
  struct stat status {};
  ASSERT_EQ(::stat((directory / "new/vault").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_EQ(as_text(open_store(directory / "new/vault", kCreate)->get("a")), "x");
}

TEST(OpenStore, FileIsInvalid) {
  const TempDir directory;
  write_file_atomic(directory / "file", as_bytes("x"));
  expect_error(Code::kInvalid, [&] { open_store(directory / "file", {}); });
  expect_error(Code::kInvalid, [&] { open_store(directory / "file", kCreate); });
}

TEST(OpenStore, ReadOnlyReadsAndRefuses) {
  const TempDir directory;
  open_store(directory.path(), {})->put("a", as_bytes("x"));
  const auto store = open_store(directory.path(), kReadOnly);
  EXPECT_EQ(as_text(store->get("a")), "x");
  expect_error(Code::kDenied, [&] { store->put("b", as_bytes("x")); });
  expect_error(Code::kDenied, [&] { store->remove("a"); });
  EXPECT_FALSE(store->traits().can_remove);
}

TEST(OpenStore, UnknownSchemesAreInvalid) {
  const auto error = error_of([] { open_store("s4://bucket", {}); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kInvalid);
  EXPECT_THAT(error->message(), HasSubstr("s4://"));
  EXPECT_THAT(error->message(), HasSubstr("file://"));
}

TEST(OpenStore, AddressesWithoutAPathAreInvalid) {
  for (const char* url : {"", "file://", "file://host/path", "file://relative"}) {
    expect_error(Code::kInvalid, [&] { open_store(url, {}); });
  }
}

}  // namespace
}  // namespace holdfast
