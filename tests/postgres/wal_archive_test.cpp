// archive_command and restore_command of a real server: what was committed comes back, whatever
// died, and a store that fails never looks like the end of the log.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "os/file.h"
#include "support/postgres_server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class WalArchive : public ::testing::Test {
 protected:
  WalArchive() {
    // The server's user may not be allowed to read the place that it was built in.
    fs::copy_file(HOLDFAST_BINARY, place_ / "holdfast");
    std::ofstream(place_ / "holdfast.yaml") << "state_dir: " << place_ / "state"
                                            << "\ncache_dir: " << place_ / "cache"
                                            << "\n";
    give_to_postgres(place_.path());
    run({"init"});
  }

  std::vector<std::string> command(const std::vector<std::string>& words) const {
    std::vector<std::string> argv = {
        place_ / "holdfast", "--config",    place_ / "holdfast.yaml", "--vault", place_ / "vault",
        "--key-file",        place_ / "key"};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
  }
  void run(const std::vector<std::string>& words) const {
    ProcessOptions options;
    options.argv = as_postgres(command(words));
    options.working_directory = place_.path();
    const ProcessResult result = run_process(options);
    ASSERT_EQ(result.exit_code, 0) << result.error_output;
  }
  std::string line(const std::vector<std::string>& words) const {
    std::string text;
    for (const std::string& word : command(words)) text += (text.empty() ? "" : " ") + word;
    return text;
  }
  // Small segments, so that there are many.
  PostgresOptions archiving() const {
    return {{"--wal-segsize=1", "--data-checksums"},
            {"archive_mode = on",
             "archive_command = '" + line({"wal-push", "--source", "shop", "%p"}) + "'",
             "max_wal_size = 64MB", "min_wal_size = 2MB"}};
  }
  // From the base backup in its data directory and the archive alone.
  void prepare_recovery(const PostgresServer& server) const {
    server.configure(
        {"archive_mode = off",
         "restore_command = '" + line({"wal-fetch", "--source", "shop", "%f", "%p"}) + "'"});
    std::ofstream(server.data() + "/recovery.signal");
    give_to_postgres(server.data());
  }
  static void add_rows(const PostgresServer& server, int count) {
    server.query(
        "INSERT INTO t (v) SELECT md5(random()::text) || repeat('x', 200) FROM "
        "generate_series(1, " +
        std::to_string(count) + ")");
  }
  static std::string rows(const PostgresServer& server) {
    return server.query(
        "SELECT count(*) || ' ' || md5(string_agg(id || v, ',' ORDER BY id)) "
        "FROM t");
  }
  // Ends the present segment and waits until it is in the archive.
  static void archive_all(const PostgresServer& server) {
    const std::string last = server.query("SELECT pg_walfile_name(pg_switch_wal())");
    server.wait_for("SELECT last_archived_wal >= '" + last + "' FROM pg_stat_archiver", "t");
  }
  static void base_backup(const PostgresServer& from, const PostgresServer& to) {
    const ProcessResult result =
        from.run("pg_basebackup", {"-D", to.data(), "-X", "none", "-c", "fast", "--no-sync"});
    ASSERT_EQ(result.exit_code, 0) << result.error_output;
  }
  // The numbers of the archived segments of timeline 1.
  std::set<unsigned long> archived() const {
    std::set<unsigned long> numbers;
    for (const auto& file : fs::recursive_directory_iterator(place_ / "vault/log")) {
      const std::string name = file.path().filename().string();
      if (name.size() != 28 || !name.starts_with("00000001")) continue;
      numbers.insert(std::stoul(name.substr(8, 8), nullptr, 16) * 4096 +
                     std::stoul(name.substr(16, 8), nullptr, 16));
    }
    return numbers;
  }
  void expect_no_hole() const {
    const auto numbers = archived();
    ASSERT_FALSE(numbers.empty());
    EXPECT_EQ(*numbers.rbegin() - *numbers.begin() + 1, numbers.size());
  }
  void take_vault_away() const { fs::rename(place_ / "vault", place_ / "away"); }
  void bring_vault_back() const { fs::rename(place_ / "away", place_ / "vault"); }

  TempDir place_;
};

