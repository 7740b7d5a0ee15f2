// holdfast copy: a second copy of the vault. A key is asked for only when the vault is damaged.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/copy_run.h"
#include "cli/session.h"

namespace holdfast {
namespace {

struct CopyOptions {
  std::string to;
  bool verify = false;
  bool dry_run = false;
  std::optional<unsigned> threads;
  ThawOptions thaw;
};

// --to, where a name of the configuration stands for its URL; else all copies that Holdfast fills.
// One that the provider fills must be named: for its first content, say.
std::vector<CopyPlace> destinations(Context& context, const std::string& to) {
  std::vector<CopyPlace> all = copies_of(context);
  std::vector<CopyPlace> chosen;
  for (CopyPlace& place : all) {
    const bool wanted =
        to.empty() ? !place.settings.provider_replicates : place.settings.name == to;
    if (wanted) chosen.push_back(std::move(place));
  }
  if (chosen.empty() && !to.empty()) {
    CopyPlace place;
    place.settings.url = to;
    place.options = place_options(context, to);
    chosen.push_back(std::move(place));
  }
  if (!chosen.empty()) return chosen;
  if (!all.empty()) {
    throw Error(Code::kUsage, "the provider fills all copies of the configuration",
                "see what arrived: holdfast region status; or name the one to copy to: --to NAME");
  }
  throw Error(Code::kUsage, "--to is missing",
              "say where the copy is to be: --to /PATH, or list 'copies:' in the configuration");
}

int run(Context& context, const CopyOptions& options) {
  const auto store = open_vault_store(context, Access::kRead);
  CopySource from(context, *store);
  CopyJob job;
  job.verify = options.verify;
  job.dry_run = options.dry_run;
  job.threads = options.threads.value_or(context.settings().threads);
  Json copies = Json::array();
  int code = kExitSuccess;
  for (const CopyPlace& place : destinations(context, options.to)) {
    CopyOutcome outcome = copy_to(context, from, place, job, options.thaw);
    copies.push_back(std::move(outcome.json));
    if (code == kExitSuccess) code = outcome.code;
  }
  context.output.document(Json{{"copies", copies}});
  return code;
}

}  // namespace

void add_copy_command(Command& root) {
  const auto o = std::make_shared<CopyOptions>();
  Command command = root.subcommand("copy", "Copy the vault to a second place; needs no key");
  command.text("--to", o->to, "Where to: a path, a URL, or the name of a copy in the configuration")
      .flag("--verify", o->verify, "Read everything at the destination and compare")
      .flag("-n,--dry-run", o->dry_run, "Say what would be copied; copy nothing")
      .number("--threads", o->threads, 1, 256, "Objects at once");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast copy --to /mnt/offsite/vault", "holdfast copy --to offsite --verify",
                 "holdfast copy            # all copies of the configuration"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
