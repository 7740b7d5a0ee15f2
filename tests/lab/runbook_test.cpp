// The S3 commands of an operations runbook, word for word (tests/lab/runbook), against a vault that
// Holdfast wrote: fresh backups are well, missing and old ones raise the alarm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "base/time.h"
#include "cli/support.h"
#include "lab/runbook_shell.h"
#include "protect/world.h"
#include "store/s3/s3_store.h"
#include "support/lab.h"

namespace holdfast::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A zone in which it is about noon, so that no day ends under the test.
std::string noon_zone() {
  const int hour = std::stoi(format_rfc3339(system_clock().now()).substr(11, 2));
  return "NOON" + std::to_string(hour - 12);
}

class Runbook : public testing::Test {
 protected:
  Runbook() : bucket_(new_bucket()) {
    shop_.write("data/file", "content");
    shop_.write("conf/app.conf", "port 1\n");
    holdfast({"init", "--key-file", shop_ / "key"});
  }

  // The program finds the vault by the variables that the scripts use.
  void holdfast(std::vector<std::string> words) const {
    auto environment = shell_.variables();
    environment["HOLDFAST_KEY_FILE"] = shop_ / "key";
    const Outcome result = shop_.run(std::move(words), environment);
    ASSERT_EQ(result.code, 0) << result.out << result.err;
  }
  void back_up_files() const { holdfast({"backup", "files", shop_ / "data"}); }
  void back_up_config() const { holdfast({"backup", "config", shop_ / "conf"}); }
  // The program has no source of this class yet, the vault knows it.
  BackupName back_up_database(const std::string& source = "appdb") {
    const auto vault = Vault::open(store_, system_clock(), parse_key_file(shop_.read("key")), "");
    BackupJob job = job_of(shop_ / "data", source);
    job.backup_class = "database";
    return back_up(*vault, job).summary.name;
  }
  std::string run(const std::string& script, const std::string& ahead = "now",
                  const std::string& zone = "UTC") const {
    const ProcessResult result = shell_.run(script, {{"AHEAD", ahead}, {"TZ", zone}});
    // The scripts' exit codes say nothing; what went wrong stands here.
    EXPECT_EQ(result.error_output, "");
    return result.output;
  }
  std::size_t size_of(const BackupName& name) { return store_.stat(name.key()).value().size; }

  const std::string bucket_;
  const RunbookShell shell_{bucket_};
  const Workshop shop_;
  S3Store store_{"s3://" + bucket_, lab_options(Region::kEast), system_clock()};
};

const std::string kDatabaseAlarm = "WARNING: Database RPO exceeded!";
const std::string kFilesAlarm = "WARNING: Files RPO exceeded!";
const std::string kConfigAlarm = "WARNING: Config RPO exceeded!";

TEST_F(Runbook, FreshBackupsAreWithinTheirRpo) {
  back_up_files();
  back_up_config();
  back_up_database();
  for (const char* zone : {"UTC", "America/New_York", "Asia/Kolkata"}) {
    const std::string answer = run("check-rpo.sh", "now", zone);
    EXPECT_TRUE(std::regex_search(answer, std::regex("Database RPO: [0-3] minutes"))) << answer;
    EXPECT_THAT(answer, AllOf(HasSubstr("Files RPO: 0 hours"), HasSubstr("Config RPO: 0 hours"),
                              Not(HasSubstr("WARNING"))))
        << zone;
  }
}

TEST_F(Runbook, OldBackupsRaiseTheAlarmOfTheirClass) {
  back_up_files();
  back_up_config();
  back_up_database();
  EXPECT_THAT(
      run("check-rpo.sh", "62 minutes"),
      AllOf(HasSubstr(kDatabaseAlarm), Not(HasSubstr(kFilesAlarm)), Not(HasSubstr(kConfigAlarm))));
  EXPECT_THAT(
      run("check-rpo.sh", "301 minutes"),
      AllOf(HasSubstr(kDatabaseAlarm), HasSubstr(kFilesAlarm), Not(HasSubstr(kConfigAlarm))));
  EXPECT_THAT(run("check-rpo.sh", "1501 minutes"),
              AllOf(HasSubstr(kDatabaseAlarm), HasSubstr(kFilesAlarm), HasSubstr(kConfigAlarm)));
}

