#include "postgres/versions.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "os/process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr int kDebian = 15;
constexpr int kFirstThatVerifiesTables = 14;
constexpr int kFirstThatSummarizesLog = 17;
constexpr int kFirstWithChecksumsByDefault = 18;

const std::string kServers = HOLDFAST_SERVERS_DIR;

bool postgres_can_run(const std::string& program) {
  ProcessOptions options;
  options.argv = as_postgres({program, "--version"});
  options.working_directory = "/";
  return run_process(options).exit_code == 0;
}

// The server's user may not be allowed to read the place that the tests were built in.
std::string copy_for_postgres(const std::string& server, int major) {
  static const TempDir place;
  const std::string copy = place / std::to_string(major);
  fs::copy(server, copy, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  give_to_postgres(place.path());
  return copy + "/bin";
}

// Empty: not here.
std::string programs_of(int major) {
  if (major == kDebian) return kPostgresPrograms;
  const std::string server =
      kServers + "/node_modules/postgres-" + std::to_string(major) + "/native";
  if (!fs::exists(server)) return {};
  static std::map<int, std::string> known;
  std::string& programs = known[major];
  if (programs.empty()) {
    programs = postgres_can_run(server + "/bin/postgres") ? server + "/bin"
                                                          : copy_for_postgres(server, major);
  }
  return programs;
}

std::string why_not_here() {
  std::ifstream in(kServers + "/not-run");
  std::string reason;
  if (std::getline(in, reason)) return reason;
  return "the servers of other versions are not there: run scripts/test-servers.sh";
}

}  // namespace

void Version::SetUp() {
  programs_ = programs_of(GetParam());
  if (programs_.empty()) GTEST_SKIP() << why_not_here();
}

PostgresOptions Version::options(const std::vector<std::string>& settings) const {
  PostgresOptions options;
  options.programs = programs_;
  options.initdb = {"--wal-segsize=1"};
  if (GetParam() < kFirstWithChecksumsByDefault) options.initdb.emplace_back("--data-checksums");
  options.settings = {"max_wal_size = 64MB", "min_wal_size = 2MB", "wal_compression = on",
                      "max_slot_wal_keep_size = 1GB"};
  if (GetParam() >= kFirstThatSummarizesLog) options.settings.emplace_back("summarize_wal = on");
  options.settings.insert(options.settings.end(), settings.begin(), settings.end());
  return options;
}

void Version::expect_whole(const PostgresServer& server) const {
  EXPECT_EQ(server.query("SHOW data_checksums"), "on");
  server.query("CREATE EXTENSION IF NOT EXISTS amcheck");
  const std::string kept =
      " FROM pg_class c WHERE c.relpersistence <> 't' AND c.relam = (SELECT oid "
      "FROM pg_am WHERE amname = ";
  EXPECT_NE(server.query("SELECT count(bt_index_parent_check(c.oid, true)::text)" + kept +
                         "'btree') AND c.relkind = 'i'"),
            "0");
  if (GetParam() < kFirstThatVerifiesTables) return;
  EXPECT_EQ(
      server.query("SELECT coalesce(string_agg(v.msg, '; '), '')" +
                   std::string(" FROM pg_class c CROSS JOIN LATERAL verify_heapam(c.oid) v "
                               "WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p'")),
      "");
}

std::string version_name(const ::testing::TestParamInfo<int>& version) {
  return std::to_string(version.param);
}

std::string now(const PostgresServer& server) {
  return server.query(
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
      "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
}

void wait_until_streamed(const PostgresServer& server) {
  server.wait_for(
      "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' "
      "AND flush_lsn >= '" +
          server.query("SELECT pg_current_wal_flush_lsn()") + "'",
      "1");
}

}  // namespace holdfast
