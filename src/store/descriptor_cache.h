// A few open files of a directory store, for the many ranges that a restore reads of each pack.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "os/file.h"

namespace holdfast {

// The least recently used leaves first. Thread-safe.
class DescriptorCache {
 public:
  using Shared = std::shared_ptr<const Fd>;

  // Null when the object is not open.
  Shared find(std::string_view key);
  // To be asked before a file is opened and handed to `insert`.
  std::uint64_t epoch();
  // Keeps nothing when something was forgotten since `epoch`: it could be this very object.
  void insert(std::string_view key, Shared fd, std::uint64_t epoch);
  void forget(std::string_view key);

 private:
  using Entries = std::list<std::pair<std::string, Shared>>;
  Entries::iterator position(std::string_view key);

  std::mutex mutex_;
  std::uint64_t epoch_ = 0;
  Entries entries_;
};

}  // namespace holdfast
