#include "store/s3/s3_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "os/mutex.h"
#include "store/s3/archive.h"
#include "store/s3/client.h"
#include "store/s3/listing.h"
#include "store/s3/ranges.h"
#include "store/s3/retention.h"
#include "store/s3/upload.h"
#include "store/s3/versions.h"
#include "store/s3/whole_object.h"

namespace holdfast {
namespace {

constexpr std::string_view kScheme = "s3://";

bool is_bucket_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  const auto edge = [&](char c) { return fits(c) && c != '-' && c != '.'; };
  return name.size() >= 3 && name.size() <= 63 && std::all_of(name.begin(), name.end(), fits) &&
         edge(name.front()) && edge(name.back()) && name.find("..") == name.npos;
}

// Any string may be asked for as a prefix; what no key can begin with need not be asked at all.
bool can_begin_a_key(std::string_view prefix) {
  if (prefix.empty()) return true;
  std::string probe(prefix);
  if (probe.back() == '/' || probe.back() == '.') probe += 'x';
  try {
    check_key(probe);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool is_key(std::string_view key) {
  try {
    check_key(key);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Listings say fractions of seconds and headers do not; both must say the same.
Timestamp whole_seconds(Timestamp time) {
  return Timestamp{std::chrono::floor<std::chrono::seconds>(time.time_since_epoch())};
}

}  // namespace

S3Url parse_s3_url(const std::string& url) {
  if (!url.starts_with(kScheme)) {
    throw Error(Code::kInvalid, "'" + printable(url) + "' is no address of a bucket",
                "write s3://BUCKET or s3://BUCKET/PREFIX");
  }
  std::string_view rest = std::string_view(url).substr(kScheme.size());
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t slash = rest.find('/');
  S3Url parsed{std::string(rest.substr(0, slash)), {}};
  if (!is_bucket_name(parsed.bucket)) {
    throw Error(Code::kInvalid, "'" + printable(parsed.bucket) + "' is no name for a bucket",
                "3 to 63 of a-z, 0-9, '-' and '.', with a letter or digit at both ends");
  }
  if (slash != std::string_view::npos) {
    const std::string_view prefix = rest.substr(slash + 1);
    check_key(prefix);
    parsed.prefix = std::string(prefix) + "/";
  }
  return parsed;
}

struct S3Store::State {
  State(const S3Url& where, const S3Options& options, Clock& clock, std::stop_token stop)
      : prefix(where.prefix), client(where.bucket, options, clock, std::move(stop)) {}

  std::string full(std::string_view key) const {
    check_key(key);
    return prefix + std::string(key);
  }
  void require_writable() const {
    if (!client.options().as_of) return;
    throw Error(Code::kDenied,
                "the bucket is seen as it was at " + format_rfc3339(*client.options().as_of) +
                    ", and can only be read",
                "leave --as-of away to change it");
  }
  // With as_of: the version of that time. Throws kNotFound when there was none.
  std::optional<ObjectVersion> version_of(const std::string& full_key) {
    const auto& known = past();
    const auto found = known.find(full_key);
    if (found == known.end()) return std::nullopt;
    return found->second;
  }
  // Whether objects of the bucket can be locked at all; asked once.
  bool has_locks() {
    if (client.options().lock != LockMode::kNone) return true;
    MutexLock lock(mutex);
    if (!locks) locks = bucket_has_locks(client);
    return *locks;
  }
  const std::map<std::string, ObjectVersion>& past() {
    MutexLock lock(mutex);
    if (!versions) versions = versions_at(client, prefix, *client.options().as_of);
    return *versions;  // never changed once it is there
  }
  // The request for an object, in the version that is meant.
  S3Request request_for(std::string_view key) {
    S3Request request;
    request.key = full(key);
    if (!client.options().as_of) return request;
    const auto version = version_of(request.key);
    if (!version) {
      throw Error(Code::kNotFound, fmt::format("there was no {} at {}", request.key,
                                               format_rfc3339(*client.options().as_of)));
    }
    request.query = {{"versionId", version->version}};
    return request;
  }
  // That writes an object that lies in memory.
  S3Request put_of(std::string_view key, ByteView data) const {
    return {.method = "PUT",
            .key = full(key),
            .headers = object_headers(client, key, data.size()),
            .body = body_of(data)};
  }
  // What lies below `prefix` now, with its storage class.
  void list_now(std::string_view below,
                const std::function<void(const ObjectInfo&, std::string_view)>& visit) {
    list_bucket(client, prefix + std::string(below), [&](const BucketObject& object) {
      ObjectInfo info = object.info;
      info.key.erase(0, prefix.size());
      if (is_key(info.key)) visit(info, object.storage_class);
    });
  }
  // The version that as_of means; empty: the one that is there.
  std::string version_id(std::string_view key) {
    const S3Request request = request_for(key);
    return request.query.empty() ? std::string() : request.query.front().second;
  }
  ObjectInfo info_of(const ObjectVersion& version) const {
    return {version.key.substr(prefix.size()), version.size, whole_seconds(version.modified),
            version.etag};
  }

  const std::string prefix;
  S3Client client;
  SpoolFiles spool_files;
  Mutex mutex;
  std::optional<bool> locks GUARDED_BY(mutex);
  std::optional<std::map<std::string, ObjectVersion>> versions GUARDED_BY(mutex);
};

class S3Store::Staged final : public StagedObject {
 public:
  // `over`: in the place of what is there.
  Staged(std::shared_ptr<State> state, bool over)
      : state_(std::move(state)),
        over_(over),
        spool_(state_->spool_files, state_->client.options().upload_part) {}

  void append(ByteView data) override {
    require_open();
    spool_.append(data);
  }

  bool commit(std::string_view key, std::string_view sha256) override {
    require_open();
    committed_ = true;
    return send_upload(state_->client,
                       {.key = state_->full(key),
                        .headers = object_headers(state_->client, key, spool_.size()),
                        .sha256 = std::string(sha256),
                        .over = over_},
                       spool_);
  }

 private:
  void require_open() const {
    if (committed_) throw Error(Code::kInternal, "the staged object was committed before");
  }

  const std::shared_ptr<State> state_;
  const bool over_;
  Spool spool_;
  bool committed_ = false;
};

S3Store::S3Store(const std::string& url, const S3Options& options, Clock& clock,
                 std::stop_token stop)
    : state_(std::make_shared<State>(parse_s3_url(url), options, clock, std::move(stop))) {}

S3Store::~S3Store() = default;

StoreTraits S3Store::traits() const {
  const S3Options& options = state_->client.options();
  std::string url = std::string(kScheme) + state_->client.bucket();
  if (!state_->prefix.empty()) url += "/" + state_->prefix.substr(0, state_->prefix.size() - 1);
  return {.url = url,
          .conditional_create = !options.emulate_conditions,
          .conditional_replace = !options.emulate_conditions,
          .can_remove = !options.as_of,
          .parallelism = options.connections,
          .remote = true};
}

void S3Store::put(std::string_view key, ByteView data) {
  state_->require_writable();
  state_->client.send(state_->put_of(key, data));
}

bool S3Store::put_new(std::string_view key, ByteView data) {
  state_->require_writable();
  return put_if(state_->client, state_->put_of(key, data), "");
}

bool S3Store::replace(std::string_view key, ByteView data, std::string_view etag) {
  state_->require_writable();
  if (etag.empty()) return false;
  return put_if(state_->client, state_->put_of(key, data), etag);
}

std::unique_ptr<StagedObject> S3Store::stage() {
  state_->require_writable();
  return std::make_unique<Staged>(state_, false);
}

std::unique_ptr<StagedObject> S3Store::stage_over() {
  state_->require_writable();
  return std::make_unique<Staged>(state_, true);
}

Bytes S3Store::get(std::string_view key) {
  return std::move(get_whole(state_->client, state_->request_for(key)).body);
}

void S3Store::read(std::string_view key, std::uint64_t offset, MutableBytes out) {
  S3Request request = state_->request_for(key);
  if (!out.empty()) read_range(state_->client, std::move(request), offset, out);
}

void S3Store::read_through(std::string_view key, std::uint64_t size,
                           const std::function<void(ByteView)>& visit) {
  stream_ranges(state_->client, state_->request_for(key), size, visit);
}

std::optional<ObjectInfo> S3Store::stat(std::string_view key) {
  const std::string full_key = state_->full(key);
  if (state_->client.options().as_of) {
    const auto version = state_->version_of(full_key);
    if (!version) return std::nullopt;
    return state_->info_of(*version);
  }
  auto found = look_at(state_->client, full_key);
  if (!found) return std::nullopt;
  found->info.key = key;
  return std::move(found->info);
}

void S3Store::list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) {
  if (!can_begin_a_key(prefix)) return;
  if (state_->client.options().as_of) {
    const std::string full_prefix = state_->prefix + std::string(prefix);
    const auto& past = state_->past();
    for (auto at = past.lower_bound(full_prefix);
         at != past.end() && at->first.starts_with(full_prefix); ++at) {
      if (is_key(at->first.substr(state_->prefix.size()))) visit(state_->info_of(at->second));
    }
    return;
  }
  state_->list_now(prefix, [&](const ObjectInfo& object, std::string_view) { visit(object); });
}

void S3Store::remove(std::string_view key) {
  state_->require_writable();
  state_->client.send({.method = "DELETE", .key = state_->full(key), .expected = {404}});
}

std::optional<Timestamp> S3Store::locked_until(std::string_view key) {
  const std::string full_key = state_->full(key);
  if (!state_->has_locks()) return std::nullopt;
  const auto until = retention_of(state_->client, full_key).until;
  if (!until || *until <= state_->client.store_time()) return std::nullopt;
  return until;
}

void S3Store::lock_until(std::string_view key, Timestamp until) {
  state_->require_writable();
  const std::string full_key = state_->full(key);
  if (!state_->has_locks()) ObjectStore::lock_until(key, until);
  extend_retention(state_->client, full_key, until);
}

Tier S3Store::tier(std::string_view key) {
  return tier_of(state_->client, state_->full(key), state_->version_id(key));
}

void S3Store::list_archived(std::string_view prefix,
                            const std::function<void(const ObjectInfo&)>& visit) {
  // The list of versions that as_of reads has no storage classes.
  if (state_->client.options().as_of) return list(prefix, visit);
  if (!can_begin_a_key(prefix)) return;
  state_->list_now(prefix, [&](const ObjectInfo& object, std::string_view storage_class) {
    if (is_archive_class(storage_class)) visit(object);
  });
}

void S3Store::thaw(std::string_view key, unsigned days) {
  request_thaw(state_->client, state_->full(key), days, state_->version_id(key));
}

void S3Store::clean_up() {
  state_->require_writable();
  abort_uploads(state_->client, state_->prefix, state_->client.store_time() - std::chrono::days{1});
}

S3Client& S3Store::client() const { return state_->client; }

const std::string& S3Store::prefix() const { return state_->prefix; }

}  // namespace holdfast
