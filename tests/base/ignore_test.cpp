#include "base/ignore.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr bool kFile = false;
constexpr bool kDirectory = true;

struct Case {
  std::vector<std::string> patterns;
  std::string path;  // below the base
  bool directory;
  bool ignored;
};

// The first half are the examples of gitignore(5).
const Case kCases[] = {
    {{"hello.*"}, "hello.txt", kFile, true},
    {{"hello.*"}, "a/hello.java", kFile, true},
    {{"/hello.*"}, "hello.c", kFile, true},
    {{"/hello.*"}, "a/hello.java", kFile, false},
    {{"foo/"}, "foo", kDirectory, true},
    {{"foo/"}, "foo", kFile, false},
    {{"frotz/"}, "a/frotz", kDirectory, true},
    {{"doc/frotz/"}, "doc/frotz", kDirectory, true},
    {{"doc/frotz/"}, "a/doc/frotz", kDirectory, false},
    {{"doc/frotz"}, "doc/frotz", kFile, true},
    {{"/doc/frotz"}, "doc/frotz", kFile, true},
    {{"/doc/frotz"}, "a/doc/frotz", kFile, false},
    {{"foo/*"}, "foo/test.json", kFile, true},
    {{"foo/*"}, "foo/bar", kDirectory, true},
    {{"foo/*"}, "foo/bar/hello.c", kFile, false},
    {{"**/foo"}, "foo", kFile, true},
    {{"**/foo"}, "a/b/foo", kDirectory, true},
    {{"**/foo/bar"}, "foo/bar", kFile, true},
    {{"**/foo/bar"}, "x/foo/bar", kFile, true},
    {{"**/foo/bar"}, "x/foo/y/bar", kFile, false},
    {{"abc/**"}, "abc/d", kFile, true},
    {{"abc/**"}, "abc/d/e/f", kFile, true},
    {{"abc/**"}, "abc", kDirectory, false},
    {{"abc/**"}, "x/abc/d", kFile, false},
    {{"a/**/b"}, "a/b", kFile, true},
    {{"a/**/b"}, "a/x/b", kFile, true},
    {{"a/**/b"}, "a/x/y/b", kFile, true},
    {{"a/**/b"}, "a/x/y/c", kFile, false},
    {{"/*", "!/foo", "/foo/*", "!/foo/bar"}, "other", kDirectory, true},
    {{"/*", "!/foo", "/foo/*", "!/foo/bar"}, "foo", kDirectory, false},
    {{"/*", "!/foo", "/foo/*", "!/foo/bar"}, "foo/else", kFile, true},
    {{"/*", "!/foo", "/foo/*", "!/foo/bar"}, "foo/bar", kDirectory, false},
    {{"*.o", "!keep.o"}, "x/keep.o", kFile, false},
    {{"!keep.o", "*.o"}, "x/keep.o", kFile, true},
    {{"# comment"}, "# comment", kFile, false},
    {{"\\#file"}, "#file", kFile, true},
    {{"\\!important"}, "!important", kFile, true},
    {{"trailing  "}, "trailing", kFile, true},
    {{"trailing\\ "}, "trailing ", kFile, true},
    {{"trailing\\ "}, "trailing", kFile, false},
    {{"", "   "}, "x", kFile, false},

    {{"*"}, ".hidden", kFile, true},
    {{"*.txt"}, "a.txt.gz", kFile, false},
    {{"a*c"}, "ac", kFile, true},
    {{"a*/c"}, "ab/x/c", kFile, false},
    {{"a**c/d"}, "abc/d", kFile, true},
    {{"a**c/d"}, "ab/bc/d", kFile, false},
    {{"?"}, "x", kFile, true},
    {{"?"}, "xy", kFile, false},
    {{"a?b/c"}, "a/b/c", kFile, false},
    {{"[abc]x"}, "bx", kFile, true},
    {{"[!abc]x"}, "bx", kFile, false},
    {{"[^abc]x"}, "dx", kFile, true},
    {{"[a-f]x"}, "ex", kFile, true},
    {{"[a-]x"}, "-x", kFile, true},
    {{"[]-]x"}, "]x", kFile, true},
    {{"[[:digit:]_]x"}, "7x", kFile, true},
    {{"[[:digit:]_]x"}, "_x", kFile, true},
    {{"[[:digit:]_]x"}, "ax", kFile, false},
    {{"[\\]]x"}, "]x", kFile, true},
    {{"a[/]b"}, "a/b", kFile, false},
    {{"a[b/c]d"}, "acd", kFile, true},
    {{"[\x80-\xff]x"}, "\xe9x", kFile, true},
    {{"\\*"}, "*", kFile, true},
    {{"\\*"}, "x", kFile, false},
    {{"a\\/b"}, "a/b", kFile, true},
    {{"**"}, "a/b", kFile, true},
    {{"/**"}, "a/b", kFile, true},
    {{"**/"}, "a/b", kDirectory, true},
    {{"**/"}, "a/b", kFile, false},
    {{"**/x/**/y"}, "a/x/b/x/c/y", kFile, true},
    {{"**/x/**"}, "a/x", kFile, false},
    {{"x/**/**/y"}, "x/y", kFile, true},
    {{"a//b"}, "a/b", kFile, true},
    {{"new\nline"}, "new\nline", kFile, true},
};