TEST_F(Runbook, WithoutBackupsTheAlarmsAreRaised) {
  EXPECT_THAT(run("check-rpo.sh"),
              AllOf(HasSubstr(kDatabaseAlarm), HasSubstr(kFilesAlarm), HasSubstr(kConfigAlarm)));
  const std::string schedule = run("check-backup-schedule.sh");
  EXPECT_THAT(schedule, AllOf(HasSubstr("Database backups today: 0 (expected: 24)"),
                              HasSubstr("File backups today: 0 (expected: 6)")));
  // One class says nothing of the others.
  back_up_files();
  EXPECT_THAT(run("check-rpo.sh"), AllOf(HasSubstr(kDatabaseAlarm), Not(HasSubstr(kFilesAlarm)),
                                         HasSubstr(kConfigAlarm)));
}

TEST_F(Runbook, TheScheduleCountsEachBackupOnce) {
  const std::string noon = noon_zone();
  for (int i = 0; i < 5; ++i) back_up_files();
  for (int i = 0; i < 23; ++i) back_up_database("db-" + std::to_string(i));
  EXPECT_THAT(run("check-backup-schedule.sh", "now", noon),
              AllOf(HasSubstr("Database backups today: 23 (expected: 24)"),
                    HasSubstr("File backups today: 5 (expected: 6)"),
                    HasSubstr("ALERT: Missing database backups"),
                    HasSubstr("ALERT: Missing file backups")));
  back_up_files();
  back_up_database("db-23");
  EXPECT_THAT(run("check-backup-schedule.sh", "now", noon),
              AllOf(HasSubstr("Database backups today: 24 (expected: 24)"),
                    HasSubstr("File backups today: 6 (expected: 6)"), Not(HasSubstr("ALERT"))));
  // Two days on, as the keys have the date in UTC.
  EXPECT_THAT(run("check-backup-schedule.sh", "2 days", noon),
              AllOf(HasSubstr("Database backups today: 0"), HasSubstr("File backups today: 0")));
}

TEST_F(Runbook, ListsShowTheNewestFirstAndWithItsSize) {
  std::vector<BackupName> names;
  for (int i = 0; i < 7; ++i) {
    shop_.wait_for_a_new_second();  // S3 lists whole seconds
    names.push_back(back_up_database("db-" + std::to_string(i)));
  }
  back_up_files();
  const std::string text = run("list-backups.sh");
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "=== Database Backups ===");
  for (std::size_t i = 6; i >= 2; --i) {
    std::getline(lines, line);
    EXPECT_THAT(line, HasSubstr(" " + names[i].key())) << text;
  }
  std::getline(lines, line);
  EXPECT_EQ(line, "=== File Backups ===") << text;
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr(" files/")) << text;
  // The table of sizes has the same five.
  const std::string table(std::istreambuf_iterator<char>(lines), {});
  for (std::size_t i = 2; i < 7; ++i) {
    const std::regex row(names[i].key() + " .*[^0-9]" + std::to_string(size_of(names[i])) + " ");
    EXPECT_TRUE(std::regex_search(table, row)) << table;
  }
  EXPECT_THAT(table, AllOf(Not(HasSubstr(names[0].key())), Not(HasSubstr(names[1].key()))));
}

TEST_F(Runbook, ListsOfADayAndOfAWeekHaveTheBackup) {
  const BackupName name = back_up_database();
  // Midnight may have passed since.
  const bool same_day = format_date(name.time) == format_date(system_clock().now());
  EXPECT_THAT(run("list-today.sh", same_day ? "now" : "-1 hour"), HasSubstr(name.id() + ".hfb"));
  EXPECT_EQ(run("list-today.sh", "3 days"), "");
  EXPECT_THAT(run("list-recent.sh"), HasSubstr(name.key()));
}

}  // namespace
}  // namespace holdfast::test
