#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <regex>
#include <thread>

#include "base/bytes.h"
#include "base/time.h"
#include "cli/support.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string log_of(const Workshop& shop, const std::string& name) {
  return shop.read("state/" + name + "-" + format_compact_date(system_clock().now()) + ".log");
}

// What the runbook's grep -i "error\|failed" finds.
bool grep_finds(const std::string& log) {
  return std::regex_search(log, std::regex("error|failed", std::regex::icase));
}

class Backup : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", "first file\n");
    shop_.write("data/sub/b", "second file\n");
  }
  Workshop shop_;
};

TEST_F(Backup, ReportsWhatItDid) {
  shop_.init();
  const json document = shop_.expect_json(0, {"backup", "files", shop_ / "data"});
  const json backup = document.at("backups").at(0);
  EXPECT_EQ(backup.at("class"), "files");
  EXPECT_EQ(backup.at("source"), "data");
  EXPECT_EQ(backup.at("files"), 2);
  EXPECT_EQ(backup.at("bytes"), 23);
  EXPECT_EQ(backup.at("warnings"), 0);
  for (const char* field :
       {"id", "directories", "others", "added_bytes", "duration_seconds", "unchanged_files"}) {
    EXPECT_TRUE(backup.contains(field)) << field;
  }
  EXPECT_TRUE(document.at("warnings").empty());
  EXPECT_FALSE(document.contains("error"));
}

TEST_F(Backup, SaysHowManySocketsItLeftOut) {
  shop_.init();
  const auto sockets = [&] {
    const json document = shop_.expect_json(0, {"backup", "files", shop_ / "data"});
    return document.at("backups").at(0).at("sockets_skipped");
  };
  EXPECT_EQ(sockets(), 0);
  ASSERT_EQ(::mknod((shop_ / "data/socket").c_str(), S_IFSOCK | 0600, 0), 0);
  ASSERT_EQ(::link((shop_ / "data/socket").c_str(), (shop_ / "data/second").c_str()), 0);
  EXPECT_EQ(sockets(), 2);
  EXPECT_THAT(shop_.expect(0, {"backup", "files", shop_ / "data"}).out,
              HasSubstr("; 2 sockets left out"));
}

TEST_F(Backup, TakesSourcesByNameAndClass) {
  shop_.write_config("sources:\n  - {name: web, class: files, paths: [" + (shop_ / "data") +
                     "]}\n  - {name: host, class: config, etc: false, applications: [" +
                     (shop_ / "data/sub") + "]}\n");
  shop_.init();
  EXPECT_EQ(shop_.expect_json(0, {"backup", "files"}).at("backups").size(), 1u);
  EXPECT_EQ(shop_.expect_json(0, {"backup", "files", "web"}).at("backups")[0].at("source"), "web");
  const json all = shop_.expect_json(0, {"backup", "all"});
  ASSERT_EQ(all.at("backups").size(), 2u);
  EXPECT_EQ(all.at("backups")[0].at("class"), "files");
  EXPECT_EQ(all.at("backups")[1].at("class"), "config");
  EXPECT_THAT(shop_.expect(4, {"backup", "files", "wbe"}).err, HasSubstr("did you mean 'web'?"));
  EXPECT_THAT(shop_.expect(2, {"backup", "files", "host"}).err, HasSubstr("backup config host"));
  EXPECT_THAT(shop_.expect(2, {"backup", "web"}).err, HasSubstr("holdfast backup files web"));
  EXPECT_EQ(shop_.expect(4, {"backup", "files", shop_ / "gone"}).code, 4);
  EXPECT_THAT(shop_.expect(2, {"backup", "database"}).err,
              HasSubstr("no source of class 'database'"));
}

TEST_F(Backup, WithoutSourcesIsAUsageError) {
  shop_.init();
  EXPECT_THAT(shop_.expect(2, {"backup", "files"}).err, HasSubstr("no source of class 'files'"));
}

TEST_F(Backup, OneBackupOfSeveralPathsNeedsAName) {
  shop_.init();
  shop_.write("more/data/c", "third\n");
  const std::vector<std::string> words{"backup", "files", shop_ / "data", shop_ / "more/data"};
  EXPECT_THAT(shop_.expect(2, words).err, HasSubstr("--name"));
  std::vector<std::string> named = words;
  named.insert(named.end(), {"--name", "both"});
  const json document = shop_.expect_json(0, named);
  ASSERT_EQ(document.at("backups").size(), 1u);
  EXPECT_EQ(document.at("backups")[0].at("files"), 3);
}

TEST_F(Backup, ExcludesAndSecondRun) {
  shop_.init();
  shop_.write("data/junk.tmp", "x");
  const json document =
      shop_.expect_json(0, {"backup", "files", shop_ / "data", "--exclude", "*.tmp", "--verify"});
  EXPECT_EQ(document.at("backups")[0].at("files"), 2);
  EXPECT_EQ(shop_.expect(10, {"backup", "files", shop_ / "data", "--exclude", "[a"}).code, 10);
}

