#include "cli/support.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/time.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace fs = std::filesystem;

Workshop::Workshop() {
  make_directories(*this / "data");
  write_config("");
}

Outcome Workshop::run(std::vector<std::string> arguments,
                      const std::map<std::string, std::string>& environment) const {
  ProcessOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), HOLDFAST_BINARY);
  options.working_directory = path();
  options.timeout = std::chrono::minutes{2};
  std::map<std::string, std::string> all = {{"HOME", path()},
                                            {"XDG_CONFIG_HOME", *this / "config"},
                                            {"HOLDFAST_VAULT", ""},
                                            {"HOLDFAST_KEY_FILE", ""},
                                            {"HOLDFAST_PASSPHRASE", ""},
                                            {"HOLDFAST_RECOVERY_CODE", ""},
                                            {"HOLDFAST_NEW_PASSPHRASE", ""}};
  for (const auto& [name, value] : environment) all[name] = value;
  options.environment.assign(all.begin(), all.end());
  const ProcessResult result = run_process(options);
  EXPECT_FALSE(result.timed_out);
  return {result.exit_code, result.output, result.error_output};
}

Outcome Workshop::holdfast(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--vault", *this / "vault", "--key-file", *this / "key"});
  return run(std::move(arguments));
}

Outcome Workshop::expect(int code, std::vector<std::string> arguments) const {
  std::string line;
  for (const std::string& word : arguments) line += " " + word;
  Outcome result = holdfast(std::move(arguments));
  EXPECT_EQ(result.code, code) << "holdfast" << line << "\n" << result.out << result.err;
  return result;
}

json Workshop::expect_json(int code, std::vector<std::string> arguments) const {
  arguments.emplace_back("--json");
  const Outcome result = expect(code, std::move(arguments));
  json document = json::parse(result.out, nullptr, false);
  EXPECT_FALSE(document.is_discarded()) << result.out;
  return document;
}

void Workshop::init() const { expect(0, {"init"}); }

std::string Workshop::backup() const {
  const json document = expect_json(0, {"backup", "files", *this / "data"});
  return document.at("backups").at(0).at("id").get<std::string>();
}

void Workshop::wait_for_a_new_second() const {
  const std::string second = format_compact(system_clock().now());
  while (format_compact(system_clock().now()) == second) run({"version"});
}

void Workshop::write(const std::string& name, const std::string& content) const {
  make_directories(fs::path(*this / name).parent_path().string());
  write_file_atomic(*this / name, as_bytes(content));
}

std::string Workshop::read(const std::string& name) const {
  const Bytes data = read_file(*this / name);
  return std::string(as_text(data));
}

// The directories are named, because the tests may run as root; vault and key are not, because the
// tests are about what was given.
void Workshop::write_config(const std::string& more) const {
  write("holdfast.yaml",
        "state_dir: " + (*this / "state") + "\ncache_dir: " + (*this / "cache") + "\n" + more);
}

std::string Workshop::listing(const std::string& name) const {
  std::vector<std::string> lines;
  if (!path_exists(*this / name)) return "(nothing)";
  for (const auto& file : fs::recursive_directory_iterator(*this / name)) {
    struct stat status {};
    if (::lstat(file.path().c_str(), &status) != 0) continue;
    lines.push_back(file.path().string() + " " + std::to_string(status.st_size) + " " +
                    std::to_string(status.st_mode) + " " + std::to_string(status.st_mtim.tv_sec) +
                    "." + std::to_string(status.st_mtim.tv_nsec));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string Workshop::find_file(const std::string& directory, const std::string& part) const {
  std::vector<std::string> found;
  for (const auto& file : fs::recursive_directory_iterator(*this / directory)) {
    if (file.is_regular_file() && file.path().string().find(part) != std::string::npos) {
      found.push_back(file.path().string());
    }
  }
  EXPECT_EQ(found.size(), 1u) << part;
  return found.empty() ? "" : found.front();
}

}  // namespace holdfast
