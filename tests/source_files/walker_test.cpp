#include "source/files/walker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/path.h"
#include "support.h"

namespace holdfast::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Paths as the walk gives them, for expectations.
std::vector<std::string> below(const Scratch& scratch, const std::vector<std::string>& relative) {
  std::vector<std::string> paths;
  for (const std::string& path : relative) paths.push_back(join_path(scratch.stored(), path));
  for (std::string& path : paths) {
    if (path.ends_with('/')) path.pop_back();
  }
  return paths;
}

std::vector<std::string> ancestors_of(std::string_view path) {
  std::vector<std::string> result;
  for (path = parent_path(path); !path.empty(); path = parent_path(path)) {
    result.insert(result.begin(), std::string(path));
  }
  return result;
}

void grow(std::mt19937& random, const Scratch& scratch, const std::string& at, int depth) {
  static constexpr std::string_view kLetters = "ab!-. ~\n\x01\xff\xc3";
  for (unsigned i = 0; i < 6; ++i) {
    std::string name;
    do {
      name.clear();
      for (auto n = 1 + random() % 3; n > 0; --n) name += kLetters[random() % kLetters.size()];
    } while (name == "." || name == "..");
    const std::string path = join_path(at, name);
    if (path_exists(scratch.at(path))) continue;
    if (depth > 0 && random() % 2 == 0) {
      scratch.directory(path);
      grow(random, scratch, path, depth - 1);
    } else {
      scratch.file(path);
    }
  }
}

TEST(Walk, VisitsEverythingInTheOrderOfPaths) {
  const Scratch scratch;
  std::mt19937 random(20);
  grow(random, scratch, "", 5);
  const Walked found = walked({.roots = {scratch.stored()}});

  std::vector<std::string> expected{scratch.stored()};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch.path())) {
    expected.push_back(entry.path().string().substr(1));
  }
  std::sort(expected.begin(), expected.end(),
            [](const auto& a, const auto& b) { return compare_paths(a, b) < 0; });
  ASSERT_GT(expected.size(), 100u);
  EXPECT_THAT(found.paths, ElementsAreArray(expected));
  EXPECT_THAT(found.ancestors, ElementsAreArray(ancestors_of(scratch.stored())));
  EXPECT_THAT(found.warned, IsEmpty());
}

TEST(Walk, GivesTheStatusOfEachObject) {
  const Scratch scratch;
  scratch.file("five", "12345");
  ASSERT_EQ(::symlink("five", scratch.at("link").c_str()), 0);
  std::vector<WalkItem> items;
  walk(
      {.roots = {scratch.stored()}}, [&](WalkItem&& item) { items.push_back(std::move(item)); },
      [](const std::string&, const Error& error) { ADD_FAILURE() << error.what(); }, {});
  ASSERT_GE(items.size(), 3u);
  EXPECT_TRUE(S_ISDIR((items.end() - 3)->status.st_mode));
  EXPECT_EQ((items.end() - 2)->status.st_size, 5);
  EXPECT_TRUE(S_ISLNK((items.end() - 1)->status.st_mode));
}

TEST(Walk, MergesRootsAndTheirAncestors) {
  const Scratch scratch;
  scratch.file("a/b/1");
  scratch.file("a/b!/2");
  scratch.file("a/c/3");
  scratch.file("z/4");
  const auto path = [&](std::string_view relative) {
    return join_path(scratch.stored(), relative);
  };
  const Walked found = walked(
      {.roots = {path("z/4"), path("a/c"), path("a/b"), path("a/b/1"), path("a/c"), path("a/b!")}});
  EXPECT_THAT(
      found.paths,
      ElementsAreArray(below(scratch, {"a/b", "a/b/1", "a/b!", "a/b!/2", "a/c", "a/c/3", "z/4"})));
  std::vector<std::string> ancestors = ancestors_of(path("a"));
  ancestors.push_back(path("a"));
  ancestors.push_back(path("z"));
  EXPECT_THAT(found.ancestors, ElementsAreArray(ancestors));
}

TEST(Walk, TheRootOfAllIsAnEmptyPath) {
  IgnoreRules all_but_tmp;
  all_but_tmp.add("/*");
  const Walked found = walked({.roots = {""}, .excludes = all_but_tmp});
  EXPECT_THAT(found.paths, ElementsAre(""));
  EXPECT_THAT(found.ancestors, IsEmpty());
}

