// What a restore with --delete removes: what is below the restored roots and not in the backup.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "protect/selection.h"
#include "source/files/target.h"

namespace holdfast {

// One thread. Takes memory for each path that the backup has.
class RestoreOthers {
 public:
  // `roots`: what the backup was asked to protect, in stored form.
  RestoreOthers(const Selection& selection, const std::vector<std::string>& roots)
      : selection_(selection), roots_(roots) {}

  // The backup has something at this place of the target. False when it had already, which stripped
  // components can do.
  bool want(std::string_view path);
  // Whether the backup was asked to protect what is at this place: only there things are deleted.
  bool may_remove(const std::string& stored) const;
  // Removes from the directory `path` of the target, which is `stored` in the backup, what nobody
  // wants; a dry run only counts. Returns how many.
  std::uint64_t remove_from(Target& target, const std::string& path, const std::string& stored,
                            bool dry_run) const;

 private:
  bool is_other(const std::string& path, const std::string& stored) const;

  const Selection& selection_;
  const std::vector<std::string>& roots_;
  std::unordered_set<std::string> wanted_;  // with the directories above
};

}  // namespace holdfast