TEST(IgnoreRules, FollowsGitignore) {
  for (const Case& test : kCases) {
    IgnoreRules rules;
    std::string all;
    for (const std::string& pattern : test.patterns) {
      rules.add(pattern);
      all += "'" + pattern + "' ";
    }
    EXPECT_EQ(rules.ignores("srv/www/" + test.path, "srv/www", test.directory), test.ignored)
        << all << "on " << test.path;
    EXPECT_EQ(rules.ignores(test.path, "", test.directory), test.ignored)
        << all << "on " << test.path << " below /";
  }
}

TEST(IgnoreRules, AnchorsAbsolutePathsAtTheBase) {
  IgnoreRules rules;
  rules.add("/srv/www/cache");
  rules.add("/srv/www/*.log");
  EXPECT_TRUE(rules.ignores("srv/www/cache", "srv/www", true));
  EXPECT_TRUE(rules.ignores("srv/www/a.log", "srv/www", false));
  EXPECT_FALSE(rules.ignores("srv/www/b/cache", "srv/www", true));
  EXPECT_FALSE(rules.ignores("srv/www/b/a.log", "srv/www", false));
  EXPECT_TRUE(rules.ignores("srv/www/cache", "", true));
  EXPECT_TRUE(rules.ignores("srv/www/srv/www/cache", "srv/www", true));
  EXPECT_FALSE(rules.ignores("srv/www2/cache", "srv/www2", true));
}

TEST(IgnoreRules, RelativePatternsAreNotAbsolute) {
  IgnoreRules rules;
  rules.add("srv/www/cache");
  EXPECT_FALSE(rules.ignores("srv/www/cache", "srv/www", true));
  EXPECT_TRUE(rules.ignores("srv/www/srv/www/cache", "srv/www", true));
}

TEST(IgnoreRules, NeverIgnoresTheBase) {
  IgnoreRules rules;
  rules.add("*");
  rules.add("/srv/www");
  EXPECT_FALSE(rules.ignores("srv/www", "srv/www", true));
  EXPECT_FALSE(rules.ignores("", "", true));
}

TEST(IgnoreRules, RefusesWhatCannotBeUnderstood) {
  const std::string with_nul("a\0b", 3);
  for (const std::string& pattern :
       {std::string("a[b"), std::string("[]"), std::string("[a-"), std::string("[[:nope:]]"),
        std::string("a\\"), std::string("/"), std::string("!"), std::string("!/"),
        std::string("./a"), std::string("a/../b"), with_nul}) {
    IgnoreRules rules;
    try {
      rules.add(pattern);
      ADD_FAILURE() << pattern << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kInvalid);
      EXPECT_NE(error.message().find("exclude pattern"), std::string::npos);
    }
    EXPECT_TRUE(rules.empty());
  }
}

// With naive backtracking none of these would end in a lifetime.
TEST(GlobMatches, TakesNoExponentialTime) {
  std::string stars;
  for (int i = 0; i < 60; ++i) stars += "a*";
  EXPECT_FALSE(glob_matches(stars + "b", std::string(255, 'a')));
  EXPECT_TRUE(glob_matches(stars + "b", std::string(254, 'a') + "b"));

  std::string directories;
  std::string path;
  for (int i = 0; i < 60; ++i) directories += "**/a/";
  for (int i = 0; i < 2000; ++i) path += "a/";
  EXPECT_FALSE(glob_matches(directories + "b", path + "c"));
  EXPECT_TRUE(glob_matches(directories + "b", path + "b"));
}

TEST(GlobMatches, MatchesTheWholePath) {
  EXPECT_TRUE(glob_matches("*.c", "a.c"));
  EXPECT_FALSE(glob_matches("*.c", "a/b.c"));
  EXPECT_TRUE(glob_matches("**/*.c", "a/b.c"));
  EXPECT_FALSE(glob_matches("a", "a/b"));
  EXPECT_FALSE(glob_matches("a/b", "a"));
  EXPECT_FALSE(glob_matches("[a", "[a"));
}

}  // namespace
}  // namespace holdfast