TEST(Walk, LeavesOutWhatIsExcluded) {
  const Scratch scratch;
  scratch.file("cache/x");
  scratch.file("keep/cache/x");
  scratch.file("keep/a.tmp");
  scratch.file("keep/b");
  IgnoreRules rules;
  rules.add(scratch.at("cache"));
  rules.add("*.tmp");
  const Walked found = walked({.roots = {scratch.stored()}, .excludes = rules});
  EXPECT_THAT(found.paths, ElementsAreArray(below(
                               scratch, {"", "keep", "keep/b", "keep/cache", "keep/cache/x"})));
}

TEST(Walk, ARootInsideAnExcludedDirectoryIsWalked) {
  const Scratch scratch;
  scratch.file("cache/no");
  scratch.file("cache/yes/x");
  scratch.file("z");
  IgnoreRules rules;
  rules.add("cache");
  const Walked found =
      walked({.roots = {scratch.stored(), scratch.stored() + "/cache/yes"}, .excludes = rules});
  EXPECT_THAT(found.paths, ElementsAreArray(below(scratch, {"", "cache/yes", "cache/yes/x", "z"})));
  EXPECT_THAT(found.ancestors, Contains(scratch.stored() + "/cache"));
}

TEST(Walk, KeepsOnlyTheTagOfCaches) {
  const Scratch scratch;
  const std::string tag = "Signature: 8a477f597d28d172789f06886806bc55\n# by a test\n";
  scratch.file("real/CACHEDIR.TAG", tag);
  scratch.file("real/big");
  scratch.file("real/sub/mine");
  scratch.file("fake/CACHEDIR.TAG", "something else");
  scratch.file("fake/big");
  scratch.file("top/CACHEDIR.TAG", tag);
  scratch.file("top/x");
  WalkOptions options{.roots = {scratch.stored()}, .skip_cache_directories = true};
  EXPECT_THAT(walked(options).paths,
              ElementsAreArray(below(scratch, {"", "fake", "fake/CACHEDIR.TAG", "fake/big", "real",
                                               "real/CACHEDIR.TAG", "top", "top/CACHEDIR.TAG"})));
  options.roots = {scratch.stored() + "/top", scratch.stored() + "/real/sub", scratch.stored()};
  EXPECT_THAT(walked(options).paths,
              ElementsAreArray(below(scratch, {"", "fake", "fake/CACHEDIR.TAG", "fake/big", "real",
                                               "real/CACHEDIR.TAG", "real/sub", "real/sub/mine",
                                               "top", "top/CACHEDIR.TAG", "top/x"})));
  options.roots = {scratch.stored() + "/top"};
  EXPECT_THAT(walked(options).paths,
              ElementsAreArray(below(scratch, {"top", "top/CACHEDIR.TAG", "top/x"})));
  options.skip_cache_directories = false;
  options.roots = {scratch.stored() + "/real"};
  EXPECT_THAT(walked(options).paths, Contains(scratch.stored() + "/real/big"));
}

TEST(Walk, StaysOnOneFileSystem) {
  if (!is_root()) GTEST_SKIP() << "mounting needs root";
  const Scratch scratch;
  scratch.file("a/x");
  scratch.directory("m");
  scratch.file("z");
  in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", scratch.at("m").c_str(), "tmpfs", 0, nullptr) != 0) {
      std::puts("mounting is not allowed here");
      return;
    }
    scratch.file("m/inside");
    scratch.file("m/deep/source/y");
    WalkOptions options{.roots = {scratch.stored()}};
    EXPECT_THAT(walked(options).paths,
                ElementsAreArray(below(scratch, {"", "a", "a/x", "m", "z"})));
    options.roots.push_back(scratch.stored() + "/m/deep/source");
    EXPECT_THAT(walked(options).paths,
                ElementsAreArray(below(
                    scratch, {"", "a", "a/x", "m", "m/deep/source", "m/deep/source/y", "z"})));
    options.roots.push_back(scratch.stored() + "/m");
    EXPECT_THAT(walked(options).paths, Contains(scratch.stored() + "/m/inside"));
    options.roots = {scratch.stored()};
    options.one_file_system = false;
    EXPECT_THAT(walked(options).paths, Contains(scratch.stored() + "/m/deep/source/y"));
  });
}

