#include "cli/global_options.h"

#include <cstdlib>

namespace holdfast {

void add_global_options(Command& root, GlobalOptions& options) {
  root.text("--config", options.config_file,
            "Configuration file (else ./holdfast.yaml, ~/.config/holdfast/, /etc/holdfast/)")
      .text("--vault", options.vault,
            "The vault: a path, file:///PATH or s3://BUCKET[/PREFIX] (or $HOLDFAST_VAULT)")
      .text("--key-file", options.key_file,
            "File with the key (or $HOLDFAST_KEY_FILE; else $HOLDFAST_PASSPHRASE or a prompt)")
      .text("--recovery-code-file", options.recovery_code_file,
            "File with the code of a recovery sheet (or $HOLDFAST_RECOVERY_CODE)")
      .text("--as-of", options.as_of,
            "See a versioned bucket as it was then (2025-11-10T12:00:00Z, or 2h ago); only reads")
      .text("--deadline", options.deadline,
            "Stop the command when it takes longer (30s, 10m, 2h; exit code 12)")
      .flag("--json", options.json, "Print one JSON document")
      .flag("-q,--quiet", options.quiet, "Print results, warnings and errors only")
      .choice("--progress", options.progress, {"auto", "plain", "json", "none"},
              "How to show progress: auto, plain, json, none")
      .text("--log-dir", options.log_directory, "Where log files go (else the configuration)")
      .group("Global options", 8);
}

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace holdfast
