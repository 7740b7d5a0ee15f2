#include "source/config/git_command.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

// What would lead git to another repository than the one that is named. The list is that of
// "git rev-parse --local-env-vars".
constexpr const char* kForeignVariables[] = {"GIT_ALTERNATE_OBJECT_DIRECTORIES",
                                             "GIT_CONFIG",
                                             "GIT_CONFIG_PARAMETERS",
                                             "GIT_CONFIG_COUNT",
                                             "GIT_OBJECT_DIRECTORY",
                                             "GIT_DIR",
                                             "GIT_WORK_TREE",
                                             "GIT_IMPLICIT_WORK_TREE",
                                             "GIT_GRAFT_FILE",
                                             "GIT_INDEX_FILE",
                                             "GIT_NO_REPLACE_OBJECTS",
                                             "GIT_REPLACE_REF_BASE",
                                             "GIT_PREFIX",
                                             "GIT_SHALLOW_FILE",
                                             "GIT_COMMON_DIR",
                                             "GIT_NAMESPACE"};

ProcessOptions command(const std::vector<std::string>& arguments) {
  ProcessOptions options;
  options.argv = {"env"};
  for (const char* variable : kForeignVariables) {
    options.argv.insert(options.argv.end(), {"-u", variable});
  }
  options.argv.emplace_back("git");
  for (const char* setting :
       {"safe.directory=*", "core.hooksPath=/dev/null", "core.fsmonitor=false", "pack.threads=1",
        "gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false"}) {
    options.argv.insert(options.argv.end(), {"-c", setting});
  }
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = {{"GIT_TERMINAL_PROMPT", "0"},
                         {"GIT_OPTIONAL_LOCKS", "0"},
                         {"GIT_CONFIG_NOSYSTEM", "1"},
                         {"GIT_CONFIG_GLOBAL", "/dev/null"},
                         // Bundles count as files. A partial clone would fetch what it lacks, over
                         // a transport that its own configuration chooses.
                         {"GIT_ALLOW_PROTOCOL", "file"},
                         {"GIT_NO_LAZY_FETCH", "1"},
                         {"LC_ALL", "C"}};
  return options;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

ProcessResult run_git(const std::vector<std::string>& arguments, std::stop_token stop) {
  ProcessResult result = run_process(command(arguments), stop);
  if (result.stopped) throw Error(Code::kCancelled, "interrupted while running git");
  constexpr int kCommandNotFound = 127;
  if (result.exit_code == kCommandNotFound) {
    throw Error(Code::kUnsupported, "there is no git on this machine",
                "install git, or take 'repositories' out of the configuration");
  }
  return result;
}

ProcessResult require_git(const std::vector<std::string>& arguments, const std::string& action,
                          std::stop_token stop) {
  ProcessResult result = run_git(arguments, stop);
  if (result.exit_code == 0) return result;
  const bool full = result.error_output.find("No space left") != std::string::npos;
  throw Error(full ? Code::kExhausted : Code::kCorrupt,
              action + ": " + trimmed(result.error_output));
}

}  // namespace holdfast
