// The regions of a vault side by side: what each has, how far it is behind, and the moment that
// could be recovered from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/copies.h"
#include "cli/output.h"
#include "protect/replica.h"

namespace holdfast {

struct RegionReport {
  std::string name;    // "primary", or the name of the copy
  std::string region;  // may be empty
  std::string url;
  std::string filled_by;                // "backups", "holdfast", "provider"
  std::optional<ReplicaStatus> status;  // nothing: it could not be asked, see `error`
  std::optional<Error> error;
  std::string note;  // what the store says of its replication; may be empty
};

struct RegionReports {
  Timestamp now{};                    // by the clock of the primary's store; ours when it is away
  std::vector<RegionReport> regions;  // the primary first
  bool complete() const;              // all could be asked
};

// Asks the primary and all `copies`. What does not answer within seconds is an error in the report;
// only kCancelled is thrown.
RegionReports measure_regions(Context& context, const std::vector<CopyPlace>& copies);

std::string regions_text(Context& context, const RegionReports& reports);
Json regions_json(Context& context, const RegionReports& reports);
// A warning for each that could not be asked, with what to do.
void print_region_errors(Context& context, const RegionReports& reports);

}  // namespace holdfast
