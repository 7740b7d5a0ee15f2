// Objects in a bucket of an S3-compatible store.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "os/clock.h"
#include "store/object_store.h"
#include "store/s3/options.h"

namespace holdfast {

class S3Client;

// s3://BUCKET[/PREFIX]: the key of an object is PREFIX/KEY. Beyond the contract:
// - staged objects wait in an unnamed file of the temporary directory until their key is known, and
//   go up from there, large ones in parts and several parts at once;
// - create-if-absent and replace need If-None-Match and If-Match of the store; without them
//   (S3Store::probe says so) a look before the write stands in, which two writers at the same
//   instant can defeat;
// - with a lock, every object is written with a retain-until date;
// - with `as_of`, it only reads, and reads the versions that were current then.
class S3Store final : public ObjectStore {
 public:
  // Makes no request. Throws kInvalid for a bad bucket name or prefix.
  S3Store(const std::string& url, const S3Options& options, Clock& clock,
          std::stop_token stop = {});
  ~S3Store() override;

  StoreTraits traits() const override;
  void put(std::string_view key, ByteView data) override;
  bool put_new(std::string_view key, ByteView data) override;
  bool replace(std::string_view key, ByteView data, std::string_view etag) override;
  std::unique_ptr<StagedObject> stage() override;
  Bytes get(std::string_view key) override;
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override;
  void read_through(std::string_view key, std::uint64_t size,
                    const std::function<void(ByteView)>& visit) override;
  std::optional<ObjectInfo> stat(std::string_view key) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;
  std::optional<Timestamp> locked_until(std::string_view key) override;
  void lock_until(std::string_view key, Timestamp until) override;
  Tier tier(std::string_view key) override;
  void list_archived(std::string_view prefix,
                     const std::function<void(const ObjectInfo&)>& visit) override;
  void thaw(std::string_view key, unsigned days) override;
  void clean_up() override;

  // As stage(), but commit() puts the object in the place of one that is there, in one step, and is
  // always true.
  std::unique_ptr<StagedObject> stage_over();

  // Beyond objects: for what sets up or looks at the bucket itself.
  S3Client& client() const;
  const std::string& prefix() const;  // "" or "PREFIX/"

 private:
  class Staged;
  struct State;
  std::shared_ptr<State> state_;
};

// "s3://BUCKET[/PREFIX]" taken apart; the prefix is empty or ends in '/'. Throws Error(kInvalid).
struct S3Url {
  std::string bucket;
  std::string prefix;
};
S3Url parse_s3_url(const std::string& url);

}  // namespace holdfast
