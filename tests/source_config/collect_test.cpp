#include "source/config/collect.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "workshop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Collect : public Workshop {
 protected:
  Collect() {
    source_.backup_class = "config";
    source_.config.etc = false;
  }
  SourceSettings source_;
};

TEST_F(Collect, EtcIsIncludedUnlessSwitchedOff) {
  EXPECT_THAT(collect_config(source_).paths, IsEmpty());
  source_.config.etc = true;
  EXPECT_THAT(collect_config(source_).paths, ElementsAre("/etc"));
}

TEST_F(Collect, PlainPathsAreTakenAsTheyAre) {
  write("app/conf/a.ini", "x");
  write("notes", "x");
  source_.paths = {at("notes")};
  source_.config.applications = {at("app/conf/"), at("app/conf")};
  const ConfigSelection selection = collect_config(source_);
  EXPECT_THAT(selection.paths, ElementsAre(at("app/conf"), at("notes")));
  EXPECT_THAT(selection.notes, IsEmpty());
}

TEST_F(Collect, MissingPathsAreNotes) {
  source_.config.applications = {at("a")};
  source_.config.environment = {at("b"), at("c/*.env")};
  source_.config.infrastructure = {at("d")};
  source_.config.compose = {at("e")};
  source_.config.repositories = {at("f")};
  const ConfigSelection selection = collect_config(source_);
  EXPECT_THAT(selection.paths, IsEmpty());
  EXPECT_THAT(selection.notes, ElementsAre(at("a") + " does not exist (under 'applications')",
                                           at("b") + " does not exist (under 'environment')",
                                           at("c/*.env") + " does not exist (under 'environment')",
                                           at("d") + " does not exist (under 'infrastructure')",
                                           at("e") + " does not exist (under 'compose')",
                                           at("f") + " does not exist (under 'repositories')"));
}

TEST_F(Collect, EnvironmentFilesGlobsAndDirectories) {
  for (const char* name :
       {"one/settings", "two/.env", "two/web.env", "two/sub/.env.prod", "two/x.txt",
        "two/node_modules/m/.env", "g1/.env", "g2/.env", "g2/other"}) {
    write(name, "A=1\n");
  }
  source_.config.environment = {at("one/settings"), at("two"), at("g*/.env")};
  EXPECT_THAT(collect_config(source_).paths,
              ElementsAre(at("g1/.env"), at("g2/.env"), at("one/settings"), at("two/.env"),
                          at("two/sub/.env.prod"), at("two/web.env")));
}

TEST_F(Collect, ALinkBringsItsTargetAlong) {
  write("shared/secrets", "A=1\n");
  fs::create_directories(at("app"));
  fs::create_symlink("../shared/secrets", at("app/.env"));
  source_.config.environment = {at("app")};
  EXPECT_THAT(collect_config(source_).paths, ElementsAre(at("app/.env"), at("shared/secrets")));
}

TEST_F(Collect, LinksToDirectoriesAreNotSearched) {
  write("app/.env", "A=1\n");
  fs::create_symlink("..", at("app/loop"));
  source_.config.environment = {at("app")};
  EXPECT_THAT(collect_config(source_).paths, ElementsAre(at("app/.env")));
}

TEST_F(Collect, Infrastructure) {
  for (const char* name : {"i/main.tf", "i/.terraform.lock.hcl", "i/prod/terraform.tfstate",
                           "i/.terraform/providers/p.tf", "i/README.md"}) {
    write(name, "x");
  }
  write("i/cfn/stack.yaml", "Resources:\n  B:\n    Type: AWS::S3::Bucket\n");
  write("i/cfn/stack.json", "{\"AWSTemplateFormatVersion\": \"2010-09-09\"}");
  write("i/cfn/values.yaml", "replicas: 1\n");
  write("i/cfn/huge.yaml", "AWSTemplateFormatVersion: x\n" + std::string(2 << 20, '#'));
  source_.config.infrastructure = {at("i")};
  EXPECT_THAT(collect_config(source_).paths,
              ElementsAre(at("i/.terraform.lock.hcl"), at("i/cfn/stack.json"),
                          at("i/cfn/stack.yaml"), at("i/main.tf"), at("i/prod/terraform.tfstate")));
}

TEST_F(Collect, ComposeFilesWithTheirVariables) {
  for (const char* name : {"c/web/docker-compose.yml", "c/web/.env", "c/db/compose.prod.yaml",
                           "c/other/.env", "c/other/values.yml"}) {
    write(name, "x");
  }
  source_.config.compose = {at("c")};
  EXPECT_THAT(
      collect_config(source_).paths,
      ElementsAre(at("c/db/compose.prod.yaml"), at("c/web/.env"), at("c/web/docker-compose.yml")));
}

