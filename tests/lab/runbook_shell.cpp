#include "lab/runbook_shell.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/bytes.h"
#include "os/file.h"

namespace holdfast {
namespace {

// AWS_ENDPOINT_URL is unknown to older versions of aws.
constexpr std::string_view kAws =
    "#!/bin/sh\nPATH=$OUTER_PATH exec aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"\n";
// "Now" is as far ahead as the test wants; a time that is given stays.
constexpr std::string_view kDate =
    "#!/bin/sh\nPATH=$OUTER_PATH\n"
    "case $1 in +*) exec date -d \"$AHEAD\" \"$@\" ;; *) exec date \"$@\" ;; esac\n";

std::string with_names(std::string text,
                       const std::vector<std::pair<std::string, std::string>>& names) {
  for (const auto& [made_up, real] : names) {
    const auto at = text.find(made_up);
    EXPECT_NE(at, std::string::npos) << "the runbook does not say " << made_up;
    for (auto i = at; i != std::string::npos; i = text.find(made_up, i + real.size())) {
      text.replace(i, made_up.size(), real);
    }
  }
  return text;
}

}  // namespace

RunbookShell::RunbookShell(std::string bucket) : bucket_(std::move(bucket)) {
  write_tool("aws", kAws);
  write_tool("date", kDate);
}

void RunbookShell::write_tool(const std::string& name, std::string_view text) const {
  const std::string path = tools_ / ("bin/" + name);
  make_directories(tools_ / "bin");
  write_file_atomic(path, as_bytes(text));
  std::filesystem::permissions(path, std::filesystem::perms(0755));
}

std::map<std::string, std::string> RunbookShell::variables() const {
  const auto pairs = lab_environment(Region::kEast);
  std::map<std::string, std::string> all(pairs.begin(), pairs.end());
  all["BACKUP_BUCKET"] = bucket_;
  return all;
}

ProcessResult RunbookShell::run(
    const std::string& script, const std::map<std::string, std::string>& more,
    const std::vector<std::pair<std::string, std::string>>& names) const {
  const Bytes text = read_file(std::string(HOLDFAST_TESTS_DIR) + "/lab/runbook/" + script);
  const std::string path = std::getenv("PATH");
  std::map<std::string, std::string> environment = more;
  environment.merge(variables());
  environment.insert({{"OUTER_PATH", path},
                      {"PATH", (tools_ / "bin:") + path},
                      {"AHEAD", "now"},
                      {"TZ", "UTC"},
                      {"LC_ALL", "C.UTF-8"}});
  ProcessOptions options;
  options.argv = {"bash", "-c", with_names(std::string(as_text(text)), names)};
  options.environment.assign(environment.begin(), environment.end());
  options.timeout = std::chrono::minutes{2};
  return run_process(options);
}

}  // namespace holdfast
