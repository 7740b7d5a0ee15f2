#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <utility>

namespace holdfast {

namespace {

// No word that anybody types ends with it.
constexpr char kGuard = '\1';

// Also when it is guarded already, so that every word can be told from every other.
bool needs_guard(std::string_view word) {
  while (word.ends_with(kGuard)) word.remove_suffix(1);
  return word == "++" || (word.starts_with('[') && word.ends_with(']'));
}

}  // namespace

std::string guarded_word(std::string word) {
  if (needs_guard(word)) word += kGuard;
  return word;
}

std::string typed_word(std::string word) {
  if (word.ends_with(kGuard) && needs_guard(word)) word.pop_back();
  return word;
}

CLI::Option* Command::remember(CLI::Option* option) {
  options_.push_back(option);
  // Before every check: a value is checked as it was typed.
  if (option->get_items_expected_max() > 0) option->transform(typed_word);
  return option;
}

Command Command::subcommand(const std::string& name, const std::string& description) {
  return {*app_->add_subcommand(name, description), *chosen_};
}

Command& Command::require_subcommand() {
  app_->require_subcommand(1, 1);
  return *this;
}

Command& Command::flag(const std::string& names, bool& value, const std::string& help) {
  remember(app_->add_flag(names, value, help));
  return *this;
}

Command& Command::text(const std::string& names, std::string& value, const std::string& help) {
  remember(app_->add_option(names, value, help));
  return *this;
}

Command& Command::texts(const std::string& names, std::vector<std::string>& values,
                        const std::string& help) {
  // Otherwise one option would take all the arguments behind it.
  remember(app_->add_option(names, values, help))->allow_extra_args(false)->type_name("TEXT");
  return *this;
}

Command& Command::choice(const std::string& names, std::string& value,
                         std::vector<std::string> allowed, const std::string& help) {
  remember(app_->add_option(names, value, help))
      ->check([allowed = std::move(allowed)](const std::string& given) {
        if (std::find(allowed.begin(), allowed.end(), given) != allowed.end()) return std::string();
        return "'" + given + "' is not one of: " + CLI::detail::join(allowed, ", ");
      });
  return *this;
}

Command& Command::number(const std::string& names, std::optional<unsigned>& value, unsigned minimum,
                         unsigned maximum, const std::string& help) {
  const auto take = [&value](const CLI::results_t& results) {
    unsigned parsed = 0;
    if (!CLI::detail::lexical_cast(results.at(0), parsed)) return false;
    value = parsed;
    return true;
  };
  remember(app_->add_option(names, take, help))
      ->type_name("N")
      ->check([minimum, maximum](const std::string& given) {
        long long parsed = 0;
        if (CLI::detail::lexical_cast(given, parsed) && parsed >= static_cast<long long>(minimum) &&
            parsed <= static_cast<long long>(maximum)) {
          return std::string();
        }
        return "'" + given + "' is not a number from " + std::to_string(minimum) + " to " +
               std::to_string(maximum);
      });
  return *this;
}

Command& Command::argument(const std::string& name, std::string& value, bool required,
                           const std::string& help) {
  remember(app_->add_option(name, value, help))->required(required);
  return *this;
}

Command& Command::arguments(const std::string& name, std::vector<std::string>& values,
                            bool required, const std::string& help) {
  remember(app_->add_option(name, values, help))->required(required)->type_name("TEXT");
  return *this;
}

Command& Command::group(const std::string& heading, std::size_t count) {
  for (std::size_t i = options_.size() - std::min(count, options_.size()); i < options_.size();
       ++i) {
    options_[i]->group(heading);
  }
  return *this;
}

Command& Command::examples(const std::vector<std::string>& lines) {
  std::string footer = "\nExamples:";
  for (const std::string& line : lines) footer += "\n  " + line;
  app_->footer(footer);
  return *this;
}

Command& Command::run(Action action) {
  app_->callback([app = app_, chosen = chosen_, action = std::move(action)] {
    // Called after those of its subcommands, one of which may be what was typed.
    if (app->get_subcommands().empty()) *chosen = action;
  });
  return *this;
}

}  // namespace holdfast
