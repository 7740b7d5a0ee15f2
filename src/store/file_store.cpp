#include "store/file_store.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "store/file_tree.h"

namespace holdfast {
namespace {

std::string space_hint(const std::string& directory) {
  try {
    return fmt::format("{} are free on the file system of {}; make room and run it again",
                       format_size(free_space(directory)), directory);
  } catch (const Error&) {
    return "make room on the file system of " + directory + " and run it again";
  }
}

// Runs `action`; an error for the lack of space or rights leaves with advice about `directory`.
template <typename Action>
auto with_advice(const std::string& directory, const Action& action) {
  try {
    return action();
  } catch (Error& error) {
    if (error.code() == Code::kExhausted) error.suggest(space_hint(directory));
    if (error.code() == Code::kDenied) {
      error.suggest(fmt::format("check that {} is mounted for writing and belongs to user {}",
                                directory, ::geteuid()));
    }
    throw;
  }
}

Error cannot_open(int reason, const std::string& path) {
  Error error = system_error(reason, "cannot open the vault in " + path);
  if (error.code() == Code::kDenied) {
    error.suggest(
        "run as the user whom the vault belongs to, or let this one pass through the directories "
        "above it");
  }
  return error;
}

}  // namespace

class FileStore::Staged final : public StagedObject {
 public:
  explicit Staged(FileTree& tree) : tree_(tree), file_(tree.make_temporary()) {}

  void append(ByteView data) override {
    require_open();
    finish_on_error([&] { file_.append(data); });
  }

  bool commit(std::string_view key, std::string_view) override {
    require_open();
    const bool created = finish_on_error([&] { return tree_.create(key, file_); });
    finish();
    return created;
  }

 private:
  void require_open() const {
    if (finished_) throw Error(Code::kInternal, "the staged object was committed or has failed");
  }

  void finish() {
    finished_ = true;
    file_.discard();
  }

  // After an error the bytes are of no use and their space may be what is missing.
  template <typename Action>
  std::invoke_result_t<const Action&> finish_on_error(const Action& action) {
    return with_advice(tree_.root(), [&] {
      try {
        return action();
      } catch (...) {
        finish();
        throw;
      }
    });
  }

  FileTree& tree_;
  TemporaryFile file_;
  bool finished_ = false;
};

FileStore::FileStore(const std::string& directory, Access access) {
  std::filesystem::path path = std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  // The vault itself may be named by a symbolic link; within it none is followed.
  std::error_code absent;
  if (auto real = std::filesystem::canonical(path, absent); !absent) path = std::move(real);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int reason = errno;
    if (reason != ENOENT) throw cannot_open(reason, path.string());
    throw Error(Code::kNotFound, "there is no directory " + path.string(),
                "check the path and that its file system is mounted");
  }
  if (!S_ISDIR(status.st_mode)) {
    throw Error(Code::kInvalid, path.string() + " is not a directory");
  }
  tree_ = std::make_unique<FileTree>(path.string());
  if (access == Access::kRead) return;
  try {
    tree_->remove_leftovers();
  } catch (const Error&) {
    // Whoever may not look there cannot write either and hears of it then.
  }
}

FileStore::~FileStore() = default;

StoreTraits FileStore::traits() const {
  return {.url = "file://" + tree_->root(),
          .conditional_create = true,
          .conditional_replace = true,
          .can_remove = true,
          .parallelism = 4};
}

void FileStore::put(std::string_view key, ByteView data) {
  tree_->path_of(key);
  with_advice(tree_->root(), [&] {
    TemporaryFile file = tree_->make_temporary();
    file.append(data);
    file.sync();
    tree_->exclusively([&] { tree_->overwrite(key, file); });
  });
}

bool FileStore::put_new(std::string_view key, ByteView data) {
  if (stat(key)) {
    tree_->settle(key);
    return false;
  }
  const auto staged = stage();
  staged->append(data);
  return staged->commit(key);
}

bool FileStore::replace(std::string_view key, ByteView data, std::string_view etag) {
  const auto is_current = [&] {
    const auto info = tree_->stat(key);
    return info && info->etag == etag;
  };
  if (!is_current()) return false;
  return with_advice(tree_->root(), [&] {
    TemporaryFile file = tree_->make_temporary();
    file.append(data);
    file.sync();
    bool replaced = false;
    tree_->exclusively([&] {
      replaced = is_current();
      if (replaced) tree_->overwrite(key, file);
    });
    return replaced;
  });
}

std::unique_ptr<StagedObject> FileStore::stage() {
  return with_advice(tree_->root(), [&] { return std::make_unique<Staged>(*tree_); });
}

Bytes FileStore::get(std::string_view key) {
  const Fd fd = tree_->open(key);
  struct stat status {};
  const std::string path = tree_->path_of(key);
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, "cannot stat " + path);
  Bytes data(static_cast<std::size_t>(status.st_size));
  if (read_full(fd.get(), data, path) != data.size()) {
    throw Error(Code::kCorrupt, "object " + std::string(key) + " became shorter");
  }
  return data;
}

void FileStore::read(std::string_view key, std::uint64_t offset, MutableBytes out) {
  const DescriptorCache::Shared fd = tree_->open_shared(key);
  if (pread_full(fd->get(), out, offset, tree_->path_of(key)) != out.size()) {
    throw Error(Code::kCorrupt, "object " + std::string(key) + " is shorter than expected");
  }
}

std::optional<ObjectInfo> FileStore::stat(std::string_view key) { return tree_->stat(key); }

void FileStore::list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) {
  const std::size_t slash = prefix.find_last_of('/');
  if (slash == std::string_view::npos) return tree_->walk("", prefix, visit);
  const std::string parent(prefix.substr(0, slash + 1));
  // No key has such a part, and a path with ".." must not leave the directory.
  if (is_reserved_key(parent) || !is_object_name(parent.substr(0, slash))) return;
  tree_->walk(parent, prefix.substr(slash + 1), visit);
}

void FileStore::remove(std::string_view key) {
  if (!tree_->stat(key)) return;
  with_advice(tree_->root(), [&] { tree_->exclusively([&] { tree_->remove(key); }); });
}

}  // namespace holdfast
