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

// What the command does itself. Each says what it found.
struct RestoreDoings {
  std::function<std::string()> check;  // throws when `restore` would refuse; nothing is stopped yet
  std::function<std::string()> restore;
  std::function<std::string()> check_after;  // throws when nothing may be started on the result
};

// When files go back to their original places or a server has its data in the target: for sources
// that have hooks under 'restore'; and without them for a server, which is kept before another
// takes its place. Does nothing for others.
class RestoreGuard {
 public:
  // `job` must outlive it.
  RestoreGuard(Context& context, const OpenedVault& opened, const RestoreJob& job, bool safety);

  bool needed() const { return needed_; }
  // Whether a hook stops what uses the target.
  bool stops() const;
  // All in their order.
  std::vector<RestoreStep> steps(const RestoreDoings& doings);
  // To be called when the restore, or a step before it, has failed.
  void failed();
  // The backup of what was there, made by an earlier try when this one goes on; empty: none.
  const std::string& safety() const { return safety_; }

 private:
  std::string validate();
  std::string back_up();
  bool can_check_after() const;
  std::string run(const std::vector<Hook>& hooks, const std::string& name,
                  const std::string& status, std::stop_token stop);

  Context& context_;
  const OpenedVault& opened_;
  const RestoreJob& job_;
  bool with_safety_;
  bool needed_ = false;
  const SourceSettings* source_ = nullptr;  // which has hooks
  bool stopped_ = false;
  std::string safety_;
};

}  // namespace holdfast
