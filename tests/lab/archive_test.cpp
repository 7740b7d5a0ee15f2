// The runbook's commands on archives (tests/lab/runbook), against those that Holdfast made of a
// real PostgreSQL in a real bucket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "base/human.h"
#include "cli/support.h"
#include "lab/runbook_shell.h"
#include "os/file.h"
#include "support/postgres_server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ArchiveRunbook : public testing::Test {
 protected:
  ArchiveRunbook() {
    server_.start();
    server_.query("CREATE DATABASE shop");
    query("shop",
          "CREATE TABLE orders AS SELECT g AS id, md5(g::text) || E'\\t\\\\ä\\n' AS what "
          "FROM generate_series(1, 1000) g; ALTER TABLE orders ADD PRIMARY KEY (id); "
          "CREATE TABLE users (id int)");
    make_directories(tmp_);
    configure("");
  }

  void configure(const std::string& more) const {
    shop_.write_config("vault: s3://" + bucket_ +
                       "\nsources:\n  - name: shop\n    class: database\n    postgresql: "
                       "{connection: 'host=" +
                       server_.socket_directory() +
                       " user=postgres', method: logical, databases: [shop]}\n"
                       "    format: archive\n" +
                       more);
  }
  Outcome holdfast(int code, std::vector<std::string> words) const {
    auto environment = shell_.variables();
    environment["HOLDFAST_KEY_FILE"] = shop_ / "key";
    Outcome outcome = shop_.run(std::move(words), environment);
    EXPECT_EQ(outcome.code, code) << outcome.out << outcome.err;
    return outcome;
  }
  // Of a new archive: "2025-11-10/backup-20251110-120000-shop.sql.gz".
  std::string back_up() const {
    const json made = holdfast(0, {"backup", "database", "--json"}).document();
    const std::string key = made.at("archives").at(0).at("key");
    const std::string database = "database/";
    EXPECT_TRUE(key.starts_with(database)) << key;
    return key.substr(database.size());
  }
  static std::string file_of(const std::string& archive) {
    return archive.substr(archive.find('/') + 1);
  }
  static std::string day_of(const std::string& archive) {
    return archive.substr(0, archive.find('/'));
  }

  ProcessResult run(const std::string& script,
                    const std::vector<std::pair<std::string, std::string>>& names = {}) const {
    return shell_.run(
        script, {{"DB_HOST", server_.socket_directory()}, {"DB_USER", "postgres"}, {"HOME", tmp_}},
        names);
  }
  // What it prints, when it has nothing to complain about.
  std::string output(const std::string& script,
                     const std::vector<std::pair<std::string, std::string>>& names = {}) const {
    const ProcessResult result = run(script, names);
    EXPECT_EQ(result.exit_code, 0) << script;
    EXPECT_EQ(result.error_output, "") << script;
    return result.output;
  }
  // As the runbook's downloads and tests of a suspect archive; what it says.
  ProcessResult test_suspect(const std::string& archive) const {
    return run("suspect-backup.sh", {{"database/suspect-backup.sql.gz", "database/" + archive},
                                     {"/tmp/suspect-backup.sql.gz", tmp_ + "/" + file_of(archive)},
                                     {" /tmp/\n", " " + tmp_ + "/\n"}});
  }

  std::string query(const std::string& database, const std::string& sql) const {
    const ProcessResult result =
        server_.run("psql", {"-XAtqc", sql, "-v", "ON_ERROR_STOP=1", "-d", database});
    EXPECT_EQ(result.exit_code, 0) << result.error_output;
    return result.output;
  }
  // All that the orders are, as one line.
  std::string orders(const std::string& database) const {
    return query(database,
                 "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM orders t");
  }

  const std::string bucket_ = new_bucket();
  const RunbookShell shell_{bucket_};
  const Workshop shop_;
  const std::string tmp_ = shop_ / "tmp";
  PostgresServer server_;
};

