// Somebody has the S3 key and the key ring of a host that is backed up, and wants history gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <random>

#include "base/error.h"
#include "lab/tenants.h"
#include "protect/world.h"
#include "store/s3/retention.h"
#include "store/s3/versions.h"
#include "vault/segment.h"

namespace holdfast::test {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr const char* kPrefixes[] = {"files/", "data/", "meta/",
                                     "index/", "keys/", "holdfast.json"};

class StolenWriterKey : public ::testing::Test {
 protected:
  StolenWriterKey(BucketKind kind, LockMode lock)
      : bucket_(new_bucket(kind)),
        owner_(tenant_store(bucket_, tenant_options(kLabOwner, lock))),
        writer_(tenant_store(bucket_, tenant_options(kLabWriter, lock))),
        thief_(writer_.client()) {
    vault_ = tiny_vault(owner_, system_clock(), ring_);
    store_key(owner_, wrap_key_ring(ring_, KeyFileSecret{}, "", system_clock().now()));
    make_small_tree(tree_, random_);
    kept_.push_back(keep_backup(*vault_, job_of(tree_, "first"), tree_));
    change_tree(tree_, random_);
  }
  // To be called when the writer has its rights: half of history is its own work.
  void begin() {
    kept_.push_back(keep_backup(*thiefs_vault(), job_of(tree_, "second"), tree_));
    remember_versions();
  }

  // The newest version of each object, which the thief is supposed to know.
  void remember_versions() {
    versions_ = versions_at(owner_.client(), owner_.prefix(), system_clock().now());
  }
  std::vector<ObjectVersion> victims() const {
    std::vector<ObjectVersion> victims;
    for (const auto& [key, version] : versions_) {
      const std::string name = key.substr(owner_.prefix().size());
      const bool wanted = std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                                      [&](const char* prefix) { return name.starts_with(prefix); });
      if (wanted) victims.push_back(version);
    }
    return victims;
  }
  // What the store answers to the thief; a request that carries an error in a 200 is looked at by
  // its effect.
  int attempt(S3Request request) {
    request.expected = {400, 403, 404, 405, 409, 412};
    return thief_.send(request).http.status;
  }
  int attempt(const char* method, const std::string& key, const QueryParameters& query = {},
              std::string_view body = {}, const HeaderList& headers = {}) {
    S3Request request;
    request.method = method;
    request.key = key;
    request.query = query;
    request.headers = headers;
    request.body = body_of(as_bytes(body));
    return attempt(std::move(request));
  }
  // A time that everything so far is before and everything from now on is after, by the store's
  // clock, which is this machine's and counts milliseconds.
  Timestamp between() {
    const auto moment = std::chrono::ceil<milliseconds>(system_clock().now().time_since_epoch());
    while (system_clock().now() < Timestamp{moment + milliseconds{2}}) owner_.stat("holdfast.json");
    return Timestamp{moment};
  }
  std::string trouble(ObjectStore& store) { return vault_trouble(store, ring_, {kept_}); }
  std::string trouble_at(Timestamp moment) {
    S3Options options = tenant_options(kLabOwner);
    options.as_of = moment;
    S3Store past = tenant_store(bucket_, options);
    return trouble(past);
  }
  std::unique_ptr<Vault> thiefs_vault() {
    return Vault::open(writer_, system_clock(), ring_.restricted_to(Role::kWriter), "");
  }

  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  const std::string tree_ = files_ / "src";
  std::mt19937_64 random_{7};
  const std::string bucket_;
  S3Store owner_;
  S3Store writer_;
  S3Client& thief_;
  std::unique_ptr<Vault> vault_;
  std::vector<Kept> kept_;
  std::map<std::string, ObjectVersion> versions_;
};

class LeastRights : public StolenWriterKey, public ::testing::WithParamInterface<LockMode> {
 protected:
  LeastRights() : StolenWriterKey(BucketKind::kLocked, GetParam()) {
    allow_writer(owner_.client(), least_policy(PolicyRole::kWriter, lab_place(bucket_)));
    begin();
  }
};

TEST_P(LeastRights, DeleteNothing) {
  ASSERT_GT(victims().size(), 2 * std::size(kPrefixes));
  for (const ObjectVersion& victim : victims()) {
    EXPECT_EQ(attempt("DELETE", victim.key), 403) << victim.key;
    EXPECT_EQ(attempt("DELETE", victim.key, {{"versionId", victim.version}}), 403) << victim.key;
    EXPECT_EQ(attempt("DELETE", victim.key, {{"versionId", victim.version}}, {},
                      {{"x-amz-bypass-governance-retention", "true"}}),
              403)
        << victim.key;
    attempt("POST", "", {{"delete", ""}},
            "<Delete><Object><Key>" + victim.key + "</Key></Object></Delete>");
  }
  EXPECT_EQ(attempt("DELETE", ""), 403) << "the bucket";
  EXPECT_EQ(trouble(owner_), "");
}

TEST_P(LeastRights, ShortenNoLock) {
  const Timestamp soon = system_clock().now() + std::chrono::seconds{5};
  for (const ObjectVersion& victim : victims()) {
    const Retention before = retention_of(owner_.client(), victim.key);
    ASSERT_TRUE(before.until.has_value()) << victim.key << " is not locked";
    for (const char* mode : {"GOVERNANCE", "COMPLIANCE"}) {
      const std::string shorter = std::string("<Retention><Mode>") + mode +
                                  "</Mode><RetainUntilDate>" + format_rfc3339(soon) +
                                  "</RetainUntilDate></Retention>";
      EXPECT_EQ(attempt("PUT", victim.key, {{"retention", ""}}, shorter,
                        {{"x-amz-bypass-governance-retention", "true"}}),
                403)
          << victim.key;
    }
    EXPECT_EQ(retention_of(owner_.client(), victim.key).until, before.until) << victim.key;
  }
}

