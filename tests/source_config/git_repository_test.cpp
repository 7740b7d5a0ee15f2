#include "source/config/git_repository.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "workshop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::Not;

class GitRepositoryTest : public Workshop {};

TEST_F(GitRepositoryTest, FindsWorkTreesAndBareRepositories) {
  make_repository("a");
  git(at(""), {"clone", "--quiet", "--bare", "a", "b.git"});
  fs::create_directories(at("plain"));
  EXPECT_EQ(find_repository(at("a")), (GitRepository{at("a"), at("a/.git"), false}));
  EXPECT_EQ(find_repository(at("a/.git")), (GitRepository{at("a"), at("a/.git"), false}));
  EXPECT_EQ(find_repository(at("b.git")), (GitRepository{at("b.git"), at("b.git"), true}));
  EXPECT_EQ(find_repository(at("plain")), std::nullopt);
  EXPECT_EQ(find_repository(at("missing")), std::nullopt);
}

TEST_F(GitRepositoryTest, ABrokenGitFileIsNoRepository) {
  write("a/.git", "gitdir: /does/not/exist\n");
  write("b/.git", "nonsense");
  EXPECT_EQ(find_repository(at("a")), std::nullopt);
  EXPECT_EQ(find_repository(at("b")), std::nullopt);
  EXPECT_FALSE(is_submodule(at("b")));
}

TEST_F(GitRepositoryTest, EmptyUntilTheFirstCommit) {
  fs::create_directories(at("a"));
  git(at("a"), {"init", "--quiet", "--initial-branch=main"});
  const GitRepository repository = *find_repository(at("a"));
  EXPECT_TRUE(is_empty_repository(repository));
  commit(at("a"), "x");
  EXPECT_FALSE(is_empty_repository(repository));
  git(at("a"), {"pack-refs", "--all"});
  EXPECT_FALSE(is_empty_repository(repository));
  git(at("a"), {"checkout", "--quiet", "--detach"});
  git(at("a"), {"branch", "--quiet", "-D", "main"});
  EXPECT_FALSE(is_empty_repository(repository));
}

TEST_F(GitRepositoryTest, MetadataLeavesOutSamples) {
  const GitRepository repository = *find_repository(make_repository("a"));
  write("a/.git/hooks/post-commit", "#!/bin/sh\n");
  write("a/.git/hooks/pre-push.sample", "#!/bin/sh\n");
  write("a/.git/info/exclude", "x\n");
  const auto metadata = repository_metadata(repository);
  for (const char* name : {"HEAD", "config", "hooks/post-commit", "info/exclude"}) {
    EXPECT_THAT(metadata, Contains(at("a/.git/") + name));
  }
  EXPECT_THAT(metadata, Not(Contains(at("a/.git/hooks/pre-push.sample"))));
  EXPECT_THAT(metadata, Not(Contains(at("a/.git/index"))));
}

}  // namespace
}  // namespace holdfast
