#include "cli/summaries.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "protect/validate.h"

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
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < names.size(); i = next++) {
        if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
        summaries[i] = read_one(vault, names[i]);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = names.size();
    }
  };
  {
    std::vector<std::jthread> threads;
    // A thread costs about as much as reading a few summaries.
    for (std::size_t i = 1; i < std::min(kThreads, names.size() / 8 + 1); ++i) {
      threads.emplace_back(work);
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
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
