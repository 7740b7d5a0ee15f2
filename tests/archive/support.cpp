#include "archive/support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace holdfast {
namespace {

namespace fs = std::filesystem;

PostgresServer& started(PostgresServer& server) {
  server.start();
  return server;
}

}  // namespace

ArchiveShop::ArchiveShop() : shop_(started(server_)) {
  server_.query("CREATE ROLE app LOGIN");
  server_.query("CREATE DATABASE shop OWNER app");
  query("shop",
        "CREATE TABLE orders AS SELECT g AS id, md5(g::text) || E'\\t\\\\ä\\n' AS what "
        "FROM generate_series(1, 1000) g; ALTER TABLE orders ADD PRIMARY KEY (id); "
        "ALTER TABLE orders OWNER TO app");
}

void ArchiveShop::configure(const std::string& postgresql, const std::string& source) const {
  shop_.configure(Shop::connection(server_) + "      method: logical\n" + postgresql, source);
}

void ArchiveShop::configure_one(const std::string& more) const {
  configure("      databases: [shop]\n", "    format: archive\n" + more);
}

std::vector<json> ArchiveShop::back_up(int code) const {
  return shop_.expect_json(code, {"backup", "database", "shop"})
      .at("archives")
      .get<std::vector<json>>();
}

std::string ArchiveShop::path_of(const json& archive) const {
  return shop_ / ("vault/" + archive.at("key").get<std::string>());
}

std::vector<std::string> ArchiveShop::objects() const {
  std::vector<std::string> names;
  const fs::path root = shop_ / "vault/database";
  if (!fs::exists(root)) return names;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ArchiveShop::query(const std::string& database, const std::string& sql) const {
  const ProcessResult result =
      server_.run("psql", {"-XAtqc", sql, "-v", "ON_ERROR_STOP=1", "-d", database});
  if (result.exit_code != 0) throw std::runtime_error(sql + ": " + result.error_output);
  std::string answer = result.output;
  while (answer.ends_with('\n')) answer.pop_back();
  return answer;
}

std::string ArchiveShop::shell(const std::string& line) const {
  ProcessOptions options;
  options.argv = {"bash", "-o", "pipefail", "-c", line};
  options.working_directory = shop_ / "scratch";
  options.environment = {{"PGHOST", server_.socket_directory()}, {"PGUSER", "postgres"}};
  const ProcessResult result = run_process(options);
  EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
  return result.output;
}

std::string ArchiveShop::orders(const std::string& database) const {
  return query(database, "SELECT * FROM orders ORDER BY id");
}

std::string ArchiveShop::into(const std::string& database) const {
  return "host=" + server_.socket_directory() + " user=postgres" +
         (database.empty() ? "" : " dbname=" + database);
}

void expect_says(const Outcome& outcome, const std::string& part) {
  EXPECT_NE((outcome.out + outcome.err).find(part), std::string::npos)
      << "not said: " << part << "\n"
      << outcome.out << outcome.err;
}

}  // namespace holdfast
