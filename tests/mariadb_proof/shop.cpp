#include "mariadb_proof/shop.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

}  // namespace

MariadbShop::MariadbShop(const MariadbSettings& settings, const std::string& yaml) {
  // The server's user must reach its sandbox.
  fs::permissions(place_.path(), fs::perms(0711));
  configure(settings, yaml);
  fs::create_directory(place_ / "scratch");
  fs::permissions(place_ / "scratch", fs::perms(0711));
  expect(0, {"init"});
}

void MariadbShop::configure(const MariadbSettings& settings, const std::string& yaml) const {
  std::ofstream out(place_ / "holdfast.yaml");
  out << "state_dir: " << place_ / "state"
      << "\ncache_dir: " << place_ / "cache"
      << "\nsources:\n  - name: shop\n    class: database\n    mariadb:\n"
      << "      defaults_file: " << settings.defaults_file << "\n      socket: " << settings.socket
      << "\n      user: " << settings.user << "\n";
  if (settings.method == DatabaseMethod::kLogical) out << "      method: logical\n";
  if (!settings.bin_directory.empty()) out << "      bin_directory: " << settings.bin_directory;
  out << "\n" << yaml;
}

std::vector<std::string> MariadbShop::command(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {HOLDFAST_BINARY, "--config",       place_ / "holdfast.yaml",
                                   "--vault",       place_ / "vault", "--key-file",
                                   place_ / "key"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

Outcome MariadbShop::expect(int code, const std::vector<std::string>& words) const {
  ProcessOptions options;
  options.argv = command(words);
  options.working_directory = place_.path();
  options.environment = {{"HOME", place_.path()}, {"TZ", time_zone}};
  options.timeout = std::chrono::minutes{3};
  const ProcessResult result = run_process(options);
  EXPECT_FALSE(result.timed_out) << words.at(0);
  EXPECT_EQ(result.exit_code, code) << words.at(0) << "\n" << result.output << result.error_output;
  return {result.exit_code, result.output, result.error_output};
}

json MariadbShop::expect_json(int code, std::vector<std::string> words) const {
  words.emplace_back("--json");
  const Outcome outcome = expect(code, words);
  json document = json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(document.is_discarded()) << outcome.out << outcome.err;
  return document;
}

Background MariadbShop::start(const std::string& name,
                              const std::vector<std::string>& words) const {
  return {command(words), place_.path(), place_ / name};
}

Background MariadbShop::stream() const {
  Background stream = start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  return stream;
}

void MariadbShop::wait_until_durable(const TestMariadb& server, Background& stream) const {
  const std::string end = "\"" + server.sql("SELECT @@gtid_binlog_pos") + "\"";
  const std::string file = place_ / "state/stream/shop.json";
  while (!path_exists(file) || as_text(read_file(file)).find(end) == std::string_view::npos) {
    if (!stream.running()) throw std::runtime_error("the stream ended:\n" + stream.said());
    system_clock().sleep_for(std::chrono::milliseconds{20}, {});
  }
}

json MariadbShop::back_up() const {
  return expect_json(0, {"backup", "database", "shop"}).at("backups").at(0);
}

json MariadbShop::backups() const { return expect_json(0, {"list"}).at("backups"); }

std::vector<std::string> MariadbShop::validation() const {
  return {"validate", "restore", "latest:shop", "--scratch", place_ / "scratch"};
}

json MariadbShop::validate(int code) const {
  json result = expect_json(code, validation());
  expect_nothing_left();
  return result;
}

std::string MariadbShop::failed_steps(const json& result) {
  std::string failed;
  for (const json& step : result.at("steps")) {
    if (step.at("passed").get<bool>()) continue;
    failed += (failed.empty() ? "" : ", ") + step.at("name").get<std::string>();
  }
  return failed;
}

void MariadbShop::expect_nothing_left() const {
  EXPECT_TRUE(fs::is_empty(place_ / "scratch"));
  for (const auto& process : fs::directory_iterator("/proc")) {
    std::ifstream in(process.path() / "cmdline");
    const std::string line((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(line.find(place_ / "scratch"), std::string::npos) << line;
  }
}

MariadbSettings MariadbShop::with_tool(MariadbSettings settings, const std::string& program,
                                       const std::string& script) const {
  settings.bin_directory = place_ / "bin";
  make_directories(settings.bin_directory);
  for (const char* tool :
       {"mariadb-dump", "mariadb-backup", "mariadb", "mariadb-install-db", "innochecksum"}) {
    const std::string path = settings.bin_directory + "/" + tool;
    fs::remove(path);
    fs::create_symlink(std::string("/usr/bin/") + tool, path);
  }
  fs::remove(settings.bin_directory + "/" + program);
  write_file_atomic(settings.bin_directory + "/" + program, as_bytes("#!/bin/bash\n" + script),
                    0755);
  return settings;
}

}  // namespace holdfast
