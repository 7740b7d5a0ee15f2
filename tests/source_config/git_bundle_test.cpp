#include "source/config/git_bundle.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "os/file.h"
#include "source/config/git_restore.h"
#include "workshop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <typename Action>
std::optional<Error> error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

class GitBundleTest : public Workshop {
 protected:
  GitBundle bundle(const std::string& repository) const {
    return git_bundle(*find_repository(repository), at("out.bundle"));
  }

  // What a backup and a restore of the metadata do.
  void copy_metadata(const std::string& from, const std::string& to) const {
    const GitRepository repository = *find_repository(from);
    const std::string target = repository.bare ? to : to + "/.git";
    for (const std::string& path : repository_metadata(repository)) {
      const fs::path copy = target / fs::relative(path, repository.git_directory);
      fs::create_directories(copy.parent_path());
      fs::copy(path, copy, fs::copy_options::recursive);
    }
  }

  std::string references(const std::string& repository) const {
    return git(repository, {"for-each-ref", "--format=%(refname) %(objectname) %(objecttype)"});
  }
  std::string head(const std::string& repository) const {
    return git(repository, {"rev-parse", "HEAD"}) + " " +
           git(repository, {"rev-parse", "--abbrev-ref", "HEAD"});
  }

  // Branches, tags of both kinds, notes, a stash, a remote branch, a hook, a remote.
  std::string make_rich_repository() const {
    const std::string path = make_repository("rich");
    git(path, {"tag", "light"});
    git(path, {"tag", "-a", "heavy", "-m", "a tag"});
    git(path, {"branch", "same-commit-as-main-once"});
    commit(path, "second\n");
    git(path, {"checkout", "--quiet", "-b", "feature/x"});
    commit(path, "third\n");
    git(path, {"notes", "add", "-m", "a note"});
    git(path, {"remote", "add", "origin", "https://example.org/rich.git"});
    git(path, {"update-ref", "refs/remotes/origin/main", "HEAD~1"});
    git(path, {"config", "user.name", "Somebody"});
    write("rich/file", "stashed\n");
    git(path, {"stash", "--quiet"});
    write("rich/.git/hooks/post-checkout", "#!/bin/sh\ntouch \"$0.ran\"\n");
    EXPECT_EQ(::chmod(at("rich/.git/hooks/post-checkout").c_str(), 0755), 0);
    return path;
  }
};