TEST_F(WalArchive, AllThatWasArchivedComesBackAfterTheServerIsGone) {
  PostgresServer restored("restored");
  std::string wanted;
  {
    PostgresServer server(archiving());
    server.start();
    server.query("CREATE TABLE t (id serial PRIMARY KEY, v text)");
    add_rows(server, 2000);
    archive_all(server);
    base_backup(server, restored);
    add_rows(server, 30000);
    server.kill();  // with some of it waiting, and perhaps half pushed
    server.start();
    add_rows(server, 2000);
    archive_all(server);
    wanted = rows(server);
    EXPECT_EQ(server.query("SELECT failed_count FROM pg_stat_archiver"), "0") << server.log();
    server.kill();
  }
  expect_no_hole();
  EXPECT_GT(archived().size(), 10u);
  prepare_recovery(restored);
  restored.start();
  restored.wait_for("SELECT pg_is_in_recovery()", "f");
  EXPECT_EQ(rows(restored), wanted) << restored.log();
  EXPECT_EQ(restored.query("SELECT timeline_id FROM pg_control_checkpoint()"), "2");
  restored.stop();
}

TEST_F(WalArchive, AStoreThatIsAwayLosesNoSegmentAndEndsNoRecovery) {
  PostgresServer restored("restored");
  std::string wanted;
  {
    PostgresServer server(archiving());
    server.start();
    server.query("CREATE TABLE t (id serial PRIMARY KEY, v text)");
    add_rows(server, 100);
    archive_all(server);
    base_backup(server, restored);
    take_vault_away();
    add_rows(server, 30000);
    server.query("SELECT pg_switch_wal()");
    server.wait_for("SELECT failed_count > 0 FROM pg_stat_archiver", "t");
    EXPECT_NE(server.log().find("cannot archive pg_wal/"), std::string::npos) << server.log();
    EXPECT_FALSE(path_exists(place_ / "vault"));  // nobody made a new one
    bring_vault_back();
    add_rows(server, 100);
    archive_all(server);
    wanted = rows(server);
    server.kill();
  }
  expect_no_hole();
  prepare_recovery(restored);
  take_vault_away();
  EXPECT_NE(restored.run_to_its_end(), 0);
  EXPECT_NE(restored.log().find("cannot fetch"), std::string::npos) << restored.log();
  EXPECT_EQ(restored.log().find("selected new timeline"), std::string::npos) << restored.log();
  bring_vault_back();
  restored.start();
  restored.wait_for("SELECT pg_is_in_recovery()", "f");
  EXPECT_EQ(rows(restored), wanted) << restored.log();
  restored.stop();
}

// What the server itself counts as success, with a segment in the middle taken away behind it:
// recovery ends there, and does not read beyond.
TEST_F(WalArchive, TheChecksHereWouldSeeALostSegment) {
  PostgresServer restored("restored");
  std::string wanted;
  {
    PostgresServer server(archiving());
    server.start();
    server.query("CREATE TABLE t (id serial PRIMARY KEY, v text)");
    archive_all(server);
    base_backup(server, restored);
    add_rows(server, 30000);
    archive_all(server);
    wanted = rows(server);
    server.kill();
  }
  const std::size_t all = archived().size();
  const auto numbers = archived();
  const unsigned long middle = *numbers.rbegin() - 3;
  char name[64];
  std::snprintf(name, sizeof name, "00000001%08lX%08lX.hfl", middle / 4096, middle % 4096);
  std::size_t removed = 0;
  for (const auto& stream : fs::directory_iterator(place_ / "vault/log/shop")) {
    if (fs::remove(stream.path() / name)) ++removed;
  }
  ASSERT_EQ(removed, 1u);
  EXPECT_EQ(archived().size(), all - 1);
  prepare_recovery(restored);
  restored.start();
  restored.wait_for("SELECT pg_is_in_recovery()", "f");
  EXPECT_NE(rows(restored), wanted);
  restored.stop();
}

}  // namespace
}  // namespace holdfast
