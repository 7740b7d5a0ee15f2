#include "source/files/target.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>

#include "base/path.h"
#include "source/files/metadata.h"
#include "support.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

Entry entry_for(std::string path, EntryType type, std::uint32_t mode = 0644) {
  Entry entry;
  entry.path = std::move(path);
  entry.type = type;
  entry.mode = mode;
  entry.uid = ::geteuid();
  entry.gid = ::getegid();
  entry.mtime_ns = 1'000'000'000'000'000'001;
  return entry;
}

Entry file_entry(std::string path, std::uint32_t mode = 0600) {
  return entry_for(std::move(path), EntryType::kFile, mode);
}

Entry symlink_to(std::string path, std::string text) {
  Entry entry = entry_for(std::move(path), EntryType::kSymlink, 0777);
  entry.link_target = std::move(text);
  return entry;
}

Entry hard_link_to(std::string path, std::string first) {
  Entry entry = entry_for(std::move(path), EntryType::kHardlink);
  entry.link_target = std::move(first);
  return entry;
}

// Every test runs with openat2 and with the fallback.
class TargetTest : public ::testing::TestWithParam<bool> {
 protected:
  void run(const std::function<void()>& body) {
    if (GetParam()) {
      body();
    } else {
      without_openat2(body);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Openat2AndFallback, TargetTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Openat2" : "Fallback"; });

TEST_P(TargetTest, OpensOrCreatesItsDirectory) {
  run([] {
    const Scratch scratch;
    EXPECT_EQ(code_of([&] { Target(scratch.at("a/b"), false, {}); }), Code::kNotFound);
    const Target target(scratch.at("a/b"), true, {});
    EXPECT_EQ(target.directory(), scratch.at("a/b"));
    EXPECT_TRUE(fs::is_directory(scratch.at("a/b")));
  });
}

TEST_P(TargetTest, Stats) {
  run([] {
    const Scratch scratch;
    scratch.file("d/five", "12345");
    ASSERT_EQ(::symlink("d", scratch.at("link").c_str()), 0);
    const Target target(scratch.path(), false, {});
    struct stat status {};
    EXPECT_TRUE(target.stat("", status));
    EXPECT_TRUE(S_ISDIR(status.st_mode));
    EXPECT_TRUE(target.stat("d/five", status));
    EXPECT_EQ(status.st_size, 5);
    EXPECT_TRUE(target.stat("link", status));
    EXPECT_TRUE(S_ISLNK(status.st_mode));
    EXPECT_FALSE(target.stat("gone", status));
    EXPECT_FALSE(target.stat("gone/gone", status));
    EXPECT_FALSE(target.stat("d/five/below-a-file", status));
    EXPECT_EQ(code_of([&] { target.stat("link/five", status); }), Code::kDenied);
  });
}

TEST_P(TargetTest, KeepsDirectoriesAndReplacesOthersWhenAllowed) {
  run([] {
    const Scratch scratch;
    const Scratch outside;
    scratch.file("kept/x");
    scratch.file("file");
    fs::create_directory_symlink(outside.path(), scratch.at("link"));
    Target target(scratch.path(), false, {});
    target.make_directory("", false);
    target.make_directory("new", false);
    EXPECT_EQ(status_of(scratch.at("new")).st_mode & 07777, 0700u);
    target.make_directory("kept", false);
    target.make_directory("kept", true);
    EXPECT_TRUE(path_exists(scratch.at("kept/x")));
    for (const std::string name : {"file", "link"}) {
      EXPECT_EQ(code_of([&] { target.make_directory(name, false); }), Code::kConflict);
      target.make_directory(name, true);
      EXPECT_TRUE(S_ISDIR(status_of(scratch.at(name)).st_mode)) << name;
    }
    EXPECT_TRUE(fs::is_empty(outside.path()));
    EXPECT_TRUE(fs::is_directory(outside.path()));
    EXPECT_EQ(code_of([&] { target.make_directory("no/parent", false); }), Code::kNotFound);
  });
}

TEST_P(TargetTest, CreatesFiles) {
  run([] {
    const Scratch scratch;
    const Scratch outside;
    const std::string sentinel = outside.file("sentinel", "untouched");
    Target target(scratch.path(), false, {});
    const Fd fd = target.create_file(file_entry("f"), false);
    write_full(fd.get(), as_bytes("one"), "f");
    EXPECT_EQ(status_of(scratch.at("f")).st_mode & 07777, 0600u);
    EXPECT_EQ(code_of([&] { target.create_file(file_entry("f"), false); }), Code::kConflict);
    EXPECT_EQ(text_of(scratch.at("f")), "one");

    // What was there goes: its other names and the end of a symlink keep their content.
    fs::create_hard_link(scratch.at("f"), scratch.at("other-name"));
    fs::create_symlink(sentinel, scratch.at("link"));
    scratch.directory("empty");
    scratch.file("full/x");
    for (const std::string name : {"f", "link", "empty"}) {
      const Fd again = target.create_file(file_entry(name), true);
      write_full(again.get(), as_bytes("two"), name);
      EXPECT_EQ(text_of(scratch.at(name)), "two");
      EXPECT_TRUE(S_ISREG(status_of(scratch.at(name)).st_mode));
    }
    EXPECT_EQ(text_of(scratch.at("other-name")), "one");
    EXPECT_EQ(text_of(sentinel), "untouched");
    EXPECT_EQ(code_of([&] { target.create_file(file_entry("full"), true); }), Code::kConflict);
    EXPECT_TRUE(path_exists(scratch.at("full/x")));
    EXPECT_EQ(code_of([&] { target.create_file(file_entry("no/parent"), false); }),
              Code::kNotFound);
    EXPECT_EQ(code_of([&] { target.create_file(file_entry("f/below"), false); }), Code::kConflict);
    EXPECT_EQ(code_of([&] { target.create_file(file_entry(std::string(256, 'x')), false); }),
              Code::kInvalid);
    EXPECT_NE(code_of([&] { target.create_file(file_entry(""), true); }), Code::kInternal);
  });
}

// A file has its last mode from the start only where that gives nobody anything before its time.
TEST_P(TargetTest, CreatesFilesThatGiveNobodyTooMuch) {
  run([] {
    const Scratch scratch;
    Target target(scratch.path(), false, {});
    const mode_t masked = ::umask(0);
    const auto created = [&](const std::string& name, std::uint32_t mode, bool acl = false) {
      Entry entry = file_entry(name, mode);
      if (acl) entry.xattrs.push_back({"system.posix_acl_access", to_bytes(as_bytes("x"))});
      target.create_file(entry, false);
      return status_of(scratch.at(name)).st_mode & 07777;
    };
    EXPECT_EQ(created("all", 0644), 0644u);
    EXPECT_EQ(created("program", 04755), 0755u);  // set-id bits wait for the owner
    EXPECT_EQ(created("group", 0640), 0600u);     // our group, that is
    EXPECT_EQ(created("writers", 0664), 0600u);
    EXPECT_EQ(created("read-only", 0444), 0600u);  // to be opened again
    EXPECT_EQ(created("acl", 0644, true), 0600u);
    ::umask(masked);
  });
}

TEST_P(TargetTest, OpensOnlyPlainFilesThatAreThere) {
  run([] {
    const Scratch scratch;
    scratch.file("plain", "p");
    scratch.file("linked");
    fs::create_hard_link(scratch.at("linked"), scratch.at("linked-too"));
    fs::create_symlink("plain", scratch.at("symlink"));
    scratch.directory("directory");
    ASSERT_EQ(::mkfifo(scratch.at("fifo").c_str(), 0600), 0);
    Target target(scratch.path(), false, {});
    const Fd fd = target.open_existing("plain");
    ASSERT_TRUE(fd.valid());
    write_full(fd.get(), as_bytes("q"), "plain");
    EXPECT_EQ(text_of(scratch.at("plain")), "q");
    for (const std::string name : {"linked", "symlink", "directory", "fifo", "gone", "gone/gone"}) {
      EXPECT_FALSE(target.open_existing(name).valid()) << name;
    }
  });
}

TEST_P(TargetTest, MakesSpecialsAndReplacesWhatIsInTheWay) {
  run([] {
    const Scratch scratch;
    scratch.file("first", "1");
    Target target(scratch.path(), false, {});
    const Entry fifo = entry_for("fifo", EntryType::kFifo, 0600);
    const Entry link = symlink_to("link", "/anywhere/../at all");
    const Entry hard = hard_link_to("hard", "first");
    for (const Entry& entry : {fifo, link, hard}) {
      target.make_special(entry, false);
      EXPECT_EQ(code_of([&] { target.make_special(entry, false); }), Code::kConflict);
      target.make_special(entry, true);
    }
    EXPECT_TRUE(S_ISFIFO(status_of(scratch.at("fifo")).st_mode));
    EXPECT_EQ(fs::read_symlink(scratch.at("link")), "/anywhere/../at all");
    EXPECT_EQ(status_of(scratch.at("hard")).st_ino, status_of(scratch.at("first")).st_ino);
    EXPECT_EQ(code_of([&] { target.make_special(hard_link_to("first", "first"), true); }),
              Code::kInvalid);
    EXPECT_EQ(code_of([&] { target.make_special(hard_link_to("x", "gone"), true); }),
              Code::kNotFound);
    EXPECT_TRUE(path_exists(scratch.at("first")));
  });
}

TEST_P(TargetTest, RemovesTreesButNotWhatSymlinksLeadTo) {
  run([] {
    const Scratch scratch;
    const Scratch outside;
    outside.file("d/sentinel");
    scratch.file("tree/a/b/c");
    scratch.file("tree/z");
    scratch.file("single");
    scratch.file("other/kept");
    fs::create_directory_symlink(outside.at("d"), scratch.at("tree/a/link"));
    fs::create_directory_symlink(outside.at("d"), scratch.at("link"));
    Target target(scratch.path(), false, {});
    for (const std::string name : {"tree", "single", "link", "gone", "gone/gone"}) {
      target.remove_tree(name);
      EXPECT_FALSE(path_exists(scratch.at(name)));
    }
    EXPECT_TRUE(path_exists(outside.at("d/sentinel")));
    EXPECT_TRUE(path_exists(scratch.at("other/kept")));
    EXPECT_EQ(code_of([&] { target.remove_tree(""); }), Code::kDenied);
    EXPECT_TRUE(path_exists(scratch.at("other/kept")));
  });
}

TEST_P(TargetTest, HandlesPathsOfAnyLengthWithFewDescriptors) {
  run([] {
    const Scratch scratch;
    const rlimit few{64, 64};
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    Target target(scratch.path(), false, {});
    std::string path = "deep";
    target.make_directory(path, false);
    for (int i = 0; i < 150; ++i) {
      path += "/" + std::string(i % 2 == 0 ? 1 : 100, 'x');
      target.make_directory(path, false);
    }
    ASSERT_GT(path.size(), 1u * PATH_MAX);
    const Fd fd = target.create_file(file_entry(path + "/file"), false);
    EXPECT_EQ(target.apply_metadata(entry_for(path + "/file", EntryType::kFile), fd.get()), "");
    target.make_special(symlink_to(path + "/link", "x"), false);
    target.make_special(hard_link_to(path + "/hard", path + "/file"), false);
    EXPECT_EQ(target.apply_metadata(symlink_to(path + "/link", "x"), -1), "");
    EXPECT_EQ(target.apply_metadata(entry_for(path, EntryType::kDirectory, 0755), -1), "");
    struct stat status {};
    EXPECT_TRUE(target.stat(path + "/link", status));
    EXPECT_FALSE(target.stat(path + "/gone", status));
    EXPECT_FALSE(target.stat("gone" + path + "/gone", status));

    make_deep_tree(scratch.directory("deeper"), "d", 3000);
    const rlimit lower{few.rlim_cur, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
    target.remove_tree("deep");
    target.remove_tree("deeper");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(fs::is_empty(scratch.path()));
  });
}

// Everything that takes a path, tried on one that must be refused.
void expect_refused(Target& target, const std::string& path) {
  struct stat status {};
  const auto refused = [&](const std::function<void()>& body) {
    EXPECT_EQ(code_of(body), Code::kDenied) << path;
  };
  refused([&] { target.stat(path, status); });
  refused([&] { target.make_directory(path, true); });
  refused([&] { target.create_file(file_entry(path), true); });
  refused([&] { target.open_existing(path); });
  refused([&] { target.make_special(symlink_to(path, "x"), true); });
  refused([&] { target.make_special(entry_for(path, EntryType::kFifo), true); });
  refused([&] { target.make_special(hard_link_to(path, "inside"), true); });
  refused([&] { target.make_special(hard_link_to("stolen", path), true); });
  refused([&] { target.apply_metadata(entry_for(path, EntryType::kFile, 0777), -1); });
  refused([&] { target.apply_metadata(entry_for(path, EntryType::kDirectory, 0777), -1); });
  refused([&] { target.remove_tree(path); });
}

void expect_untouched(const Scratch& outside) {
  EXPECT_EQ(text_of(outside.at("victim")), "untouched");
  EXPECT_EQ(status_of(outside.at("victim")).st_mode & 07777, 0644u);
  EXPECT_EQ(status_of(outside.at("victim")).st_nlink, 1u);
  EXPECT_EQ(status_of(outside.path()).st_mode & 07777, 0755u);
  EXPECT_EQ(std::distance(fs::directory_iterator(outside.path()), {}), 1);
}

TEST_P(TargetTest, RefusesPathsThatLeadOutByText) {
  run([] {
    const Scratch outside;
    outside.file("victim", "untouched");
    fs::create_directory(outside.at("t"));
    {
      Target target(outside.at("t"), false, {});
      target.create_file(file_entry("inside"), false);
      target.make_directory("d", false);
      for (const std::string& path :
           {std::string("../victim"), outside.at("victim"), std::string("d/../../victim"),
            std::string(".."), std::string("d/.."), std::string("./inside"), std::string("d//x"),
            std::string("d/"), std::string("a\0b", 3), std::string("../gone")}) {
        expect_refused(target, path);
      }
      target.remove_tree("inside");
      target.remove_tree("d");
      EXPECT_TRUE(fs::is_empty(outside.at("t")));
    }
    fs::remove(outside.at("t"));
    expect_untouched(outside);
  });
}

TEST_P(TargetTest, RefusesPlantedSymlinksOnTheWay) {
  run([] {
    const Scratch scratch;
    const Scratch outside;
    outside.file("victim", "untouched");
    scratch.file("inside");
    scratch.directory("d");
    fs::create_directory_symlink(outside.path(), scratch.at("link"));
    fs::create_directory_symlink(outside.path(), scratch.at("d/link"));
    fs::create_directory_symlink("d", scratch.at("harmless"));
    fs::create_directory_symlink("/proc/self/cwd", scratch.at("magic"));
    Target target(scratch.path(), false, {});
    for (const std::string path :
         {"link/victim", "link/new", "d/link/victim", "harmless/x", "harmless/link/x", "magic/x"}) {
      expect_refused(target, path);
    }
    try {
      target.create_file(file_entry("d/link/victim"), true);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr(scratch.at("d/link") + " is a symlink"));
      EXPECT_THAT(error.hint(), HasSubstr("remove"));
    }
    expect_untouched(outside);
  });
}

TEST_P(TargetTest, NeverAppliesMetadataThroughALeafSymlink) {
  run([] {
    const Scratch scratch;
    const Scratch outside;
    const std::string victim = outside.file("victim", "untouched");
    fs::create_symlink(victim, scratch.at("link"));
    fs::create_directory_symlink(outside.path(), scratch.at("dirlink"));
    Target target(scratch.path(), false, {});
    const struct stat before = status_of(victim);
    for (const EntryType type : {EntryType::kFile, EntryType::kFifo, EntryType::kCharDevice}) {
      EXPECT_EQ(code_of([&] { target.apply_metadata(entry_for("link", type, 0777), -1); }),
                Code::kDenied);
    }
    EXPECT_EQ(code_of([&] {
                target.apply_metadata(entry_for("dirlink", EntryType::kDirectory, 0777), -1);
              }),
              Code::kDenied);
    // A hard link of a symlink is one more name of the link.
    target.make_special(hard_link_to("stolen", "link"), false);
    EXPECT_TRUE(S_ISLNK(status_of(scratch.at("stolen")).st_mode));
    Entry link = symlink_to("link", victim);
    link.xattrs.push_back({"user.planted", {1}});  // not possible on a link
    EXPECT_THAT(target.apply_metadata(link, -1), HasSubstr("user.planted"));
    const struct stat after = status_of(victim);
    EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
    expect_untouched(outside);
  });
}

TEST_P(TargetTest, NoticesDirectoriesSwappedBetweenCalls) {
  run([] {
    const Scratch scratch;
    const Scratch outside;
    outside.file("victim", "untouched");
    Target target(scratch.path(), false, {});
    target.create_file(file_entry("inside"), false);
    target.make_directory("a", false);
    target.make_directory("a/b", false);
    target.create_file(file_entry("a/b/before"), false);
    fs::rename(scratch.at("a/b"), scratch.at("a/moved"));
    fs::create_directory_symlink(outside.path(), scratch.at("a/b"));
    expect_refused(target, "a/b/victim");
    EXPECT_EQ(
        code_of([&] { target.apply_metadata(entry_for("a/b", EntryType::kDirectory, 0777), -1); }),
        Code::kDenied);
    expect_untouched(outside);
    // With leave to replace, the symlink goes and the restore can go on.
    target.make_directory("a/b", true);
    target.create_file(file_entry("a/b/victim"), false);
    EXPECT_TRUE(path_exists(scratch.at("a/b/victim")));
    EXPECT_FALSE(path_exists(scratch.at("a/moved/victim")));
    expect_untouched(outside);
    // Removed and made again, it is a new directory.
    target.remove_tree("a");
    target.make_directory("a", false);
    target.create_file(file_entry("a/again"), false);
    EXPECT_TRUE(path_exists(scratch.at("a/again")));
  });
}

TEST(ApplyMetadata, SetsAFileByDescriptor) {
  const Scratch scratch;
  Target target(scratch.path(), false, {});
  const Fd fd = target.create_file(file_entry("f"), false);
  Entry entry = entry_for("f", EntryType::kFile, 0400);
  const struct stat before = status_of(scratch.at("f"));
  EXPECT_EQ(target.apply_metadata(entry, fd.get()), "");
  const struct stat after = status_of(scratch.at("f"));
  EXPECT_EQ(after.st_mode & 07777, 0400u);
  EXPECT_EQ(after.st_mtim.tv_sec, 1'000'000'000);
  EXPECT_EQ(after.st_mtim.tv_nsec, 1);
  EXPECT_EQ(after.st_atim.tv_sec, before.st_atim.tv_sec);
  EXPECT_EQ(target.apply_metadata(hard_link_to("g", "f"), -1), "");
  EXPECT_EQ(code_of([&] { target.apply_metadata(entry_for("gone", EntryType::kFifo), -1); }),
            Code::kNotFound);
}

TEST(ApplyMetadata, PrefersNamesToNumbersUnlessTold) {
  if (!is_root()) GTEST_SKIP() << "changing owners needs root";
  const Scratch scratch;
  Entry entry = entry_for("f", EntryType::kFile);
  entry.uid = 12345;
  entry.gid = 12346;
  entry.user = "root";
  entry.group = "no-such-group-here";
  const auto owner_with = [&](RestoreRights rights) {
    Target target(scratch.path(), false, rights);
    const Fd fd = target.create_file(file_entry("f"), true);
    EXPECT_EQ(target.apply_metadata(entry, fd.get()), "");
    const struct stat status = status_of(scratch.at("f"));
    return std::pair(status.st_uid, status.st_gid);
  };
  EXPECT_EQ(owner_with({}), std::pair(0u, 12346u));
  EXPECT_EQ(owner_with({.numeric_ids = true}), std::pair(12345u, 12346u));
  EXPECT_EQ(owner_with({.owner = false, .numeric_ids = true}), std::pair(0u, 0u));
}

TEST(ApplyMetadata, ReportsOwnersThatCannotBeSetAndDropsTheirSetIdBits) {
  as_nobody([] {
    const Scratch scratch;
    Target target(scratch.path(), false, {});
    const Fd fd = target.create_file(file_entry("f"), false);
    Entry entry = entry_for("f", EntryType::kFile, 06755);
    entry.uid = 0;
    EXPECT_THAT(target.apply_metadata(entry, fd.get()), HasSubstr("set-id"));
    EXPECT_EQ(target.refused_owners(), 1u);
    EXPECT_EQ(status_of(scratch.at("f")).st_mode & 07777, 0755u);
    EXPECT_EQ(status_of(scratch.at("f")).st_mtim.tv_sec, 1'000'000'000);
    entry.uid = ::geteuid();
    EXPECT_EQ(target.apply_metadata(entry, fd.get()), "");
    EXPECT_EQ(status_of(scratch.at("f")).st_mode & 07777, 06755u);
  });
}

TEST(ApplyMetadata, DropsSetIdBitsWhenOwnersAreNotRestored) {
  const Scratch scratch;
  Target target(scratch.path(), false, {.owner = false});
  const Fd fd = target.create_file(file_entry("f"), false);
  Entry entry = entry_for("f", EntryType::kFile, 06755);
  entry.uid = 12345;
  EXPECT_THAT(target.apply_metadata(entry, fd.get()), HasSubstr("set-id"));
  EXPECT_EQ(status_of(scratch.at("f")).st_mode & 07777, 0755u);
}

TEST(ApplyMetadata, ReportsAttributesThatCannotBeSet) {
  const Scratch scratch;
  Entry entry = entry_for("f", EntryType::kFile, 0604);
  entry.xattrs.push_back({"nonsense.name", {1}});
  Target target(scratch.path(), false, {});
  const Fd fd = target.create_file(file_entry("f"), false);
  EXPECT_THAT(target.apply_metadata(entry, fd.get()), HasSubstr("attribute nonsense.name"));
  EXPECT_EQ(status_of(scratch.at("f")).st_mode & 07777, 0604u);
  Target without(scratch.path(), false, {.xattrs = false});
  EXPECT_EQ(without.apply_metadata(entry, fd.get()), "");
}

TEST(ApplyMetadata, ReplacesTheAttributesOfWhatWasThere) {
  const Scratch scratch;
  scratch.file("f");
  if (!set_xattr(scratch.at("f"), "user.old", "1")) GTEST_SKIP() << "no user attributes here";
  set_xattr(scratch.at("f"), "user.kept", "1");
  set_xattr(scratch.at("f"), "user.changed", "1");
  Target target(scratch.path(), false, {});
  Entry entry = entry_for("f", EntryType::kFile);
  entry.xattrs = {{"user.changed", {'2'}}, {"user.kept", {'1'}}};
  const Fd fd = target.open_existing("f");
  EXPECT_EQ(target.apply_metadata(entry, fd.get()), "");
  EXPECT_EQ(read_xattrs(scratch.stored() + "/f", -1), entry.xattrs);
}

TEST(ApplyMetadata, WorksOnDirectoriesClosedToUs) {
  as_nobody([] {
    const Scratch scratch;
    fs::create_directory(scratch.at("d"));
    Target target(scratch.path(), false, {});
    Entry entry = entry_for("d", EntryType::kDirectory, 0000);
    EXPECT_EQ(target.apply_metadata(entry, -1), "");
    EXPECT_EQ(status_of(scratch.at("d")).st_mode & 07777, 0000u);
    entry.mode = 0711;
    EXPECT_EQ(target.apply_metadata(entry, -1), "");
    EXPECT_EQ(status_of(scratch.at("d")).st_mode & 07777, 0711u);
    EXPECT_EQ(status_of(scratch.at("d")).st_mtim.tv_sec, 1'000'000'000);
  });
}

TEST(Target, AnOrdinaryUserRestoresOverReadOnlyTrees) {
  as_nobody([] {
    const Scratch scratch;
    scratch.file("d/sub/f", "old");
    for (const std::string name : {"d/sub/f", "d/sub", "d"}) {
      ASSERT_EQ(::chmod(scratch.at(name).c_str(), 0500), 0);
    }
    Target target(scratch.path(), false, {});
    target.make_directory("d", true);
    target.make_directory("d/sub", true);
    EXPECT_FALSE(target.open_existing("d/sub/f").valid());
    target.create_file(file_entry("d/sub/f"), true);
    EXPECT_EQ(text_of(scratch.at("d/sub/f")), "");
    for (const std::string name : {"d/sub", "d"}) {
      ASSERT_EQ(::chmod(scratch.at(name).c_str(), 0000), 0);
    }
    target.remove_tree("d");
    EXPECT_FALSE(path_exists(scratch.at("d")));
  });
}

TEST(Target, DevicesNeedRights) {
  const auto device = [] {
    Entry entry = entry_for("null", EntryType::kCharDevice, 0666);
    entry.device = makedev(1, 3);
    return entry;
  }();
  as_nobody([&] {
    const Scratch scratch;
    Target target(scratch.path(), false, {});
    EXPECT_EQ(code_of([&] { target.make_special(device, false); }), Code::kDenied);
  });
}

}  // namespace
}  // namespace holdfast::test
