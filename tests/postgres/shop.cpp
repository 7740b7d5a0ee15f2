#include "postgres/shop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "os/process.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

}  // namespace

Shop::Shop(const PostgresServer& server, const std::string& yaml, ShopVault vault)
    : vault_(std::move(vault)) {
  if (vault_.url.empty()) vault_.url = place_ / "vault";
  // The server's user may not be allowed to read the place that it was built in.
  fs::copy_file(HOLDFAST_BINARY, place_ / "holdfast");
  configure(connection(server), yaml);
  fs::create_directory(place_ / "scratch");
  give_to_postgres(place_.path());
  expect(0, {"init"});
}

std::string Shop::connection(const PostgresServer& server, const std::string& more) {
  return "      connection: \"host=" + server.socket_directory() + " user=postgres" + more + "\"\n";
}

void Shop::configure(const std::string& postgresql, const std::string& yaml) const {
  std::ofstream out(place_ / "holdfast.yaml");
  out << "state_dir: " << place_ / "state"
      << "\ncache_dir: " << place_ / "cache"
      << "\n"
      << vault_.yaml << "sources:\n  - name: shop\n    class: database\n    postgresql:\n"
      << postgresql << yaml;
}

std::vector<std::string> Shop::command(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {place_ / "holdfast", "--config", place_ / "holdfast.yaml",
                                   "--vault",           vault_.url, "--key-file",
                                   place_ / "key"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

std::string Shop::line(const std::vector<std::string>& words) const {
  return joined(command(words));
}

Outcome Shop::run(const std::vector<std::string>& words) const {
  ProcessOptions options;
  options.argv = command(words);
  options.working_directory = place_.path();
  options.environment = {{"HOME", place_.path()}, {"PGPASSWORD", ""}};
  options.timeout = std::chrono::minutes{2};
  const ProcessResult result = run_process(options);
  EXPECT_FALSE(result.timed_out) << joined(words);
  return {result.exit_code, result.output, result.error_output};
}

Outcome Shop::expect(int code, const std::vector<std::string>& words) const {
  Outcome outcome = run(words);
  EXPECT_EQ(outcome.code, code) << joined(words) << "\n" << outcome.out << outcome.err;
  return outcome;
}

json Shop::expect_json(int code, std::vector<std::string> words) const {
  words.emplace_back("--json");
  const Outcome outcome = expect(code, words);
  json document = json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(document.is_discarded()) << outcome.out << outcome.err;
  return document;
}

Background Shop::start(const std::string& name, const std::vector<std::string>& words) const {
  return {command(words), place_.path(), place_ / name};
}

json Shop::back_up() const {
  return expect_json(0, {"backup", "database", "shop"}).at("backups").at(0);
}

json Shop::backups() const { return expect_json(0, {"list"}).at("backups"); }

Outcome Shop::restore(const PostgresServer& server, const std::vector<std::string>& words,
                      int code) const {
  std::vector<std::string> all = {"restore", "latest:shop", "--target", server.data()};
  all.insert(all.end(), words.begin(), words.end());
  return expect(code, all);
}

std::vector<std::string> Shop::files(const std::string& backup) const {
  std::vector<std::string> paths;
  const json document = expect_json(0, {"show", backup, "-r"});
  for (const json& entry : document.at("entries")) {
    const std::string path = entry.at("path").get<std::string>();
    paths.push_back(path.starts_with('/') ? path.substr(1) : path);
  }
  return paths;
}

std::vector<std::string> Shop::log_segments() const {
  std::set<std::string> found;
  for (const auto& file : fs::recursive_directory_iterator(place_ / "vault/log/shop")) {
    const std::string name = file.path().filename().string();
    if (parse_wal_segment(name.substr(0, 24), 1u << 20)) found.insert(name.substr(0, 24));
  }
  return {found.begin(), found.end()};
}

std::vector<std::string> Shop::log_objects(const std::string& segment) const {
  std::vector<std::string> found;
  for (const auto& file : fs::recursive_directory_iterator(place_ / "vault/log/shop")) {
    if (file.path().filename().string().starts_with(segment)) found.push_back(file.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void Shop::take_vault_away() const { fs::rename(place_ / "vault", place_ / "away"); }
void Shop::bring_vault_back() const { fs::rename(place_ / "away", place_ / "vault"); }

void start_restored(PostgresServer& server) {
  server.configure({"archive_mode = off", "synchronous_standby_names = ''"});
  server.start();
  server.wait_for("SELECT pg_is_in_recovery()", "f");
}

std::string restored_ids(const Shop& shop, const std::vector<std::string>& words, int code) {
  PostgresServer restored("restored");
  shop.restore(restored, words, code);
  start_restored(restored);
  return restored.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t");
}

}  // namespace holdfast