TEST_F(Collect, AFileInPlaceOfADirectoryIsTaken) {
  write("stack.yml", "x");
  source_.config.compose = {at("stack.yml")};
  EXPECT_THAT(collect_config(source_).paths, ElementsAre(at("stack.yml")));
}

TEST_F(Collect, FindsRepositories) {
  make_repository("src/a");
  make_repository("src/a/vendor/inner");
  git(at("src"), {"clone", "--quiet", "--bare", "a", "bare.git"});
  fs::create_directories(at("src/deep/er"));
  make_repository("src/deep/er/b");
  source_.config.repositories = {at("src")};
  const ConfigSelection selection = collect_config(source_);
  EXPECT_THAT(
      selection.repositories,
      ElementsAre(GitRepository{at("src/a"), at("src/a/.git"), false},
                  GitRepository{at("src/a/vendor/inner"), at("src/a/vendor/inner/.git"), false},
                  GitRepository{at("src/bare.git"), at("src/bare.git"), true},
                  GitRepository{at("src/deep/er/b"), at("src/deep/er/b/.git"), false}));
  EXPECT_THAT(selection.paths, Contains(at("src/a/.git/config")));
  EXPECT_THAT(selection.paths, Contains(at("src/a/.git/HEAD")));
  EXPECT_THAT(selection.paths, Contains(at("src/bare.git/config")));
  EXPECT_THAT(selection.notes, IsEmpty());
}

TEST_F(Collect, ARepositoryThatIsNamedTwiceIsBundledOnce) {
  make_repository("src/a");
  source_.config.repositories = {at("src/a"), at("src/a/"), at("src")};
  EXPECT_EQ(collect_config(source_).repositories.size(), 1U);
}

TEST_F(Collect, AnEmptyRepositoryIsAPath) {
  fs::create_directories(at("new"));
  git(at("new"), {"init", "--quiet"});
  source_.config.repositories = {at("new")};
  const ConfigSelection selection = collect_config(source_);
  EXPECT_THAT(selection.repositories, IsEmpty());
  EXPECT_THAT(selection.paths, ElementsAre(at("new/.git")));
}

TEST_F(Collect, ADirectoryWithoutRepositoriesIsNoted) {
  fs::create_directories(at("empty"));
  source_.config.repositories = {at("empty")};
  EXPECT_THAT(collect_config(source_).notes, ElementsAre("no git repository in " + at("empty")));
}

TEST_F(Collect, SubmodulesAreNotedAndTakenWhenNamed) {
  make_repository("library");
  make_repository("src/app");
  git(at("src/app"), {"submodule", "--quiet", "add", at("library"), "lib"});
  source_.config.repositories = {at("src")};
  const ConfigSelection found = collect_config(source_);
  EXPECT_EQ(found.repositories.size(), 1U);
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr(at("src/app/lib") + " is a submodule")));
  source_.config.repositories = {at("src/app"), at("src/app/lib")};
  const ConfigSelection named = collect_config(source_);
  ASSERT_EQ(named.repositories.size(), 2U);
  EXPECT_EQ(named.repositories[1].git_directory, at("src/app/.git/modules/lib"));
  EXPECT_EQ(named.repositories[1].path, at("src/app/lib"));
}

TEST_F(Collect, ALinkedWorkTreeLeadsToItsRepository) {
  make_repository("main");
  git(at("main"), {"worktree", "add", "--quiet", at("linked"), "-b", "other"});
  source_.config.repositories = {at("linked")};
  EXPECT_THAT(collect_config(source_).repositories,
              ElementsAre(GitRepository{at("main"), at("main/.git"), false}));
}

// In a child of no rights, since root reads everything.
TEST_F(Collect, UnreadableDirectoriesAreNotes) {
  fs::create_directories(at("closed"));
  ASSERT_EQ(::chmod(at("closed").c_str(), 0), 0);
  fs::permissions(at(""), fs::perms::others_exec, fs::perm_options::add);
  source_.config.compose = {at("closed")};
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr unsigned kNobody = 65534;
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(2);
    const std::vector<std::string> notes = collect_config(source_).notes;
    ::_exit(notes.size() == 1 && notes[0].find("cannot list") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "1: not the one note that was expected; 2: no right to drop rights";
  ASSERT_EQ(::chmod(at("closed").c_str(), 0700), 0);
}

TEST_F(Collect, StopsWhenAsked) {
  write("c/compose.yml", "x");
  source_.config.compose = {at("c")};
  std::stop_source stop;
  stop.request_stop();
  try {
    collect_config(source_, stop.get_token());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCancelled);
  }
}

}  // namespace
}  // namespace holdfast