TEST_F(ArchiveRunbook, ListsNameTheArchivesAndTheirSizes) {
  const std::string first = back_up();
  shop_.wait_for_a_new_second();
  const std::string second = back_up();
  // No vault and no key are needed: these are all there is.
  EXPECT_FALSE(path_exists(shop_ / "key"));
  const std::string listed = output("restore-list.sh");
  EXPECT_THAT(listed, AllOf(HasSubstr(" database/" + first + "\n"),
                            testing::EndsWith(" database/" + second + "\n")));
  EXPECT_EQ(std::count(listed.begin(), listed.end(), '\n'), 2);
  EXPECT_THAT(output("list-recent.sh"), HasSubstr("database/" + first));
  if (day_of(first) == day_of(second)) {
    EXPECT_THAT(output("list-today.sh"), AllOf(HasSubstr(file_of(first)), HasSubstr("iB ")));
  }
  // The newest first, by its time.
  const std::string newest = output("list-backups.sh");
  EXPECT_LT(newest.find(" database/" + second), newest.find(" database/" + first)) << newest;
  const json archive = holdfast(0, {"list", "--json"}).document().at("archives").at(1);
  EXPECT_EQ(archive.at("key"), "database/" + second);
  const auto size = archive.at("size").get<std::uint64_t>();
  EXPECT_THAT(newest, HasSubstr(std::to_string(size)));
  const std::string kib =
      output("backup-size.sh", {{"database/backup.sql.gz", "database/" + second}});
  EXPECT_TRUE(std::regex_match(kib, std::regex("[0-9.]+KiB\n"))) << kib;
  EXPECT_NEAR(std::stod(kib) * 1024, static_cast<double>(size), 1024);
  EXPECT_THAT(output("bucket-size.sh"), HasSubstr("KiB\n"));
}

// Where the runbook leaves out --recursive it sees the days that its other lines look into: of
// these `ls` has no fourth column.
TEST_F(ArchiveRunbook, ListsThatAreNotRecursiveNameTheDays) {
  const std::string archive = back_up();
  EXPECT_THAT(output("verify-latest.sh"), HasSubstr("PRE " + day_of(archive) + "/"));
  EXPECT_EQ(output("latest-backup.sh"), "Testing restore of: \n");
  // With it the name is a key, which every command takes.
  const std::string named =
      output("latest-backup.sh", {{"/database/ |", "/database/ --recursive |"}});
  EXPECT_EQ(named, "Testing restore of: database/" + archive + "\n");
  holdfast(0, {"validate", "database/" + archive});
  holdfast(0, {"restore", "database/" + archive, "--into", "source", "--as-name", "test-db"});
  EXPECT_EQ(orders("test-db"), orders("shop"));
}

TEST_F(ArchiveRunbook, ASoundArchiveIsDownloadedTestedAndStreamedBack) {
  const std::string archive = back_up();
  const ProcessResult sound = test_suspect(archive);
  EXPECT_EQ(sound.exit_code, 0) << sound.error_output;
  EXPECT_EQ(sound.error_output, "");
  EXPECT_THAT(sound.output, AllOf(HasSubstr("download: "), Not(HasSubstr("corrupted"))));
  EXPECT_TRUE(path_exists(tmp_ + "/" + file_of(archive)));
  EXPECT_THAT(output("test-download.sh", {{"database/test-backup.sql.gz", "database/" + archive},
                                          {" /tmp/ ", " " + tmp_ + "/ "}}),
              HasSubstr("(dryrun) download: "));
  const std::string before = orders("shop");
  const std::vector<std::pair<std::string, std::string>> into_new = {
      {"database/backup.sql.gz", "database/" + archive}};
  server_.query("CREATE DATABASE appdb");
  output("stream-restore.sh", into_new);
  EXPECT_EQ(orders("appdb"), before);
  EXPECT_EQ(query("appdb", "SELECT count(*) FROM users"), "0\n");
  // And over a database that was changed since.
  query("appdb", "DELETE FROM orders WHERE id > 10; UPDATE orders SET what = 'changed'");
  output("stream-restore.sh", into_new);
  EXPECT_EQ(orders("appdb"), before);
}

