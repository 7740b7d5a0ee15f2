// What every command is given.
#pragma once

#include <optional>
#include <stop_token>

#include "cli/global_options.h"
#include "cli/output.h"
#include "os/clock.h"
#include "settings/settings.h"

namespace holdfast {

// Of the main thread alone; `output` and `clock` may be used by any.
class Context {
 public:
  Context(const GlobalOptions& the_options, Output& the_output, Clock& the_clock,
          std::stop_token the_stop)
      : options(the_options), output(the_output), clock(the_clock), stop(std::move(the_stop)) {}

  // The configuration, read at the first call. Throws what load_settings throws.
  const Settings& settings() {
    if (!settings_) settings_ = load_settings(options.config_file);
    return *settings_;
  }
  // From now on these, and no file is read.
  void use_settings(Settings settings) { settings_ = std::move(settings); }
  // Throws Error(kCancelled) once a stop was requested.
  void check_stop() const;

  const GlobalOptions& options;
  Output& output;
  Clock& clock;
  const std::stop_token stop;

 private:
  std::optional<Settings> settings_;
};

}  // namespace holdfast
