// Objects as files below a directory, on a local disk or a mounted share.
#pragma once

#include <memory>
#include <string>

#include "store/object_store.h"

namespace holdfast {

class FileTree;

// The key is the path below the directory. Writers stage in DIRECTORY/.tmp, sync, and give the file
// its name in one step; several processes may work on one directory at once. Beyond the contract:
// - keys whose first part starts with '.' or is lost+found are reserved (kInvalid), such files are
//   not objects;
// - "a" and "a/b" cannot both exist (kConflict);
// - files that are no objects (other names, symbolic links, devices) are neither read nor listed.
// Staged objects must not outlive the store.
class FileStore final : public ObjectStore {
 public:
  // kRead leaves the directory exactly as it is. It does not refuse changes, see ReadOnlyStore.
  enum class Access { kRead, kReadAndWrite };

  // Opens an existing directory: kNotFound when it does not exist, kInvalid when it is something
  // else. For writing, it also removes what crashed writers left behind more than a day ago.
  explicit FileStore(const std::string& directory, Access access = Access::kReadAndWrite);
  ~FileStore() override;

  StoreTraits traits() const override;
  void put(std::string_view key, ByteView data) override;
  bool put_new(std::string_view key, ByteView data) override;
  bool replace(std::string_view key, ByteView data, std::string_view etag) override;
  std::unique_ptr<StagedObject> stage() override;
  Bytes get(std::string_view key) override;
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override;
  std::optional<ObjectInfo> stat(std::string_view key) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;

 private:
  class Staged;

  std::unique_ptr<FileTree> tree_;
};

}  // namespace holdfast