TEST_F(Backup, LogsOfASuccessAreNotFoundByTheRunbook) {
  shop_.write("errors-failed/x", "1");
  shop_.init();
  shop_.expect(0, {"backup", "files", shop_ / "errors-failed"});
  const std::string log = log_of(shop_, "backup/logs/backup-files");
  EXPECT_FALSE(grep_finds(log)) << log;
  EXPECT_THAT(log, HasSubstr("INFO backup-2"));
  EXPECT_TRUE(std::regex_search(log, std::regex("INFO Duration: [0-9.]+m?s\n$"))) << log;
}

TEST_F(Backup, WarningsHaveTheirExitCodeAndAreLogged) {
  shop_.write_config("sources:\n  - {name: web, class: files, paths: [" + (shop_ / "data") + ", " +
                     (shop_ / "missing") + "]}\n");
  shop_.init();
  const json document = shop_.expect_json(3, {"backup", "files", "web"});
  EXPECT_EQ(document.at("backups")[0].at("warnings"), 1);
  EXPECT_THAT(document.at("warnings")[0].get<std::string>(), HasSubstr("missing"));
  const std::string log = log_of(shop_, "backup/logs/backup-files");
  EXPECT_THAT(log, HasSubstr(" WARNING "));
  EXPECT_FALSE(grep_finds(log)) << log;
}

TEST_F(Backup, AFailureIsLoggedAndTheOtherSourcesGoOn) {
  shop_.write_config("sources:\n  - {name: bad, class: files, paths: [" + (shop_ / "missing") +
                     "]}\n  - {name: good, class: files, paths: [" + (shop_ / "data") + "]}\n");
  shop_.init();
  const json document = shop_.expect_json(4, {"backup", "all"});
  ASSERT_EQ(document.at("backups").size(), 1u);
  EXPECT_EQ(document.at("backups")[0].at("source"), "good");
  EXPECT_EQ(document.at("error").at("source"), "bad");
  EXPECT_EQ(document.at("errors").size(), 1u);
  const std::string log = log_of(shop_, "backup/logs/backup-files");
  EXPECT_THAT(log, HasSubstr("ERROR backup of bad failed: "));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n') > 4, true);
  EXPECT_THAT(log, HasSubstr("Duration: "));
}

TEST_F(Backup, ALogThatCannotBeWrittenIsAWarningOnly) {
  shop_.init();
  shop_.write("in-the-way", "x");
  const Outcome result =
      shop_.expect(0, {"backup", "files", shop_ / "data", "--log-dir", shop_ / "in-the-way"});
  EXPECT_THAT(result.err, HasSubstr("warning: there will be no log"));
}

TEST_F(Backup, HooksGetTheirEnvironment) {
  const std::string say =
      "echo $HOLDFAST_EVENT:$HOLDFAST_SOURCE:$HOLDFAST_CLASS:$HOLDFAST_BACKUP:$HOLDFAST_STATUS "
      ">> " +
      (shop_ / "said");
  shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" + (shop_ / "data") +
                     "]\n    hooks:\n      before: ['" + say + "']\n      after: ['" + say +
                     "']\n      on_failure: ['" + say + "']\n");
  shop_.init();
  const json document = shop_.expect_json(0, {"backup", "files"});
  const std::string id = document.at("backups")[0].at("id").get<std::string>();
  EXPECT_EQ(shop_.read("said"), "before:web:files::\nafter:web:files:" + id + ":success\n");
}

TEST_F(Backup, AFailingHookBeforeStopsTheBackup) {
  shop_.write_config(
      "sources:\n  - name: web\n    class: files\n    paths: [" + (shop_ / "data") +
      "]\n    hooks:\n      before: ['echo no luck >&2; exit 7']\n      on_failure: ['"
      "echo $HOLDFAST_STATUS > " +
      (shop_ / "said") + "']\n");
  shop_.init();
  const Outcome result = shop_.expect(10, {"backup", "files"});
  EXPECT_THAT(result.err, HasSubstr("ended with exit code 7: no luck"));
  EXPECT_EQ(shop_.read("said"), "failed\n");
  EXPECT_TRUE(shop_.expect_json(0, {"list"}).at("backups").empty());
  EXPECT_TRUE(grep_finds(log_of(shop_, "backup/logs/backup-files")));
}

TEST_F(Backup, HooksAreEndedAfterTheirTime) {
  shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" + (shop_ / "data") +
                     "]\n    hooks:\n      after:\n        - command: sleep 60\n          timeout: "
                     "100ms\n");
  shop_.init();
  const json document = shop_.expect_json(3, {"backup", "files"});
  EXPECT_EQ(document.at("backups").size(), 1u);
  EXPECT_THAT(document.at("warnings")[0].get<std::string>(),
              HasSubstr("was ended after its 100ms"));
}

