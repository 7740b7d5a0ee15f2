// Giving a restored object the owner, attributes, mode and times of its entry.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "source/files/target.h"
#include "vault/entry.h"

namespace holdfast {

// User and group ids of names on this host, looked up once each. Thread-safe.
class OwnerIds {
 public:
  // The id of `name`, or `fallback` when this host does not know the name.
  uid_t user(const std::string& name, uid_t fallback);
  gid_t group(const std::string& name, gid_t fallback);

  // Owners that we had no right to set.
  void refuse() { ++refused_; }
  std::uint64_t refused() const { return refused_; }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::optional<uid_t>> users_;
  std::unordered_map<std::string, std::optional<gid_t>> groups_;
  std::atomic<std::uint64_t> refused_{0};
};

// Applies `entry` to the object behind `fd`, which must be of its type and have `status`;
// `path_only` when the descriptor was opened with O_PATH. What could not be set is returned as
// text, "" for nothing; an owner that we have no right to set is counted in `ids` instead.
std::string apply_attributes(const Entry& entry, int fd, bool path_only, struct stat status,
                             const RestoreRights& rights, OwnerIds& ids);

}  // namespace holdfast