TEST_F(GitBundleTest, EverythingComesBack) {
  const std::string path = make_rich_repository();
  const GitBundle made = bundle(path);
  EXPECT_FALSE(made.empty);
  EXPECT_THAT(made.notes, IsEmpty());
  copy_metadata(path, at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(references(at("back")), references(path));
  EXPECT_EQ(head(at("back")), head(path));
  EXPECT_EQ(read("back/file"), "third\n");
  EXPECT_EQ(read("back/.git/config"), read("rich/.git/config"));
  EXPECT_EQ(git(at("back"), {"remote", "get-url", "origin"}), "https://example.org/rich.git");
  EXPECT_EQ(git(at("back"), {"status", "--porcelain"}), "");
  git(at("back"), {"fsck", "--strict"});
  EXPECT_FALSE(exists("back/.git/config.restored"));
  EXPECT_FALSE(exists("back/.git/HEAD.restored"));
}

TEST_F(GitBundleTest, HooksComeBackAndAreNotRun) {
  const std::string path = make_rich_repository();
  bundle(path);
  copy_metadata(path, at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_TRUE(exists("back/.git/hooks/post-checkout"));
  EXPECT_FALSE(exists("back/.git/hooks/post-checkout.ran"));
}

TEST_F(GitBundleTest, CommandsOfTheConfigurationAreNotRun) {
  const std::string path = make_repository("a");
  write("a/.gitattributes", "file filter=evil\n");
  git(path, {"add", ".gitattributes"});
  git(path, {"commit", "--quiet", "-m", "attributes"});
  git(path, {"config", "filter.evil.smudge", "touch " + at("ran") + "; cat"});
  git(path, {"config", "core.fsmonitor", "touch " + at("ran") + " #"});
  fs::remove(at("ran"));
  bundle(path);
  copy_metadata(path, at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(read("back/file"), "first\n");
  EXPECT_FALSE(exists("ran"));
}

TEST_F(GitBundleTest, AnUnchangedRepositoryGivesTheSameBytes) {
  const std::string path = make_rich_repository();
  bundle(path);
  const std::string first = read("out.bundle");
  bundle(path);
  EXPECT_EQ(read("out.bundle"), first);
  commit(path, "another\n");
  bundle(path);
  EXPECT_NE(read("out.bundle"), first);
}

TEST_F(GitBundleTest, WithoutMetadataHeadIsTheBranchAtItsCommit) {
  const std::string path = make_rich_repository();
  bundle(path);
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(head(at("back")), head(path));
  EXPECT_EQ(references(at("back")), references(path));
}

TEST_F(GitBundleTest, WithoutMetadataMainIsPreferred) {
  const std::string path = make_repository("a");
  git(path, {"branch", "aaa"});
  git(path, {"checkout", "--quiet", "-b", "zzz"});
  bundle(path);
  restore_bundle(at("out.bundle"), at("guessed"));
  EXPECT_EQ(git(at("guessed"), {"symbolic-ref", "HEAD"}), "refs/heads/main");
  copy_metadata(path, at("known"));
  restore_bundle(at("out.bundle"), at("known"));
  EXPECT_EQ(git(at("known"), {"symbolic-ref", "HEAD"}), "refs/heads/zzz");
}

TEST_F(GitBundleTest, DetachedHead) {
  const std::string path = make_repository("a");
  git(path, {"checkout", "--quiet", "--detach"});
  commit(path, "on no branch\n");
  bundle(path);
  copy_metadata(path, at("known"));
  for (const char* target : {"known", "guessed"}) {
    restore_bundle(at("out.bundle"), at(target));
    EXPECT_EQ(head(at(target)), head(path));
    EXPECT_EQ(references(at(target)), references(path));
    EXPECT_EQ(read(std::string(target) + "/file"), "on no branch\n");
  }
}

TEST_F(GitBundleTest, DetachedHeadWithoutAnyReference) {
  const std::string path = make_repository("a");
  git(path, {"checkout", "--quiet", "--detach"});
  git(path, {"branch", "--quiet", "-D", "main"});
  EXPECT_FALSE(bundle(path).empty);
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(head(at("back")), head(path));
}

TEST_F(GitBundleTest, HeadOnABranchThatIsNotBornYet) {
  const std::string path = make_repository("a");
  git(path, {"symbolic-ref", "HEAD", "refs/heads/new"});
  bundle(path);
  copy_metadata(path, at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(git(at("back"), {"symbolic-ref", "HEAD"}), "refs/heads/new");
  EXPECT_EQ(references(at("back")), references(path));
}

TEST_F(GitBundleTest, AnEmptyRepositoryHasNoBundle) {
  fs::create_directories(at("a"));
  git(at("a"), {"init", "--quiet"});
  EXPECT_TRUE(bundle(at("a")).empty);
  EXPECT_FALSE(exists("out.bundle"));
}

TEST_F(GitBundleTest, BareRepository) {
  make_rich_repository();
  git(at(""), {"clone", "--quiet", "--mirror", "rich", "bare.git"});
  bundle(at("bare.git"));
  copy_metadata(at("bare.git"), at("back.git"));
  restore_bundle(at("out.bundle"), at("back.git"));
  EXPECT_EQ(git(at("back.git"), {"rev-parse", "--is-bare-repository"}), "true");
  EXPECT_EQ(references(at("back.git")), references(at("bare.git")));
  EXPECT_EQ(head(at("back.git")), head(at("bare.git")));
  EXPECT_EQ(read("back.git/config"), read("bare.git/config"));
}

TEST_F(GitBundleTest, SubmodulesAreNoted) {
  make_repository("library");
  const std::string path = make_repository("a");
  git(path, {"submodule", "--quiet", "add", at("library"), "lib"});
  git(path, {"commit", "--quiet", "-m", "with a submodule"});
  EXPECT_THAT(bundle(path).notes, ElementsAre(HasSubstr("has submodules")));
  copy_metadata(path, at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_TRUE(exists("back/.gitmodules"));
}

TEST_F(GitBundleTest, AShallowCloneStaysShallow) {
  const std::string origin = make_repository("origin");
  commit(origin, "second\n");
  commit(origin, "third\n");
  git(at(""), {"clone", "--quiet", "--depth=1", "file://" + origin, "shallow"});
  bundle(at("shallow"));
  copy_metadata(at("shallow"), at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(git(at("back"), {"rev-list", "--count", "HEAD"}), "1");
  EXPECT_EQ(read("back/file"), "third\n");
  git(at("back"), {"fsck"});
}

TEST_F(GitBundleTest, Sha256Repository) {
  fs::create_directories(at("a"));
  git(at("a"), {"init", "--quiet", "--object-format=sha256", "--initial-branch=main"});
  commit(at("a"), "x\n");
  bundle(at("a"));
  copy_metadata(at("a"), at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(head(at("back")), head(at("a")));
}

TEST_F(GitBundleTest, ARepositoryOfAnotherUserComesBackAsTheirs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr unsigned kNobody = 65534;
  const std::string path = make_rich_repository();
  ASSERT_EQ(::lchown(path.c_str(), kNobody, kNobody), 0);
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    ASSERT_EQ(::lchown(entry.path().c_str(), kNobody, kNobody), 0);
  }
  bundle(path);
  copy_metadata(path, at("back"));
  ASSERT_EQ(::lchown(at("back").c_str(), kNobody, kNobody), 0);
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(references(at("back")), references(path));
  for (const char* name : {"back/file", "back/.git/config", "back/.git/refs", "back/.git/index"}) {
    struct stat status {};
    ASSERT_EQ(::lstat(at(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, kNobody) << name;
  }
}

TEST_F(GitBundleTest, FilesOfTheWorkTreeAreNotOverwritten) {
  const std::string path = make_repository("a");
  bundle(path);
  write("back/file", "newer than the commit\n");
  copy_metadata(path, at("back"));
  restore_bundle(at("out.bundle"), at("back"));
  EXPECT_EQ(read("back/file"), "newer than the commit\n");
  EXPECT_EQ(git(at("back"), {"status", "--porcelain"}), " M file");
}

TEST_F(GitBundleTest, AnExistingRepositoryIsNotTouched) {
  const std::string path = make_repository("a");
  bundle(path);
  commit(path, "second\n");
  const std::string before = head(path);
  const auto error = error_of([&] { restore_bundle(at("out.bundle"), path); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kConflict);
  EXPECT_EQ(head(path), before);
}

TEST_F(GitBundleTest, ForeignVariablesDoNotLeadAstray) {
  const std::string path = make_repository("a");
  ::setenv("GIT_DIR", "/does/not/exist", 1);
  ::setenv("GIT_INDEX_FILE", "/does/not/exist", 1);
  ::setenv("GIT_OBJECT_DIRECTORY", "/does/not/exist", 1);
  const auto error = error_of([&] {
    bundle(path);
    restore_bundle(at("out.bundle"), at("back"));
  });
  ::unsetenv("GIT_DIR");
  ::unsetenv("GIT_INDEX_FILE");
  ::unsetenv("GIT_OBJECT_DIRECTORY");
  EXPECT_FALSE(error) << error->message();
  EXPECT_EQ(head(at("back")), head(path));
}

TEST_F(GitBundleTest, MissingObjectsAreCorruption) {
  const std::string path = make_repository("a");
  const std::string object = git(path, {"rev-parse", "HEAD:file"});
  fs::remove(path + "/.git/objects/" + object.substr(0, 2) + "/" + object.substr(2));
  const auto error = error_of([&] { bundle(path); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kCorrupt);
  EXPECT_THAT(error->message(), HasSubstr("git repository " + path));
  EXPECT_THAT(error->hint(), HasSubstr("fsck"));
  EXPECT_FALSE(exists("out.bundle"));
}

TEST_F(GitBundleTest, APartialCloneDoesNotReachForTheNetwork) {
  const std::string path = make_repository("a");
  const std::string object = git(path, {"rev-parse", "HEAD:file"});
  fs::remove(path + "/.git/objects/" + object.substr(0, 2) + "/" + object.substr(2));
  git(path, {"config", "core.repositoryFormatVersion", "1"});
  git(path, {"config", "extensions.partialClone", "origin"});
  git(path, {"config", "remote.origin.promisor", "true"});
  git(path, {"config", "remote.origin.url", "ext::sh -c touch% " + at("ran")});
  git(path, {"config", "protocol.ext.allow", "always"});
  EXPECT_TRUE(error_of([&] { bundle(path); }));
  EXPECT_FALSE(exists("ran"));
}

TEST_F(GitBundleTest, ADamagedBundleLeavesTheMetadata) {
  const std::string path = make_rich_repository();
  bundle(path);
  const std::string whole = read("out.bundle");
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{10}, std::size_t{100}, whole.size() - 30, whole.size() - 1}) {
    const std::string target = "back" + std::to_string(size);
    write("damaged", whole.substr(0, size));
    copy_metadata(path, at(target));
    const auto error = error_of([&] { restore_bundle(at("damaged"), at(target)); });
    ASSERT_TRUE(error) << size;
    EXPECT_EQ(error->code(), Code::kCorrupt) << size << error->message();
    EXPECT_EQ(read(target + "/.git/config"), read("rich/.git/config")) << size;
    EXPECT_EQ(read(target + "/.git/HEAD"), read("rich/.git/HEAD")) << size;
    restore_bundle(at("out.bundle"), at(target));
    EXPECT_EQ(references(at(target)), references(path));
    EXPECT_EQ(head(at(target)), head(path));
  }
}

TEST_F(GitBundleTest, AFailureWithoutMetadataLeavesNoRepository) {
  const std::string path = make_rich_repository();
  bundle(path);
  const std::string whole = read("out.bundle");
  write("damaged", whole.substr(0, whole.size() - 30));
  write("back/file", "third\n");
  EXPECT_TRUE(error_of([&] { restore_bundle(at("damaged"), at("back")); }));
  EXPECT_FALSE(exists("back/.git"));
  EXPECT_EQ(read("back/file"), "third\n");
}

TEST_F(GitBundleTest, WithoutGit) {
  const std::string path = make_repository("a");
  const std::string before = std::getenv("PATH");
  fs::create_directories(at("bin"));
  fs::create_symlink("/usr/bin/env", at("bin/env"));
  ::setenv("PATH", at("bin").c_str(), 1);
  const auto error = error_of([&] { bundle(path); });
  ::setenv("PATH", before.c_str(), 1);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kUnsupported);
  EXPECT_THAT(error->hint(), HasSubstr("install git"));
}

TEST_F(GitBundleTest, AMissingBundle) {
  const auto error = error_of([&] { restore_bundle(at("none"), at("back")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kNotFound);
  EXPECT_FALSE(exists("back"));
}

TEST_F(GitBundleTest, NamesThatLookLikeOptions) {
  const std::string path = make_repository("-a b'c\n");
  bundle(path);
  restore_bundle(at("out.bundle"), at("--back\n"));
  EXPECT_EQ(head(at("--back\n")), head(path));
}

TEST_F(GitBundleTest, Stops) {
  std::stop_source stop;
  stop.request_stop();
  const GitRepository repository = *find_repository(make_repository("a"));
  const auto error = error_of([&] { git_bundle(repository, at("out.bundle"), stop.get_token()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kCancelled);
}

}  // namespace
}  // namespace holdfast