TEST(Walk, WarnsOfWhatVanishes) {
  const Scratch scratch;
  scratch.file("a");
  scratch.file("b");
  scratch.file("c/d");
  scratch.file("e");
  std::vector<std::string> paths;
  std::vector<std::string> warnings;
  walk(
      {.roots = {scratch.stored()}},
      [&](WalkItem&& item) {
        paths.push_back(item.path);
        if (item.path.ends_with("/a")) ::unlink(scratch.at("b").c_str());
        if (item.path.ends_with("/c")) std::filesystem::remove_all(scratch.at("c"));
      },
      [&](const std::string& path, const Error& error) {
        EXPECT_EQ(error.code(), Code::kNotFound);
        warnings.push_back(path);
      },
      {});
  EXPECT_THAT(warnings, ElementsAreArray(below(scratch, {"b", "c"})));
  EXPECT_THAT(paths, Not(Contains(scratch.stored() + "/b")));
  EXPECT_THAT(paths, Contains(scratch.stored() + "/e"));
}

TEST(Walk, DoesNotEnterADirectoryThatWasSwapped) {
  const Scratch scratch;
  const Scratch outside;
  outside.file("secret");
  scratch.file("d/x");
  for (const bool by_symlink : {true, false}) {
    std::vector<std::string> paths;
    int warnings = 0;
    walk(
        {.roots = {scratch.stored()}},
        [&](WalkItem&& item) {
          paths.push_back(item.path);
          if (!item.path.ends_with("/d")) return;
          std::filesystem::rename(scratch.at("d"), scratch.at("old"));
          if (by_symlink) {
            std::filesystem::create_directory_symlink(outside.path(), scratch.at("d"));
          } else {
            scratch.file("d/secret");
          }
        },
        [&](const std::string&, const Error&) { ++warnings; }, {});
    EXPECT_EQ(warnings, 1);
    EXPECT_THAT(paths, Not(Contains(scratch.stored() + "/d/secret")));
    std::filesystem::remove_all(scratch.at("d"));
    std::filesystem::rename(scratch.at("old"), scratch.at("d"));
  }
}

TEST(Walk, GoesOnAfterAnUnreadableDirectory) {
  const Scratch scratch;
  scratch.file("closed/x");
  scratch.file("open/y");
  ASSERT_EQ(::chmod(scratch.at("closed").c_str(), 0000), 0);
  as_nobody([&] {
    const Walked found = walked({.roots = {scratch.stored()}});
    EXPECT_THAT(found.paths, ElementsAreArray(below(scratch, {"", "closed", "open", "open/y"})));
    EXPECT_THAT(found.warned, ElementsAreArray(below(scratch, {"closed"})));
    EXPECT_EQ(found.warnings.at(0).code(), Code::kDenied);
    const Walked closed = walked({.roots = {scratch.stored() + "/closed"}});
    EXPECT_THAT(closed.paths, ElementsAreArray(below(scratch, {"closed"})));
    EXPECT_THAT(closed.warned, ElementsAreArray(below(scratch, {"closed"})));
  });
  ASSERT_EQ(::chmod(scratch.at("closed").c_str(), 0755), 0);
}

TEST(Walk, AMissingRootIsAWarningUnlessNoneIsThere) {
  const Scratch scratch;
  scratch.file("a");
  const std::string missing = scratch.stored() + "/gone/gone";
  const Walked found = walked({.roots = {missing, scratch.stored() + "/a"}});
  EXPECT_THAT(found.paths, ElementsAreArray(below(scratch, {"a"})));
  EXPECT_THAT(found.warned, ElementsAre(missing));
  EXPECT_EQ(found.warnings.at(0).code(), Code::kNotFound);
  EXPECT_EQ(code_of([&] { walked({.roots = {missing}}); }), Code::kNotFound);
  EXPECT_EQ(code_of([&] { walked({}); }), Code::kNotFound);
}