TEST_F(Backup, LeavesItsOwnDirectoriesOut) {
  shop_.init();
  const Outcome result =
      shop_.expect(0, {"backup", "files", shop_.path(), "--name", "all", "--json"});
  EXPECT_THAT(result.err, HasSubstr("left out " + (shop_ / "vault")));
  EXPECT_THAT(result.err, HasSubstr("left out " + (shop_ / "state")));
  const Outcome shown = shop_.expect(0, {"show", "latest:all", "--recursive", "--quiet"});
  EXPECT_THAT(shown.out, HasSubstr("/data/a\n"));
  EXPECT_THAT(shown.out, Not(HasSubstr("/vault/")));
  EXPECT_THAT(shop_.expect(2, {"backup", "files", shop_ / "vault/keys"}).err,
              HasSubstr("lies in the vault itself"));
}

TEST_F(Backup, ADryRunStoresNothing) {
  shop_.init();
  const std::string before = shop_.listing("vault");
  const json document = shop_.expect_json(0, {"backup", "files", shop_ / "data", "--dry-run"});
  EXPECT_EQ(document.at("backups")[0].at("files"), 2);
  EXPECT_TRUE(document.at("backups")[0].at("id").is_null());
  EXPECT_EQ(shop_.listing("vault"), before);
  EXPECT_EQ(shop_.listing("state"), "(nothing)");
  // What it saw is not taken for stored.
  shop_.backup();
  EXPECT_EQ(shop_.expect(0, {"cat", "latest", shop_ / "data/a"}).out, "first file\n");
}

TEST_F(Backup, TwoRunsAtOnceBothSucceed) {
  shop_.init();
  Outcome results[2];
  {
    std::vector<std::jthread> threads;
    for (Outcome& result : results) {
      threads.emplace_back([this, &result] {
        result = shop_.holdfast({"backup", "files", shop_ / "data", "--json"});
      });
    }
  }
  EXPECT_EQ(results[0].code, 0) << results[0].err;
  EXPECT_EQ(results[1].code, 0) << results[1].err;
  EXPECT_NE(results[0].document().at("backups")[0].at("id"),
            results[1].document().at("backups")[0].at("id"));
  shop_.expect(0, {"validate", "--read-data"});
}

TEST_F(Backup, ProgressAsJsonIsOneObjectALine) {
  shop_.init();
  const Outcome result =
      shop_.expect(0, {"backup", "files", shop_ / "data", "--progress", "json", "--json"});
  EXPECT_EQ(result.document().at("backups").size(), 1u);
  ASSERT_THAT(result.err, Not(testing::IsEmpty()));
  std::size_t at = 0;
  while (at < result.err.size()) {
    const std::size_t end = result.err.find('\n', at);
    const json line = json::parse(result.err.substr(at, end - at));
    EXPECT_EQ(line.at("progress"), "data");
    EXPECT_TRUE(line.contains("bytes"));
    at = end + 1;
  }
}

// 192 MiB that neither compress nor repeat; the first pack is full long before the end.
void write_noise(const std::string& file) {
  const Fd fd = open_file(file, O_WRONLY | O_CREAT, 0600);
  std::uint64_t state = 88172645463325252u;
  std::vector<std::uint64_t> block(1u << 17);
  for (int i = 0; i < 192; ++i) {
    for (std::uint64_t& word : block) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      word = state;
    }
    write_full(fd.get(), {reinterpret_cast<const std::uint8_t*>(block.data()), 1u << 20}, file);
  }
}

TEST_F(Backup, InterruptedInTheMiddleItGoesOnLater) {
  write_noise(shop_ / "data/noise");
  // The hook leaves somebody behind who presses Ctrl-C once the first pack is stored.
  shop_.write("press", "while ! ls " + (shop_ / "vault/data") +
                           "/*/* >/dev/null 2>&1; do :; done\n"
                           "kill -INT $1\n");
  shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" + (shop_ / "data") +
                     "]\n    hooks:\n      before: ['test -e " + (shop_ / "vault/data") +
                     " || sh " + (shop_ / "press") + " $PPID </dev/null >/dev/null 2>&1 &']\n");
  shop_.init();
  const Outcome first = shop_.holdfast({"backup", "files", "web", "--json"});
  ASSERT_EQ(first.code, 130) << first.err;
  EXPECT_EQ(first.document().at("error").at("code"), "interrupted");
  EXPECT_THAT(first.err, HasSubstr("run the same command again"));
  EXPECT_TRUE(shop_.expect_json(0, {"list"}).at("backups").empty());
  EXPECT_TRUE(grep_finds(log_of(shop_, "backup/logs/backup-files")));

  const json second = shop_.expect_json(0, {"backup", "files", "web"});
  EXPECT_LT(second.at("backups")[0].at("added_bytes").get<std::uint64_t>(), 150u << 20);
  shop_.expect(0, {"validate", "--read-data"});
}

}  // namespace
}  // namespace holdfast
