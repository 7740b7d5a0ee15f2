// How commands declare their options: a narrow view of the command line parser.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace holdfast {

class Context;
// Does what a command says; the result is the exit code. Errors are thrown.
using Action = std::function<int(Context&)>;

// The parser takes some words for signs of its own: "[a,b]" for a list, "++" for the end of a
// command. Words that look like that go into it changed, and every value comes out as it was typed.
std::string guarded_word(std::string word);
std::string typed_word(std::string word);

// One command (or the program itself). Variables must live as long as the parser; they are set
// while it parses. Names of options are as in "-l,--long"; names without dashes are arguments.
class Command {
 public:
  // `chosen` receives the action of the command that was typed.
  Command(CLI::App& app, Action& chosen) : app_(&app), chosen_(&chosen) {}

  Command subcommand(const std::string& name, const std::string& description);
  // The command needs one of its subcommands.
  Command& require_subcommand();

  Command& flag(const std::string& names, bool& value, const std::string& help);
  Command& text(const std::string& names, std::string& value, const std::string& help);
  // An option that can be given several times, with one value each.
  Command& texts(const std::string& names, std::vector<std::string>& values,
                 const std::string& help);
  Command& choice(const std::string& names, std::string& value, std::vector<std::string> allowed,
                  const std::string& help);
  Command& number(const std::string& names, std::optional<unsigned>& value, unsigned minimum,
                  unsigned maximum, const std::string& help);

  Command& argument(const std::string& name, std::string& value, bool required,
                    const std::string& help);
  Command& arguments(const std::string& name, std::vector<std::string>& values, bool required,
                     const std::string& help);

  // Shows the last `count` options under a heading of their own in the help.
  Command& group(const std::string& heading, std::size_t count);
  // Lines to show below the help, one example each: "command  # what it does".
  Command& examples(const std::vector<std::string>& lines);
  Command& run(Action action);

 private:
  CLI::Option* remember(CLI::Option* option);

  CLI::App* app_;
  Action* chosen_;
  std::vector<CLI::Option*> options_;
};

}  // namespace holdfast