TEST_P(LeastRights, ChangeNothingOfTheBucket) {
  const std::pair<const char*, const char*> settings[] = {
      {"policy", "{\"Version\":\"2012-10-17\",\"Statement\":[]}"},
      {"versioning",
       "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"},
      {"lifecycle",
       "<LifecycleConfiguration><Rule><ID>x</ID><Filter><Prefix></Prefix></Filter>"
       "<Status>Enabled</Status><Expiration><Days>1</Days></Expiration>"
       "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
       "</NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"},
      {"object-lock",
       "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
       "</ObjectLockConfiguration>"},
  };
  for (const auto& [setting, document] : settings) {
    EXPECT_EQ(attempt("PUT", "", {{setting, ""}}, document), 403) << setting;
  }
  EXPECT_EQ(attempt("DELETE", "", {{"policy", ""}}), 403);
  EXPECT_EQ(attempt("DELETE", "", {{"lifecycle", ""}}), 403);
  EXPECT_EQ(bucket_versioning(owner_.client()), Versioning::kEnabled);
}

TEST_P(LeastRights, ReadNothing) {
  const auto vault = thiefs_vault();
  const TempDir out;
  for (const Kept& kept : kept_) {
    try {
      bring_back(*vault, kept.name, out / "out");
      ADD_FAILURE() << "a writer read " << kept.name.id();
    } catch (const Error& refused) {
      EXPECT_EQ(refused.code(), Code::kDenied) << refused.what();
    }
  }
}

// Keys and the configuration are not even a writer's to create. The rest can be overwritten on a
// store without AWS's conditions; the way back is to look at the time before.
TEST_P(LeastRights, OverwriteInVain) {
  const Timestamp before = between();
  EXPECT_EQ(attempt("PUT", "vault/holdfast.json", {}, "{}"), 403);
  EXPECT_EQ(attempt("PUT", "vault/keys/0123456789abcdef.json", {}, "{}"), 403);
  for (const auto& [key, version] : versions_) {
    if (key.ends_with(".json")) continue;
    attempt("PUT", key, {}, "garbage");
  }
  EXPECT_THAT(trouble(owner_), ::testing::Not(""))
      << "the attack had no effect, so nothing is shown";
  EXPECT_EQ(trouble_at(before), "");
}

// With the key ring one can do better than garbage: a segment that says that it replaces all others
// hides every chunk.
TEST_P(LeastRights, HideTheIndexInVain) {
  const Timestamp before = between();
  const auto vault = thiefs_vault();
  SegmentBuilder hiding;
  for (const ObjectInfo& segment : list_objects(writer_, "index/")) {
    hiding.cover(parse_segment_key(segment.key).value());
  }
  write_segment(writer_, vault->ring(), hiding.build());
  EXPECT_THAT(trouble(owner_), HasSubstr("unsound"));
  EXPECT_EQ(trouble_at(before), "");
}

// The rights are not so few that the honest owner of the key could not work, even afterwards.
TEST_P(LeastRights, StillBackUp) {
  for (const auto& [key, version] : versions_) {
    if (key.starts_with("vault/data/") || key.starts_with("vault/files/")) {
      EXPECT_EQ(attempt("PUT", key, {}, "garbage"), 200) << key;
    }
  }
  write_text(tree_ + "/new", noise(random_, 20'000));
  const Kept made = keep_backup(*thiefs_vault(), job_of(files_ / "src", "third"), tree_);
  const auto present = list_backups(owner_);
  EXPECT_NO_THROW(find_backup(present, made.name.id()));
  EXPECT_THAT(list_objects(owner_, "lease/"), ::testing::IsEmpty()) << "a lease was left";

  // What is new in it is there; what it shares with the overwritten packs needs them.
  const TempDir fresh;
  make_small_tree(fresh / "src", random_);
  const Kept whole = keep_backup(*thiefs_vault(), job_of(fresh / "src", "fourth"), fresh / "src");
  EXPECT_EQ(restore_trouble(*vault_, whole), "");
}

INSTANTIATE_TEST_SUITE_P(Lock, LeastRights,
                         ::testing::Values(LockMode::kGovernance, LockMode::kCompliance),
                         [](const auto& lock) {
                           return lock.param == LockMode::kGovernance ? "Governance" : "Compliance";
                         });

// The same attack with more rights and without versions succeeds: the tests above can fail.
class TooManyRights : public StolenWriterKey {
 protected:
  TooManyRights() : StolenWriterKey(BucketKind::kPlain, LockMode::kNone) {
    auto statements = least_policy(PolicyRole::kWriter, lab_place(bucket_));
    statements.push_back({"Weak", {"s3:DeleteObject"}, {"arn:aws:s3:::" + bucket_ + "/vault/*"}});
    allow_writer(owner_.client(), statements);
    begin();
  }
};

TEST_F(TooManyRights, DestroyHistory) {
  const Timestamp before = between();
  for (const ObjectVersion& victim : victims()) {
    EXPECT_EQ(attempt("DELETE", victim.key), 204) << victim.key;
  }
  EXPECT_THAT(trouble(owner_), ::testing::Not(""));
  EXPECT_THAT(trouble_at(before), ::testing::Not("")) << "there are no versions to go back to";
}

TEST_F(TooManyRights, OverwriteHistory) {
  const Timestamp before = between();
  for (const ObjectVersion& victim : victims()) {
    if (!victim.key.ends_with(".json")) attempt("PUT", victim.key, {}, "garbage");
  }
  EXPECT_THAT(trouble_at(before), ::testing::Not(""));
}

}  // namespace
}  // namespace holdfast::test
