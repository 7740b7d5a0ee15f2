#include "base/path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/throws.h"

namespace holdfast {
namespace {

TEST(ComparePaths, IsTheOrderOfADepthFirstWalk) {
  const std::vector<std::string> sorted = {"",    "a",     "a/b", "a/b/c", "a/b\x01",
                                           "a/c", "a\x01", "a b", "a-b",   "a-b/c",
                                           "a.b", "a0",    "aa",  "a\xff"};
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t j = 0; j < sorted.size(); ++j) {
      EXPECT_EQ(compare_paths(sorted[i], sorted[j]), i <=> j) << sorted[i] << " " << sorted[j];
    }
  }
}

TEST(IsWithin, TakesWholeParts) {
  EXPECT_TRUE(is_within("a/b", "a"));
  EXPECT_TRUE(is_within("a", "a"));
  EXPECT_TRUE(is_within("a", ""));
  EXPECT_TRUE(is_within("", ""));
  EXPECT_FALSE(is_within("ab", "a"));
  EXPECT_FALSE(is_within("a", "a/b"));
  EXPECT_FALSE(is_within("", "a"));
}

TEST(Path, Parts) {
  EXPECT_EQ(parent_path("a/b/c"), "a/b");
  EXPECT_EQ(parent_path("a"), "");
  EXPECT_EQ(base_name("a/b/c"), "c");
  EXPECT_EQ(base_name("a"), "a");
  EXPECT_EQ(join_path("a/b", "c"), "a/b/c");
  EXPECT_EQ(join_path("", "c"), "c");
}

TEST(StoredPath, IsCanonical) {
  EXPECT_EQ(stored_path("/a/./b//c/"), "a/b/c");
  EXPECT_EQ(stored_path("/a/../b"), "b");
  EXPECT_EQ(stored_path("/../a"), "a");
  EXPECT_EQ(stored_path("/"), "");
  EXPECT_EQ(stored_path("///"), "");
  EXPECT_EQ(stored_path("/\xff\n"), "\xff\n");
}

TEST(StoredPath, StartsFromTheCurrentDirectory) {
  const std::string here = stored_path(std::filesystem::current_path().string());
  EXPECT_EQ(stored_path("."), here);
  EXPECT_EQ(stored_path("x/y"), join_path(here, "x/y"));
}

TEST(StoredPath, RefusesWhatIsNoPath) {
  EXPECT_EQ(thrown_by([] { stored_path(""); }), Code::kInvalid);
  EXPECT_EQ(thrown_by([] { stored_path(std::string_view("/a\0b", 4)); }), Code::kInvalid);
}

}  // namespace
}  // namespace holdfast