TEST_F(ArchiveRunbook, OneThatWasCutOffIsFoundCorruptedBySomebodyElsesToolsAndByOurs) {
  const std::string archive = back_up();
  const std::string url = "s3://" + bucket_ + "/database/" + archive;
  const std::string file = tmp_ + "/cut.sql.gz";
  ASSERT_EQ(run_aws(Region::kEast, {"s3", "cp", url, file}).exit_code, 0);
  fs::resize_file(file, fs::file_size(file) / 2);
  ASSERT_EQ(run_aws(Region::kEast, {"s3", "cp", file, url}).exit_code, 0);
  const ProcessResult cut = test_suspect(archive);
  EXPECT_THAT(cut.output, HasSubstr("Backup corrupted!\n"));
  EXPECT_THAT(cut.error_output, HasSubstr("unexpected end of file"));
  holdfast(5, {"validate", "database/" + archive});
}

TEST_F(ArchiveRunbook, ALargeOneThatWasUploadedInPartsIsOneObjectToAll) {
  query("shop",
        "CREATE TABLE large AS SELECT g AS id, sha512(g::text::bytea) AS what "
        "FROM generate_series(1, 250000) g");
  const std::string archive = back_up();
  const ProcessResult head =
      run_aws(Region::kEast, {"s3api", "head-object", "--bucket", bucket_, "--key",
                              "database/" + archive, "--query", "ETag", "--output", "text"});
  EXPECT_TRUE(std::regex_search(head.output, std::regex("-[2-9]\"?\n"))) << head.output;
  EXPECT_EQ(test_suspect(archive).error_output, "");
  server_.query("CREATE DATABASE appdb");
  output("stream-restore.sh", {{"database/backup.sql.gz", "database/" + archive}});
  const std::string rows =
      "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM large t";
  EXPECT_EQ(query("appdb", rows), query("shop", rows));
}

// As docs/DATABASES.md prints it.
TEST_F(ArchiveRunbook, ASealedOneOpensWithAge) {
  const auto shell = [&](const std::string& line) {
    ProcessOptions options;
    options.argv = {"bash", "-o", "pipefail", "-c", line};
    options.working_directory = tmp_;
    options.environment = {{"PGHOST", server_.socket_directory()}, {"PGUSER", "postgres"}};
    for (const auto& one : lab_environment(Region::kEast)) options.environment.push_back(one);
    const ProcessResult result = run_process(options);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
    return result.output;
  };
  shell("age-keygen -o KEY 2>/dev/null");
  std::string recipient = shell("age-keygen -y KEY");
  recipient.pop_back();
  configure("    archive: {compress: zstd, recipients: [" + recipient + "]}\n");
  const std::string archive = back_up();
  EXPECT_TRUE(archive.ends_with(".sql.zst.age")) << archive;
  server_.query("CREATE DATABASE other");
  shell("aws --endpoint-url $AWS_ENDPOINT_URL s3 cp s3://" + bucket_ + "/database/" + archive +
        " - | age -d -i KEY | zstd -d | psql -qX -v ON_ERROR_STOP=1 -o /dev/null other");
  EXPECT_EQ(orders("other"), orders("shop"));
}

TEST_F(ArchiveRunbook, WhatTheRunbookDeletesIsGoneAndNothingElse) {
  holdfast(0, {"init", "--key-file", shop_ / "key"});
  const std::string first = back_up();
  shop_.wait_for_a_new_second();
  const std::string second = back_up();
  const auto left = [&] { return holdfast(0, {"list", "--json"}).document().at("archives"); };
  output("delete-backup.sh", {{"database/old-backup.sql.gz", "database/" + first}});
  ASSERT_EQ(left().size(), 1u);
  EXPECT_EQ(left().at(0).at("key"), "database/" + second);
  output("delete-day.sh", {{"2025-01-01", day_of(second)}});
  EXPECT_EQ(left().size(), 0u);
  holdfast(0, {"validate"});
}

TEST_F(ArchiveRunbook, FreshOnesAreWithinTheirRpo) {
  back_up();
  const std::string answer = shell_.run("check-rpo.sh", {{"AHEAD", "now"}}).output;
  EXPECT_TRUE(std::regex_search(answer, std::regex("Database RPO: [0-3] minutes"))) << answer;
  EXPECT_THAT(answer, Not(HasSubstr("WARNING: Database")));
  EXPECT_THAT(shell_.run("check-rpo.sh", {{"AHEAD", "62 minutes"}}).output,
              HasSubstr("WARNING: Database RPO exceeded!"));
}

}  // namespace
}  // namespace holdfast
