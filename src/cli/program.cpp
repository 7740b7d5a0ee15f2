#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "cli/command.h"
#include "cli/command_deadline.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/global_options.h"
#include "cli/output.h"
#include "cli/store_trouble.h"
#include "cli/wal_spool.h"
#include "os/signals.h"

namespace holdfast {
namespace {

constexpr const char* kDescription =
    "Holdfast keeps encrypted, deduplicated backups of databases, files and configuration and\n"
    "brings them back. See holdfast(1), or: holdfast COMMAND --help";

// With --json errors are a document too, even when the rest of the line could not be understood.
bool asks_for_json(const std::vector<std::string>& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

// What is called as a restore_command must not fail with a code that means "no such file" there.
bool is_restore_command(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "wal-fetch") != arguments.end();
}

int report(const Error& error, bool json, bool restore_command) {
  const bool timed_out = dynamic_cast<const CommandTimedOut*>(&error) != nullptr;
  const int code = timed_out ? kExitTimedOut : exit_code(error.code());
  Output output(json, false);
  output.error(error);
  try {
    Json document = error_json(error);
    if (timed_out) {
      document["code"] = kTimedOutName;
      document["exit_code"] = code;
    }
    if (json) output.document(Json{{"error", std::move(document)}});
  } catch (const Error&) {
    // Standard output is gone; the exit code still tells.
  }
  return restore_command ? kExitAbortRecovery : code;
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

void add_option_names(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
}

// The innermost command that was typed.
const CLI::App& typed_command(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().back();
  return *at;
}

std::string help_command(const CLI::App& command) {
  std::string path = command.get_name();
  for (const CLI::App* at = command.get_parent(); at != nullptr; at = at->get_parent()) {
    path = at->get_name() + " " + path;
  }
  return path + " --help";
}

// What is meant by a word that nobody expected.
Error unexpected(const CLI::App& app, const std::string& word) {
  const CLI::App& command = typed_command(app);
  const bool option = word.starts_with('-');
  const bool in_command = !command.get_subcommands({}).empty();
  std::vector<std::string> known;
  if (option) {
    for (const CLI::App* at = &command; at != nullptr; at = at->get_parent()) {
      add_option_names(*at, known);
    }
  } else {
    known = names_of_commands(command);
  }
  const std::string near = nearest(word.substr(0, word.find('=')), known);
  std::string hint =
      near.empty() ? "see: " + help_command(command) : "did you mean '" + near + "'?";
  if (near.empty() && !option && in_command) {
    hint = "the commands are: " + CLI::detail::join(known, ", ");
  }
  return {Code::kUsage,
          "unknown " +
              std::string(option       ? "option"
                          : in_command ? "command"
                                       : "argument") +
              " '" + printable(word) + "'",
          hint};
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> rest = app.remaining(true);
  if (!rest.empty()) return unexpected(app, typed_word(rest.front()));
  const CLI::App& command = typed_command(app);
  if (!command.get_subcommands({}).empty()) {
    return {Code::kUsage, "a command is missing",
            "the commands are: " + CLI::detail::join(names_of_commands(command), ", ")};
  }
  return {Code::kUsage, error.what(), "see: " + help_command(command)};
}

// "--read-data" takes a value behind '=' only, so that a backup can follow it.
void complete_read_data(std::vector<std::string>& arguments) {
  for (std::string& argument : arguments) {
    if (argument == "--") return;
    if (argument == "--read-data") argument = "--read-data=100";
  }
}

struct KnownCommand {
  const char* name;
  void (*add)(Command& root);
};

constexpr KnownCommand kCommands[] = {
    {"init", add_init_command},
    {"check", add_check_command},
    {"backup", add_backup_command},
    {"list", add_list_command},
    {"show", add_show_command},
    {"diff", add_diff_command},
    {"find", add_find_command},
    {"cat", add_cat_command},
    {"restore", add_restore_command},
    {"export", add_export_command},
    {"recover", add_recover_command},
    {"validate", add_validate_command},
    {"copy", add_copy_command},
    {"sync", add_sync_command},
    {"region", add_region_command},
    {"retention", add_retention_command},
    {"forget", add_forget_command},
    {"prune", add_prune_command},
    {"lifecycle", add_lifecycle_command},
    {"lock", add_lock_command},
    {"repair", add_repair_command},
    {"stats", add_stats_command},
    {"stream", add_stream_command},
    {"store", add_store_command},
    {"key", add_key_command},
    {"wal-push", add_wal_push_command},
    {"wal-fetch", add_wal_fetch_command},
    {"version", add_version_command},
};

// The first word that names a command. It can also be the value of an option before the command;
// then the line makes no sense with that command alone.
const KnownCommand* likely_command(const std::vector<std::string>& arguments) {
  for (const std::string& word : arguments) {
    for (const KnownCommand& command : kCommands) {
      if (word == command.name) return &command;
    }
  }
  return nullptr;
}

class Program {
 public:
  // Knows all commands, or `only` one.
  explicit Program(const KnownCommand* only = nullptr);
  int run(std::vector<std::string> arguments);
  // Nothing, and nothing done, when the line makes no sense with the commands that are known.
  std::optional<int> try_to_run(std::vector<std::string> arguments);

 private:
  // An exit code, or -1 when there is something to do.
  int parse(std::vector<std::string> arguments);
  int run_parsed(bool no_arguments);
  int act();

  CLI::App app_{kDescription, "holdfast"};
  GlobalOptions options_;
  Action action_;
  bool show_version_ = false;
  std::vector<std::string> help_for_;
};

Program::Program(const KnownCommand* only) {
  // Global options may stand behind the command as well; every command inherits this.
  app_.fallthrough();
  app_.require_subcommand(0, 1);
  app_.get_formatter()->column_width(34);
  Command root(app_, action_);
  add_global_options(root, options_);
  root.flag("-V,--version", show_version_, "Print the version");
  for (const KnownCommand& command : kCommands) {
    if (only == nullptr || only == &command) command.add(root);
  }
  Command help = root.subcommand("help", "Help for a command");
  help.arguments("COMMAND", help_for_, false, "The command");
  help.run([](Context&) { return kExitSuccess; });
  root.examples({"holdfast init --vault /srv/vault --key-file ~/vault.key",
                 "holdfast backup files /srv/www --vault /srv/vault --key-file ~/vault.key",
                 "holdfast list", "holdfast restore latest --target /tmp/back",
                 "holdfast validate --read-data"});
}

int Program::parse(std::vector<std::string> arguments) {
  complete_read_data(arguments);
  for (std::string& argument : arguments) argument = guarded_word(std::move(argument));
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    Output(false, false).print(app_.help());
    return kExitSuccess;
  } catch (const CLI::ParseError& error) {
    throw usage_error(app_, error);
  }
  return -1;
}

int Program::act() {
  SignalStop stop;
  ignore_sigpipe();
  Output output(options_.json, options_.quiet);
  Context context(options_, output, system_clock(), stop.token());
  CommandDeadline deadline(options_.deadline, system_clock(), [&] { stop.request_stop(); });
  try {
    const int code = action_(context);
    if (code != exit_code(Code::kCancelled) || !deadline.passed()) return code;
    // It has said more itself already.
    output.error(deadline.error(store_trouble()));
    return kExitTimedOut;
  } catch (const Error& error) {
    if (error.code() != Code::kCancelled || !deadline.passed()) throw;
    throw deadline.error(store_trouble(), error.hint());
  }
}

int Program::run(std::vector<std::string> arguments) {
  const bool no_arguments = arguments.empty();
  const int code = parse(std::move(arguments));
  return code >= 0 ? code : run_parsed(no_arguments);
}

std::optional<int> Program::try_to_run(std::vector<std::string> arguments) {
  int code = -1;
  try {
    code = parse(std::move(arguments));
  } catch (const Error&) {
    return std::nullopt;  // said better by a program that knows all
  }
  if (code >= 0) return code;
  if (!action_) return std::nullopt;
  return run_parsed(false);
}

int Program::run_parsed(bool no_arguments) {
  if (app_.got_subcommand("help")) {
    help_for_.push_back("--help");
    return Program().run(help_for_);
  }
  if (show_version_)
    return Program().run(options_.json ? std::vector<std::string>{"version", "--json"}
                                       : std::vector<std::string>{"version"});
  if (!action_) {
    if (no_arguments) Output(false, false).message(app_.help());
    throw Error(Code::kUsage, "a command is missing",
                "the commands are: " + CLI::detail::join(names_of_commands(app_), ", "));
  }
  return act();
}

// To make all commands takes 3 ms of the 7 that a call with little to do has: a server that calls
// wal-push for each segment waits for it.
int run_line(const std::vector<std::string>& arguments) {
  if (const KnownCommand* only = likely_command(arguments)) {
    if (const auto code = Program(only).try_to_run(arguments)) return *code;
  }
  return Program().run(arguments);
}

}  // namespace

int run_program(const std::vector<std::string>& arguments) {
  const bool json = asks_for_json(arguments);
  const bool restore = is_restore_command(arguments);
  try {
    return run_line(arguments);
  } catch (const Error& error) {
    return report(error, json, restore);
  } catch (const std::bad_alloc&) {
    return report(Error(Code::kInternal, "out of memory",
                        "close other programs, or give --threads 1 where the command has it"),
                  json, restore);
  } catch (const std::exception& error) {
    return report(Error(Code::kInternal, error.what(),
                        "this is a defect of holdfast: please report it with the command line"),
                  json, restore);
  }
}

}  // namespace holdfast
