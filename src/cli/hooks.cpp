#include "cli/hooks.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"
#include "os/process.h"

namespace holdfast {
namespace {

// The end of what a command said, as one line.
std::string last_words(const ProcessResult& result) {
  constexpr std::size_t kLength = 300;
  std::string text = result.error_output.empty() ? result.output : result.error_output;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > kLength) text = "..." + text.substr(text.size() - kLength);
  return text.empty() ? "" : ": " + printable(text);
}

void run_hook(const Hook& hook, const HookEvent& event, std::stop_token stop) {
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c", hook.command};
  options.timeout = hook.timeout;
  options.environment = {{"HOLDFAST_SOURCE", event.source}, {"HOLDFAST_CLASS", event.backup_class},
                         {"HOLDFAST_EVENT", event.event},   {"HOLDFAST_BACKUP", event.backup},
                         {"HOLDFAST_STATUS", event.status}, {"HOLDFAST_MESSAGE", event.message}};
  const ProcessResult result = run_process(options, stop);
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  const std::string name = fmt::format("hook '{}' ({})", printable(hook.command), event.event);
  if (result.timed_out) {
    throw Error(Code::kInvalid,
                fmt::format("{} was ended after its {}", name, format_duration(hook.timeout)),
                "give the hook a longer 'timeout', or find out what it waits for");
  }
  if (result.exit_code != 0) {
    throw Error(
        Code::kInvalid,
        fmt::format("{} ended with exit code {}{}", name, result.exit_code, last_words(result)),
        "run the command by hand to see what is wrong");
  }
}

}  // namespace

void run_hooks(const std::vector<Hook>& hooks, const HookEvent& event, RunLog& log,
               std::stop_token stop) {
  for (const Hook& hook : hooks) {
    log.info(fmt::format("running the hook '{}' ({})", printable(hook.command), event.event));
    run_hook(hook, event, stop);
  }
}

}  // namespace holdfast
