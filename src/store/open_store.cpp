#include "store/open_store.h"

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "os/file.h"
#include "store/file_store.h"
#include "store/s3/bucket.h"
#include "store/s3/s3_store.h"
#include "store/wrappers.h"

namespace holdfast {
namespace {

constexpr std::string_view kKnownStores =
    "known are s3://BUCKET[/PREFIX], file:///DIRECTORY and plain paths";

struct OwnedStores {
  explicit OwnedStores(std::unique_ptr<ObjectStore> inner)
      : store(std::move(inner)), read_only(*store) {}
  std::unique_ptr<ObjectStore> store;
  ReadOnlyStore read_only;
};

// A read-only store that owns what it protects. The owner is a base so that it is built first.
class OwningReadOnlyStore final : private OwnedStores, public ForwardingStore {
 public:
  explicit OwningReadOnlyStore(std::unique_ptr<ObjectStore> inner)
      // Without the cast this would be a copy of the wrapper's base, which refuses nothing.
      : OwnedStores(std::move(inner)),
        ForwardingStore(static_cast<ObjectStore&>(OwnedStores::read_only)) {}
  void read_through(std::string_view key, std::uint64_t size,
                    const std::function<void(ByteView)>& visit) override {
    inner().read_through(key, size, visit);
  }
};

std::string directory_of(const std::string& url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string::npos) {
    if (url.empty()) throw Error(Code::kInvalid, "the address of the store is empty");
    return url;
  }
  const std::string scheme = url.substr(0, colon);
  if (scheme != "file") {
    throw Error(Code::kInvalid,
                "unknown kind of store '" + scheme + "://'; " + std::string(kKnownStores));
  }
  std::string path = url.substr(colon + 3);
  if (!path.starts_with('/')) {
    throw Error(Code::kInvalid, "'" + url + "' does not name an absolute path",
                "write three slashes: file:///srv/vault");
  }
  return path;
}

// Other users must not see a vault unless somebody decides so; its parents are ordinary.
void create_private_directory(const std::string& given) {
  std::filesystem::path path = std::filesystem::absolute(given).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path_exists(path)) return;
  make_directories(path.parent_path());
  make_directories(path, 0700);
  sync_directory(path.parent_path());
}

std::unique_ptr<ObjectStore> open_directory(const std::string& url,
                                            const OpenStoreOptions& options) {
  const std::string directory = directory_of(url);
  if (options.create && !options.read_only) create_private_directory(directory);
  const auto access =
      options.read_only ? FileStore::Access::kRead : FileStore::Access::kReadAndWrite;
  return std::make_unique<FileStore>(directory, access);
}

std::unique_ptr<ObjectStore> open_bucket(const std::string& url, const OpenStoreOptions& options) {
  auto store = std::make_unique<S3Store>(url, options.s3, *options.clock, options.stop);
  if (options.create && !options.read_only) {
    ensure_bucket(store->client());
  } else if (options.looks) {
    require_bucket(store->client());
  }
  return store;
}

}  // namespace

bool is_s3_url(const std::string& url) { return url.starts_with("s3://"); }

std::unique_ptr<ObjectStore> open_store(const std::string& url, const OpenStoreOptions& options) {
  auto store = is_s3_url(url) ? open_bucket(url, options) : open_directory(url, options);
  if (!options.read_only && !options.s3.as_of) return store;
  return std::make_unique<OwningReadOnlyStore>(std::move(store));
}

}  // namespace holdfast
