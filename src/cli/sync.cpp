// holdfast sync: the runbook's word for bringing all copies up to date and seeing that they are.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/copy_run.h"
#include "cli/region_report.h"
#include "cli/session.h"

namespace holdfast {
namespace {

struct SyncOptions {
  std::string to;
  bool verify = false;
  bool dry_run = false;
  ThawOptions thaw;
};

std::vector<CopyPlace> chosen(Context& context, const std::string& name) {
  std::vector<CopyPlace> places;
  if (!name.empty()) {
    places.push_back(find_copy(context, name));
  } else {
    places = copies_of(context);
  }
  if (!places.empty()) return places;
  throw Error(Code::kUsage, "there are no copies to bring up to date",
              "list 'copies:' in the configuration, or set BACKUP_BUCKET and DR_REGION");
}

// One that fails does not keep the others from their share.
int copy_all(Context& context, const std::vector<CopyPlace>& places, const SyncOptions& options,
             Json& copies) {
  const auto store = open_vault_store(context, Access::kRead);
  CopySource from(context, *store);
  CopyJob job;
  job.verify = options.verify;
  job.dry_run = options.dry_run;
  job.threads = context.settings().threads;
  int code = kExitSuccess;
  for (const CopyPlace& place : places) {
    if (place.settings.provider_replicates) continue;
    try {
      CopyOutcome outcome = copy_to(context, from, place, job, options.thaw);
      copies.push_back(std::move(outcome.json));
      if (code == kExitSuccess) code = outcome.code;
    } catch (Error& error) {
      if (error.code() == Code::kCancelled) throw;
      error.add_context("copy '" + place.settings.name + "'");
      context.output.error(error);
      copies.push_back(Json{
          {"name", place.settings.name}, {"to", place.settings.url}, {"error", error_json(error)}});
      if (code == kExitSuccess) code = exit_code(error.code());
    }
  }
  return code;
}

int run(Context& context, const SyncOptions& options) {
  const std::vector<CopyPlace> places = chosen(context, options.to);
  Json copies = Json::array();
  const int code = copy_all(context, places, options, copies);
  const RegionReports reports = measure_regions(context, places);
  context.output.print(regions_text(context, reports));
  print_region_errors(context, reports);
  context.output.document(Json{{"copies", copies}, {"regions", regions_json(context, reports)}});
  if (code != kExitSuccess) return code;
  return reports.complete() ? kExitSuccess : kExitWarnings;
}

}  // namespace

void add_sync_command(Command& root) {
  const auto o = std::make_shared<SyncOptions>();
  Command command =
      root.subcommand("sync", "Bring all copies up to date, and show how far each is behind");
  command.text("--to", o->to, "Only this copy of the configuration")
      .flag("--verify", o->verify, "Read everything at the destinations and compare")
      .flag("-n,--dry-run", o->dry_run, "Say what would be copied; copy nothing");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast sync", "holdfast sync --to west --verify",
                 "BACKUP_BUCKET=backups DR_REGION=us-west-2 holdfast sync"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
