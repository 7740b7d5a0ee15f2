#include "mariadb/shop.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "source/mariadb/gtid.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr Duration kPatience = std::chrono::minutes{1};
constexpr Duration kPoll = std::chrono::milliseconds{20};

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

}  // namespace

MariadbShop::MariadbShop(const TestMariadb& server) {
  // Restored directories lie here, and the server's user must reach them.
  ::chmod(place_.path().c_str(), 0755);
  configure(server);
  expect(0, {"init"});
}

void MariadbShop::configure(const TestMariadb& server, const std::string& bin) const {
  const MariadbSettings settings = server.settings();
  std::ofstream out(place_ / "holdfast.yaml");
  out << "state_dir: " << place_ / "state"
      << "\ncache_dir: " << place_ / "cache"
      << "\nsources:\n  - name: shop\n    class: database\n    mariadb:\n      socket: "
      << settings.socket << "\n      user: root\n      defaults_file: " << settings.defaults_file
      << "\n";
  if (!bin.empty()) out << "      bin_directory: " << bin << "\n";
}

std::vector<std::string> MariadbShop::command(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {HOLDFAST_BINARY, "--config",       place_ / "holdfast.yaml",
                                   "--vault",       place_ / "vault", "--key-file",
                                   place_ / "key"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

Outcome MariadbShop::run(
    const std::vector<std::string>& words,
    const std::vector<std::pair<std::string, std::string>>& environment) const {
  ProcessOptions options;
  options.argv = command(words);
  options.working_directory = place_.path();
  options.environment = environment;
  options.environment.emplace_back("HOME", place_.path());
  options.timeout = std::chrono::minutes{2};
  const ProcessResult result = run_process(options);
  EXPECT_FALSE(result.timed_out) << joined(words);
  return {result.exit_code, result.output, result.error_output};
}

Outcome MariadbShop::expect(int code, const std::vector<std::string>& words) const {
  Outcome outcome = run(words);
  EXPECT_EQ(outcome.code, code) << joined(words) << "\n" << outcome.out << outcome.err;
  return outcome;
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

Background MariadbShop::stream(const std::vector<std::string>& words) const {
  static int number = 0;
  std::vector<std::string> all = {"stream", "shop", "--interval", "20ms"};
  all.insert(all.end(), words.begin(), words.end());
  Background stream = start("stream" + std::to_string(++number) + ".log", all);
  stream.wait_for("receiving from");
  return stream;
}

void MariadbShop::back_up() const { expect(0, {"backup", "database", "shop"}); }

std::string MariadbShop::restore(const std::string& name, const std::vector<std::string>& words,
                                 int code) const {
  std::vector<std::string> all = {"restore", "latest:shop", "--target", place_ / name};
  all.insert(all.end(), words.begin(), words.end());
  expect(code, all);
  return place_ / name;
}

json MariadbShop::status() const {
  const std::string path = place_ / "state/stream/shop.json";
  if (!path_exists(path)) return json::object();
  return json::parse(as_text(read_file(path)));
}

void MariadbShop::wait_until_durable(const TestMariadb& server) const {
  const GtidPosition wanted(server.sql("SELECT @@gtid_binlog_pos"));
  const Duration end = system_clock().monotonic() + kPatience;
  while (!GtidPosition(status().value("durable_gtid", "")).contains(wanted)) {
    if (system_clock().monotonic() > end) throw std::runtime_error("the vault stays behind");
    system_clock().sleep_for(kPoll, {});
  }
}

void MariadbShop::await(const Background& stream, const std::function<bool()>& done) const {
  const Duration end = system_clock().monotonic() + kPatience;
  while (!done()) {
    if (system_clock().monotonic() > end) {
      throw std::runtime_error(stream.said() + status().dump(2));
    }
    system_clock().sleep_for(kPoll, {});
  }
}

void MariadbShop::add_west(const std::string& of_source) const {
  std::ofstream out(place_ / "holdfast.yaml", std::ios::app);
  // The source comes last in the configuration.
  out << of_source << "copies:\n  - {name: west, url: " << place_ / "west"
      << "}\n";
  out.close();
  back_up();
  expect(0, {"copy", "--to", "west"});
}

std::vector<std::string> MariadbShop::log_keys() const {
  std::vector<std::string> keys;
  for (const auto& entry : fs::recursive_directory_iterator(place_ / "vault/log")) {
    if (entry.is_regular_file()) keys.push_back(fs::relative(entry.path(), place_ / "vault"));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace holdfast