TEST(Walk, KeepsARootThatIsASymlinkAndWarns) {
  const Scratch scratch;
  scratch.file("real/x");
  ASSERT_EQ(::symlink("real", scratch.at("link").c_str()), 0);
  const std::string link = scratch.stored() + "/link";
  const Walked found = walked({.roots = {link}});
  EXPECT_THAT(found.paths, ElementsAre(link));
  EXPECT_THAT(found.warned, ElementsAre(link));
  EXPECT_THAT(found.warnings.at(0).message(), HasSubstr("symlink"));
  // As part of a path it stands for the directory.
  EXPECT_THAT(walked({.roots = {link + "/x"}}).paths, ElementsAre(link + "/x"));
  EXPECT_THAT(walked({.roots = {link + "/x"}}).ancestors, Contains(link));
  // But both at once cannot be had.
  const Walked both = walked({.roots = {scratch.stored(), link + "/x"}});
  EXPECT_THAT(both.paths, ElementsAreArray(below(scratch, {"", "link", "real", "real/x"})));
  EXPECT_THAT(both.warned, ElementsAre(link));
  EXPECT_THAT(walked({.roots = {link, link + "/x"}}).warned, ElementsAre(link, link));
}

TEST(Walk, NeedsFewDescriptorsForDeepTrees) {
  const Scratch scratch;
  constexpr int kLevels = 3000;
  make_deep_tree(scratch.path(), "dir", kLevels);
  scratch.file("after");
  in_child([&] {
    const rlimit few{64, 64};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const Walked found = walked({.roots = {scratch.stored()}});
    EXPECT_EQ(found.paths.size(), kLevels + 3u);
    EXPECT_THAT(found.paths.at(1), scratch.stored() + "/after");
    EXPECT_TRUE(found.paths.back().ends_with("dir/dir/leaf"));
    EXPECT_THAT(found.warned, IsEmpty());
  });
}

TEST(Walk, FindsItsWayBackOutOfAMovedDirectory) {
  const Scratch scratch;
  make_deep_tree(scratch.path(), "dir", 40);
  std::string middle = "dir/dir/dir/dir/dir";
  scratch.file(middle + "/zz");
  scratch.file("zz");
  std::vector<std::string> paths;
  std::vector<std::string> warned;
  walk(
      {.roots = {scratch.stored()}},
      [&](WalkItem&& item) {
        paths.push_back(item.path);
        if (item.path.ends_with("/leaf")) {
          std::filesystem::rename(scratch.at(middle + "/dir"), scratch.at("moved"));
        }
      },
      [&](const std::string& path, const Error&) { warned.push_back(path); }, {});
  EXPECT_THAT(warned, IsEmpty());
  EXPECT_THAT(paths, Contains(scratch.stored() + "/" + middle + "/zz"));
  EXPECT_THAT(paths, Contains(scratch.stored() + "/zz"));
}

TEST(Walk, TellsWhenTheRestOfADirectoryWentAway) {
  const Scratch scratch;
  make_deep_tree(scratch.path(), "dir", 40);
  scratch.file("dir/dir/zz");
  scratch.file("zz");
  std::vector<std::string> paths;
  std::vector<std::string> warned;
  walk(
      {.roots = {scratch.stored()}},
      [&](WalkItem&& item) {
        paths.push_back(item.path);
        if (!item.path.ends_with("/leaf")) return;
        std::filesystem::rename(scratch.at("dir/dir/dir"), scratch.at("inner"));
        std::filesystem::rename(scratch.at("dir/dir"), scratch.at("outer"));
      },
      [&](const std::string& path, const Error&) { warned.push_back(path); }, {});
  EXPECT_THAT(warned, ElementsAreArray(below(scratch, {"dir/dir"})));
  EXPECT_THAT(paths, Contains(scratch.stored() + "/zz"));
}

TEST(Walk, StopsWhenAsked) {
  const Scratch scratch;
  for (int i = 0; i < 10; ++i) scratch.file("f" + std::to_string(i));
  std::stop_source stop;
  int seen = 0;
  EXPECT_EQ(code_of([&] {
              walk(
                  {.roots = {scratch.stored()}},
                  [&](WalkItem&& item) {
                    if (!item.ancestor && ++seen == 3) stop.request_stop();
                  },
                  [](const std::string&, const Error&) {}, stop.get_token());
            }),
            Code::kCancelled);
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace holdfast::test
