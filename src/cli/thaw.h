// What commands that read packs do about an archive tier: say what has to be asked for, ask, wait.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"
#include "protect/thaw.h"

namespace holdfast {

struct ThawOptions {
  std::optional<unsigned> days;
  bool no_wait = false;
};

// --thaw-days and --no-wait.
void add_thaw_options(Command& command, ThawOptions& options);

// Returns when all of `needed` can be read: asks for what is archived, waits and says how far it
// is. With --no-wait Error(kUnavailable) after the request. Returns the plan there was.
ThawPlan bring_from_archive(Context& context, ObjectStore& store, std::vector<NeededPack> needed,
                            const ThawOptions& options);

// The same for a restore, before anything is written: hours may pass. A dry run only plans.
ThawPlan bring_from_archive(Context& context, const Vault& vault, const RestoreJob& job,
                            const ThawOptions& options);

// The same before a job reads, which may do so more than once: what there was is added to `total`.
// A dry run asks for nothing, waits for nothing and takes out of `needed` what cannot be read now.
void prepare_reading(Context& context, ObjectStore& store, std::vector<NeededPack>& needed,
                     const ThawOptions& options, bool dry_run, ThawPlan& total);

// "would ask for 3 packs (190 MiB) in the archive tier"; empty for an empty plan.
std::string thaw_plan_text(const ThawPlan& plan);
// {"packs", "bytes", "requested"}.
nlohmann::ordered_json thaw_plan_json(const ThawPlan& plan);

}  // namespace holdfast
