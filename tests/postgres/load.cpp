#include "postgres/load.h"

#include <gtest/gtest.h>

#include <regex>
#include <stdexcept>

namespace holdfast {

PostgresOptions busy() {
  return {{"--data-checksums", "--wal-segsize=1"},
          {"shared_buffers = 1MB", "max_wal_size = 8MB", "min_wal_size = 2MB",
           "bgwriter_delay = 10ms", "checkpoint_timeout = 30s"}};
}

Churn::Churn(const PostgresServer& server)
    : thread_([&server](std::stop_token stop) {
        for (int i = 0; !stop.stop_requested(); ++i) {
          const std::string table = "churn_" + std::to_string(i);
          server.query("CREATE TABLE " + table + " AS SELECT g FROM generate_series(1, 5000) g; " +
                       "DROP TABLE " + table);
        }
      }) {}

void expect_sound(PostgresServer& server) {
  const ProcessResult check = server.run("pg_amcheck", {"--all", "--install-missing"});
  EXPECT_EQ(check.exit_code, 0) << check.output << check.error_output;
  server.stop();
  const ProcessResult sums = server.run("pg_checksums", {"--check", "-D", server.data()});
  EXPECT_EQ(sums.exit_code, 0) << sums.output << sums.error_output;
}

std::string end_of_backup(const PostgresServer& restored) {
  std::smatch found;
  const std::string log = restored.log();
  const std::regex line("consistent recovery state reached at ([0-9A-F/]+)");
  if (!std::regex_search(log, found, line)) throw std::runtime_error("no recovery:\n" + log);
  return found[1];
}

std::string path_of(const PostgresServer& server, const std::string& table) {
  return server.query("SELECT pg_relation_filepath('" + table + "')");
}

}  // namespace holdfast
