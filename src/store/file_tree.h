// A directory of objects as files, without the meaning of the store's calls.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "store/descriptor_cache.h"
#include "store/object_store.h"
#include "store/temporary_file.h"
#include "store/writer_lock.h"

namespace holdfast {

// Whether `name`, with or without slashes, may be the key of an object or the beginning of one.
bool is_object_name(const std::string& name);
// Keys that the directory keeps for itself and the file system.
bool is_reserved_key(std::string_view key);

// Thread-safe, and safe beside other processes. Throws what the system calls say, kInvalid for a
// key that is none or is reserved, kConflict when something that is no object has its name.
class FileTree {
 public:
  explicit FileTree(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }

  // The file of a key, which is checked.
  std::string path_of(std::string_view key) const;
  TemporaryFile make_temporary();
  // Excludes other threads and processes that replace or remove.
  void exclusively(const std::function<void()>& action);

  // Makes the finished file an object unless there is one; true when it did.
  bool create(std::string_view key, TemporaryFile& file);
  // Makes the name of an object durable. To be called for one found as well, since its writer may
  // not have come to that yet.
  void settle(std::string_view key) const;
  // Makes the finished and synced file the object. Under the lock.
  void overwrite(std::string_view key, TemporaryFile& file);
  void remove(std::string_view key);

  std::optional<ObjectInfo> stat(std::string_view key) const;
  Fd open(std::string_view key) const;
  // Like `open`, but keeps the file open for the next reader.
  DescriptorCache::Shared open_shared(std::string_view key);

  // Visits the objects below the directory `parent` ("" or ending in '/') whose remaining name
  // starts with `prefix`, which has no '/'.
  void walk(const std::string& parent, std::string_view prefix,
            const std::function<void(const ObjectInfo&)>& visit) const;
  // What crashed writers left behind more than a day ago.
  void remove_leftovers() const;

 private:
  std::string staging() const { return root_ + "/.tmp"; }
  template <typename Action>
  std::invoke_result_t<const Action&> in_staging(const Action& action);
  void make_parents(std::string_view key, bool again);
  std::vector<std::string> children(const std::string& parent, std::string_view prefix) const;

  const std::string root_;
  WriterLock lock_;
  DescriptorCache cache_;
  std::mutex directories_mutex_;
  std::set<std::string> directories_;  // whose entry in their parent is durable
};

}  // namespace holdfast
