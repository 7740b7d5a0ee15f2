#include "cli/summaries.h"

#include <algorithm>

#include "base/error.h"
#include "os/parallel.h"
#include "protect/validate.h"
#include "protect/verdict.h"

namespace holdfast {
namespace {

constexpr std::size_t kThreads = 4;

ReadSummary read_one(const Vault& vault, const BackupName& name) {
  try {
    return {read_backup(vault, name).summary, {}};
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    return {std::nullopt, error.message()};
  }
}

}  // namespace

std::vector<ReadSummary> read_summaries(const Vault& vault, const std::vector<BackupName>& names,
                                        std::stop_token stop) {
  std::vector<ReadSummary> summaries(names.size());
  // A thread costs about as much as reading a few summaries.
  const std::size_t threads = std::min(kThreads, names.size() / 8 + 1);
  in_parallel(static_cast<unsigned>(threads), names.size(), stop,
              [&](std::size_t i) { summaries[i] = read_one(vault, names[i]); });
  return summaries;
}

VerifiedTimes verified_by_id(ObjectStore& store) {
  VerifiedTimes times;
  for (const auto& [id, time] : verified_times(store)) {
    auto& latest = times[id];
    latest = std::max(latest, time);
  }
  return times;
}

}  // namespace holdfast
