// Around a restore over what is in use: stop what uses it, keep what is there, restore, start
// again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/restore_steps.h"
#include "cli/session.h"
#include "protect/restore.h"

namespace holdfast {

// For sources that have hooks under 'restore', when files go back to their original places or a
// server has its data in the target. Does nothing for others.
class RestoreGuard {
 public:
  // `job` must outlive it.
  RestoreGuard(Context& context, const OpenedVault& opened, const RestoreJob& job, bool safety);

  bool needed() const { return source_ != nullptr; }
  // All in their order. `check` throws when `restore` would refuse, which is better known while the
  // application still runs.
  std::vector<RestoreStep> steps(const std::function<std::string()>& check,
                                 const std::function<std::string()>& restore);
  // To be called when the restore, or a step before it, has failed.
  void failed();
  // The backup of what was there; empty: none was made.
  const std::string& safety() const { return safety_; }

 private:
  std::string validate();
  std::string back_up();
  std::string run(const std::vector<Hook>& hooks, const std::string& name,
                  const std::string& status, std::stop_token stop);

  Context& context_;
  const OpenedVault& opened_;
  const RestoreJob& job_;
  const bool with_safety_;
  const SourceSettings* source_ = nullptr;
  bool stopped_ = false;
  std::string safety_;
};

}  // namespace holdfast
