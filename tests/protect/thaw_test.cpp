// Restores from an archive tier: which packs, asking, waiting.
#include "protect/thaw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "os/mutex.h"
#include "protect/copy.h"
#include "protect/repair.h"
#include "protect/world.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "store/wrappers.h"
#include "support/scripted_server.h"

namespace holdfast::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Objects of it can be archived: they cannot be read until they were asked for and an hour is over.
class ArchiveStore final : public ForwardingStore {
 public:
  ArchiveStore(ObjectStore& store, Clock& clock) : ForwardingStore(store), clock_(clock) {}

  void archive(const std::string& key) {
    MutexLock lock(mutex_);
    archived_[key] = std::nullopt;
  }
  // As Ceph: the tier is a name and no more.
  void read_at_once() { readable_ = true; }
  // Asked for and then forgotten by the store, so many times.
  void forget_requests(int count) {
    MutexLock lock(mutex_);
    forget_ = count;
  }
  std::vector<std::string> asked() const {
    MutexLock lock(mutex_);
    return asked_;
  }
  unsigned looks() const { return looks_; }

  Bytes get(std::string_view key) override {
    require_ready(key);
    return ForwardingStore::get(key);
  }
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override {
    require_ready(key);
    ForwardingStore::read(key, offset, out);
  }
  Tier tier(std::string_view key) override {
    ++looks_;
    if (!stat(key)) throw Error(Code::kNotFound, std::string(key) + " is gone");
    return state(key);
  }
  void list_archived(std::string_view prefix,
                     const std::function<void(const ObjectInfo&)>& visit) override {
    list(prefix, [&](const ObjectInfo& info) {
      MutexLock lock(mutex_);
      if (archived_.contains(info.key)) visit(info);
    });
  }
  void thaw(std::string_view key, unsigned days) override {
    MutexLock lock(mutex_);
    asked_.push_back(std::string(key) + " for " + std::to_string(days));
    if (forget_ > 0) {
      --forget_;
      return;
    }
    const auto found = archived_.find(std::string(key));
    if (found != archived_.end() && !found->second) {
      found->second = clock_.monotonic() + hours{1};
    }
  }

 private:
  Tier state(std::string_view key) const {
    MutexLock lock(mutex_);
    const auto found = archived_.find(std::string(key));
    if (found == archived_.end()) return Tier::kReady;
    if (!found->second) return Tier::kArchived;
    return clock_.monotonic() >= *found->second ? Tier::kReady : Tier::kThawing;
  }
  void require_ready(std::string_view key) const {
    if (readable_ || state(key) == Tier::kReady) return;
    throw Error(Code::kUnsupported, std::string(key) + " is in an archive");
  }

  Clock& clock_;
  bool readable_ = false;
  std::atomic<unsigned> looks_{0};
  mutable Mutex mutex_;
  // When it can be read; nothing: when it was asked for.
  std::map<std::string, std::optional<Duration>> archived_ GUARDED_BY(mutex_);
  std::vector<std::string> asked_ GUARDED_BY(mutex_);
  int forget_ GUARDED_BY(mutex_) = 0;
};

class Thaw : public testing::Test {
 protected:
  Thaw() {
    std::mt19937_64 random(7);
    for (const char* name : {"/a", "/b", "/c"}) {
      write_text(tree_ / name, noise(random, 40'000));
    }
    make_small_tree(tree_ / "more", random);
    kept_ = keep_backup(*vault_, job_of(tree_.path()), tree_.path());
  }

  std::vector<std::string> packs() {
    std::vector<std::string> keys;
    for (const ObjectInfo& info : list_objects(store_, "data/")) keys.push_back(info.key);
    return keys;
  }
  void archive_all() {
    for (const std::string& key : packs()) store_.archive(key);
  }
  RestoreJob job(const std::vector<std::string>& includes = {}) const {
    RestoreJob job;
    job.backup = kept_.name;
    job.includes = includes;
    return job;
  }
  ThawPlan plan(const std::vector<std::string>& includes = {}) {
    return plan_thaw(store_, packs_of_restore(*vault_, job(includes), {}), {});
  }
  void wait(const ThawPlan& plan, std::stop_token stop = {}) {
    wait_for_packs(
        store_, manual_, plan, 3, [&](const ThawStatus& status) { seen_.push_back(status); }, stop);
  }

  ManualClock manual_{Timestamp{hours{24 * 365 * 50}}};
  MemoryStore memory_{system_clock()};
  ArchiveStore store_{memory_, manual_};
  StandingClock clock_;
  KeyRing ring_ = new_key_ring();
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
  TempDir tree_;
  Kept kept_;
  std::vector<ThawStatus> seen_;
};

TEST_F(Thaw, NothingArchivedIsSeenFromOneListing) {
  EXPECT_FALSE(may_have_archived(store_));
  EXPECT_EQ(store_.looks(), 0U);
  store_.archive(packs()[0]);
  EXPECT_TRUE(may_have_archived(store_));
}

TEST_F(Thaw, ARestoreOfEverythingNeedsEveryPack) {
  std::vector<std::string> keys;
  for (const NeededPack& pack : packs_of_restore(*vault_, job(), {})) {
    keys.push_back(pack.key);
    EXPECT_EQ(pack.size, memory_.stat(pack.key)->size);
  }
  EXPECT_EQ(keys, packs());
  EXPECT_GT(keys.size(), 5U);
}

TEST_F(Thaw, APartOfABackupNeedsOnlyItsPacks) {
  const std::string path = (tree_ / "a").substr(1);
  const auto needed = packs_of_restore(*vault_, job({path}), {});
  EXPECT_THAT(needed, testing::Not(IsEmpty()));
  EXPECT_LT(needed.size(), packs().size());
  // Nothing else is read: with all others away and these asked for, the file comes back.
  archive_all();
  const ThawPlan plan = plan_thaw(store_, needed, {});
  EXPECT_EQ(plan.archived.size(), needed.size());
  request_packs(store_, plan, 3, {});
  wait(plan);
  EXPECT_THAT(store_.asked(), SizeIs(needed.size()));
  TempDir target;
  RestoreJob restore = job({path});
  restore.target = target.path();
  RestoreProgress progress;
  Warnings warnings;
  const RestoreResult result = run_restore(*vault_, restore, progress, warnings, {});
  EXPECT_EQ(result.damaged, 0U);
  EXPECT_EQ(read_text(target / path), read_text(tree_ / "a"));
}

TEST_F(Thaw, WithoutAskingARestoreEndsInsteadOfLosingFiles) {
  archive_all();
  TempDir target;
  expect_error(Code::kUnsupported, [&] { bring_back(*vault_, kept_.name, target.path()); });
}

TEST_F(Thaw, PlansWhatIsArchivedAndWhatWasAskedFor) {
  const std::vector<std::string> keys = packs();
  store_.archive(keys[0]);
  store_.archive(keys[1]);
  store_.thaw(keys[1], 3);
  const ThawPlan plan = this->plan();
  ASSERT_THAT(plan.archived, SizeIs(1));
  EXPECT_EQ(plan.archived[0].key, keys[0]);
  ASSERT_THAT(plan.thawing, SizeIs(1));
  EXPECT_EQ(plan.thawing[0].key, keys[1]);
  EXPECT_EQ(plan.packs(), 2U);
  EXPECT_EQ(plan.bytes(), memory_.stat(keys[0])->size + memory_.stat(keys[1])->size);
}

TEST_F(Thaw, LooksOnlyAtWhatTheListingNamesWhenThereAreMany) {
  std::vector<NeededPack> many;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "data/aa/" + std::to_string(1000 + i);
    memory_.put(key, as_bytes("x"));
    many.push_back({key, 1});
  }
  store_.archive(many[3].key);
  const ThawPlan plan = plan_thaw(store_, many, {});
  EXPECT_THAT(plan.archived, SizeIs(1));
  EXPECT_EQ(store_.looks(), 1U);
}

TEST_F(Thaw, AStoreThatReadsItsArchiveAtOnceNeedsNoWaiting) {
  archive_all();
  EXPECT_FALSE(plan().empty());
  store_.read_at_once();
  EXPECT_TRUE(plan().empty());
}

TEST_F(Thaw, PacksThatAreGoneAreNotWaitedFor) {
  std::vector<NeededPack> needed = packs_of_restore(*vault_, job(), {});
  archive_all();
  const ThawPlan before = plan_thaw(store_, needed, {});
  memory_.remove(needed[0].key);
  EXPECT_EQ(plan_thaw(store_, needed, {}).packs(), needed.size() - 1);
  request_packs(store_, before, 3, {});
  wait(before);
  EXPECT_EQ(seen_.back().ready_packs, needed.size());
}

TEST_F(Thaw, WaitsUntilAllCanBeReadAndThenTheBackupComesBack) {
  archive_all();
  const ThawPlan plan = this->plan();
  request_packs(store_, plan, 3, {});
  EXPECT_THAT(store_.asked(), testing::Contains(packs()[0] + " for 3"));
  const Duration begin = manual_.monotonic();
  wait(plan);
  EXPECT_EQ(manual_.monotonic() - begin, hours{1});
  EXPECT_THAT(seen_, SizeIs(61));  // at once and each minute
  EXPECT_EQ(seen_.front().ready_packs, 0U);
  EXPECT_EQ(seen_.front().packs, plan.packs());
  EXPECT_EQ(seen_.back().ready_packs, plan.packs());
  EXPECT_EQ(seen_.back().ready_bytes, plan.bytes());
  EXPECT_EQ(seen_.back().waited, Duration{hours{1}});
  EXPECT_EQ(store_.asked().size(), plan.packs());  // each once
  EXPECT_EQ(restore_trouble(*vault_, kept_), "");
}

TEST_F(Thaw, AsksAgainForWhatTheStoreForgot) {
  archive_all();
  const ThawPlan plan = this->plan();
  store_.forget_requests(2);
  request_packs(store_, plan, 3, {});
  wait(plan);
  EXPECT_EQ(store_.asked().size(), plan.packs() + 2);
}

TEST_F(Thaw, ManyPacksAreLookedAtInBatches) {
  std::vector<NeededPack> many;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "data/aa/" + std::to_string(1000 + i);
    memory_.put(key, as_bytes("x"));
    store_.archive(key);
    many.push_back({key, 1});
  }
  const ThawPlan plan = plan_thaw(store_, many, {});
  request_packs(store_, plan, 3, {});
  const unsigned before = store_.looks();
  wait(plan);
  EXPECT_EQ(seen_.back().ready_packs, 1000U);
  // Not 1,000 a minute.
  EXPECT_LT(store_.looks() - before, 61U * 200U + 1001U);
}

TEST_F(Thaw, AStopEndsTheWaiting) {
  archive_all();
  const ThawPlan plan = this->plan();
  request_packs(store_, plan, 3, {});
  std::stop_source stop;
  const Duration begin = manual_.monotonic();
  expect_error(Code::kCancelled, [&] {
    wait_for_packs(
        store_, manual_, plan, 3,
        [&](const ThawStatus& status) {
          if (status.waited >= minutes{5}) stop.request_stop();
        },
        stop.get_token());
  });
  EXPECT_LT(manual_.monotonic() - begin, hours{1});
  EXPECT_EQ(store_.asked().size(), plan.packs());
}

// Takes every request for an object, and goes on saying that nobody asked.
class StubbornStore final : public ForwardingStore {
 public:
  StubbornStore(ObjectStore& inner, unsigned readable_after)
      : ForwardingStore(inner), readable_after_(readable_after) {}
  Tier tier(std::string_view) override { return Tier::kArchived; }
  void thaw(std::string_view, unsigned) override { ++asked_; }
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override {
    if (asked_ < readable_after_) throw Error(Code::kUnsupported, "InvalidObjectState");
    ForwardingStore::read(key, offset, out);
  }
  unsigned asked() const { return asked_; }

 private:
  const unsigned readable_after_;
  std::atomic<unsigned> asked_{0};
};

TEST_F(Thaw, WhatNeverComesEndsTheWaiting) {
  StubbornStore store(memory_, 1000);
  const std::vector<NeededPack> needed{{packs()[0], 100}};
  const ThawPlan plan = plan_thaw(store, needed, {});
  ASSERT_EQ(plan.archived.size(), 1U);
  request_packs(store, plan, 3, {});
  const Duration begin = manual_.monotonic();
  std::string message;
  try {
    wait_for_packs(store, manual_, plan, 3, [](const ThawStatus&) {}, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    message = error.message();
  }
  EXPECT_THAT(message, HasSubstr(packs()[0] + " does not come out of the archive tier"));
  EXPECT_EQ(store.asked(), kThawTries);
  EXPECT_EQ(manual_.monotonic() - begin, minutes{4});
}

TEST_F(Thaw, WhatCanBeReadIsReadyWhateverItsTierSays) {
  StubbornStore store(memory_, kThawTries);
  const std::vector<NeededPack> needed{{packs()[0], 100}};
  const ThawPlan plan = plan_thaw(store, needed, {});
  request_packs(store, plan, 3, {});
  std::size_t ready = 0;
  wait_for_packs(store, manual_, plan, 3,
                 [&](const ThawStatus& status) { ready = status.ready_packs; }, {});
  EXPECT_EQ(ready, 1U);
}

TEST_F(Thaw, APruneRewritesNothingThatIsArchived) {
  std::mt19937_64 random(8);
  write_text(tree_ / "b", noise(random, 40'000));  // some of what the first backup had is kept
  clock_.advance(hours{1});
  const Kept second = keep_backup(*vault_, job_of(tree_.path()), tree_.path());
  memory_.remove(kept_.name.key());
  archive_all();
  const std::vector<std::string> before = packs();
  EXPECT_EQ(prune_now(*vault_).rewritten_packs, 0U);
  EXPECT_EQ(prune_now(*vault_).rewritten_packs, 0U);
  EXPECT_LT(packs().size(), before.size());  // what nobody needs goes all the same
  RestoreJob restore;
  restore.backup = second.name;
  const ThawPlan plan = plan_thaw(store_, packs_of_restore(*vault_, restore, {}), {});
  request_packs(store_, plan, 3, {});
  wait(plan);
  EXPECT_EQ(restore_trouble(*vault_, second), "");
}

TEST_F(Thaw, AValidationIsAskedBeforeItReads) {
  archive_all();
  ValidateJob validation;
  validation.backups = {kept_.name};
  validation.read_percent = 100;
  validation.record = false;
  std::size_t packs_seen = 0;
  validation.before_reading = [&](std::vector<NeededPack>& needed) {
    packs_seen = needed.size();
    const ThawPlan plan = plan_thaw(store_, needed, {});
    EXPECT_EQ(plan.archived.size(), packs().size());
    std::erase_if(needed, [](const NeededPack& pack) { return pack.key.starts_with("data/"); });
  };
  ValidateProgress progress;
  const ValidateResult result = validate(*vault_, validation, progress, {});
  EXPECT_TRUE(result.sound()) << findings_of(result);
  EXPECT_EQ(result.packs_read, packs_seen - packs().size());
}

// A copy or a repair that waits for what it reads, as the program does.
std::function<void(ObjectStore&, std::vector<NeededPack>&)> waiting(Clock& clock,
                                                                    std::size_t& packs) {
  return [&clock, &packs](ObjectStore& store, std::vector<NeededPack>& needed) {
    const ThawPlan plan = plan_thaw(store, needed, {});
    packs += plan.packs();
    request_packs(store, plan, 3, {});
    wait_for_packs(store, clock, plan, 3, [](const ThawStatus&) {}, {});
  };
}

TEST_F(Thaw, ACopyAsksForAllItReadsAndNoMore) {
  MemoryStore copy(system_clock());
  const std::vector<std::string> keys = packs();
  copy.put(keys[0], memory_.get(keys[0]));  // an earlier copy was interrupted
  copy.put("holdfast.json", memory_.get("holdfast.json"));
  archive_all();
  std::size_t asked = 0;
  CopyJob job;
  job.before_reading = [&](ObjectStore& store, std::vector<NeededPack> needed) {
    waiting(manual_, asked)(store, needed);
  };
  CopyProgress progress;
  copy_vault(store_, copy, job, progress, {});
  EXPECT_EQ(asked, keys.size() - 1);
  EXPECT_EQ(copy.get(keys.back()), memory_.get(keys.back()));
}

TEST_F(Thaw, AVerifyingCopyAsksForWhatItReadsAtTheDestination) {
  CopyProgress progress;
  MemoryStore place(system_clock());
  copy_vault(memory_, place, {}, progress, {});
  ArchiveStore copy(place, manual_);
  for (const std::string& key : packs()) copy.archive(key);
  std::size_t asked = 0;
  CopyJob job;
  job.verify = true;
  job.before_reading = [&](ObjectStore& store, std::vector<NeededPack> needed) {
    waiting(manual_, asked)(store, needed);
  };
  EXPECT_EQ(copy_vault(memory_, copy, job, progress, {}).healed, 0u);
  EXPECT_EQ(asked, packs().size());
}

TEST_F(Thaw, ADryVerifyingCopySaysWhatItCannotRead) {
  CopyProgress progress;
  MemoryStore place(system_clock());
  copy_vault(memory_, place, {}, progress, {});
  ArchiveStore copy(place, manual_);
  for (const std::string& key : packs()) copy.archive(key);
  CopyJob job;
  job.verify = true;
  job.dry_run = true;
  const CopyResult result = copy_vault(memory_, copy, job, progress, {});
  EXPECT_EQ(result.unverified_objects, packs().size());
  EXPECT_EQ(result.verified_objects + result.unverified_objects, result.present);
  EXPECT_THAT(copy.asked(), IsEmpty());
}

TEST_F(Thaw, AVerifyingCopyIntoAnArchiveDoesNotFetchWhatItSent) {
  MemoryStore place(system_clock());
  ArchiveStore copy(place, manual_);
  for (const std::string& key : packs()) copy.archive(key);  // as soon as they are there
  CopyJob job;
  job.verify = true;
  CopyProgress progress;
  const CopyResult result = copy_vault(memory_, copy, job, progress, {});
  EXPECT_EQ(result.unverified_objects, packs().size());
  EXPECT_EQ(result.verified_objects + result.unverified_objects, result.objects);
  EXPECT_THAT(copy.asked(), IsEmpty());
  EXPECT_EQ(place.get(packs().back()), memory_.get(packs().back()));
}

TEST_F(Thaw, ARepairAsksForWhatItReadsHereAndForWhatItFetches) {
  const Objects whole = objects_of(memory_);
  MemoryStore place(system_clock());
  fill(place, whole);
  ArchiveStore other(place, manual_);
  const std::vector<std::string> keys = packs();
  for (const std::string& key : keys) other.archive(key);
  memory_.remove(keys[0]);
  Bytes bytes = memory_.get(keys[1]);
  bytes[bytes.size() / 2] ^= 1;
  memory_.put(keys[1], bytes);
  archive_all();
  std::size_t asked = 0;
  RepairJob job;
  job.other = &other;
  job.before_reading = waiting(manual_, asked);
  const RepairResult result = repair(*vault_, job, {});
  EXPECT_THAT(result.unrepaired, testing::IsEmpty());
  EXPECT_EQ(other.asked().size(), 2u) << "what is good here is not asked for there";
  EXPECT_EQ(memory_.get(keys[0]), whole.at(keys[0]));
  EXPECT_EQ(memory_.get(keys[1]), whole.at(keys[1]));
}

TEST_F(Thaw, ADryRepairReadsNothingOfWhatIsArchived) {
  archive_all();
  MemoryStore place(system_clock());
  fill(place, objects_of(memory_));
  ArchiveStore other(place, manual_);
  other.archive(packs()[0]);
  const std::string lost = packs()[0];
  memory_.remove(lost);
  RepairJob job;
  job.other = &other;
  job.dry_run = true;
  job.before_reading = [&](ObjectStore& store, std::vector<NeededPack>& needed) {
    const ThawPlan plan = plan_thaw(store, needed, {});
    std::erase_if(needed, [&](const NeededPack& pack) {
      return std::any_of(plan.archived.begin(), plan.archived.end(),
                         [&](const NeededPack& one) { return one.key == pack.key; });
    });
  };
  const RepairResult result = repair(*vault_, job, {});
  EXPECT_THAT(result.actions, testing::Contains(HasSubstr("would ask for in the archive tier")));
  EXPECT_THAT(store_.asked(), testing::IsEmpty());
  EXPECT_THAT(other.asked(), testing::IsEmpty());
  EXPECT_FALSE(memory_.stat(lost).has_value());
}

// ---------------------------------------------------------------------------------- over HTTP

const std::string kCold = "data/ab/ab" + std::string(62, '0');
const std::string kWarm = "data/ab/ab" + std::string(62, '1');

// Answers for one object in GLACIER that can be read an hour after it was asked for.
class GlacierServer {
 public:
  explicit GlacierServer(Clock& clock) : clock_(clock) {}

  std::string url() const { return server_.url(); }
  std::vector<std::string> restores() const {
    MutexLock lock(mutex_);
    return restores_;
  }

 private:
  using Received = ScriptedServer::Received;
  using Reply = ScriptedServer::Reply;

  static Reply error(int status, const std::string& code) {
    return {.status = status, .body = "<Error><Code>" + code + "</Code></Error>"};
  }
  Reply handle(const Received& received) {
    MutexLock lock(mutex_);
    const bool ready = ready_ && clock_.monotonic() >= *ready_;
    if (received.method == "HEAD") return head(ready);
    if (received.method == "POST" && received.target.ends_with("?restore=")) {
      restores_.push_back(received.body);
      if (ready_) return error(409, "RestoreAlreadyInProgress");
      ready_ = clock_.monotonic() + hours{1};
      return {.status = 202};
    }
    if (received.target.find("list-type=2") != std::string::npos) return list();
    if (!ready) return error(403, "InvalidObjectState");
    return {.status = 206, .body = "x"};
  }
  Reply head(bool ready) REQUIRES(mutex_) {
    Reply reply{.headers = {{"x-amz-storage-class", "GLACIER"},
                            {"last-modified", "Sun, 22 Nov 2026 17:00:00 GMT"},
                            {"content-length", "100"}}};
    if (ready_) {
      reply.headers.emplace_back("x-amz-restore",
                                 ready ? "ongoing-request=\"false\", expiry-date=\"Fri, 27 Nov "
                                         "2026 00:00:00 GMT\""
                                       : "ongoing-request=\"true\"");
    }
    return reply;
  }
  static Reply list() {
    std::string body = "<ListBucketResult><IsTruncated>false</IsTruncated>";
    for (const auto& [key, storage_class] : std::map<std::string, std::string>{
             {"v/" + kCold, "GLACIER"}, {"v/" + kWarm, "STANDARD_IA"}}) {
      body += "<Contents><Key>" + key +
              "</Key><LastModified>2026-11-22T17:00:00.000Z</LastModified><ETag>\"e\"</ETag>"
              "<Size>100</Size><StorageClass>" +
              storage_class + "</StorageClass></Contents>";
    }
    return {.body = body + "</ListBucketResult>"};
  }

  Clock& clock_;
  mutable Mutex mutex_;
  std::optional<Duration> ready_ GUARDED_BY(mutex_);
  std::vector<std::string> restores_ GUARDED_BY(mutex_);
  ScriptedServer server_{[this](const Received& received) { return handle(received); }};
};

TEST(ThawOverHttp, AsksOnceWaitsAndReads) {
  ::setenv("AWS_ACCESS_KEY_ID", "key", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  ManualClock clock(parse_rfc3339("2026-11-22T17:00:00Z"));
  GlacierServer server(clock);
  S3Options options;
  options.endpoint = server.url();
  S3Store store("s3://bucket/v", options, clock);
  EXPECT_TRUE(may_have_archived(store));
  std::vector<std::string> listed;
  store.list_archived("data/", [&](const ObjectInfo& info) { listed.push_back(info.key); });
  EXPECT_THAT(listed, ElementsAre(kCold));

  const ThawPlan plan = plan_thaw(store, {{kCold, 100}}, {});
  ASSERT_THAT(plan.archived, SizeIs(1));
  request_packs(store, plan, 5, {});
  request_packs(store, plan, 5, {});  // 409: was asked for before, and no error
  ASSERT_THAT(server.restores(), SizeIs(2));
  EXPECT_THAT(server.restores()[0], HasSubstr("<Days>5</Days>"));
  EXPECT_THAT(plan_thaw(store, {{kCold, 100}}, {}).thawing, SizeIs(1));

  const Duration begin = clock.monotonic();
  wait_for_packs(store, clock, plan, 5, [](const ThawStatus&) {}, {});
  EXPECT_EQ(clock.monotonic() - begin, hours{1});
  EXPECT_TRUE(plan_thaw(store, {{kCold, 100}}, {}).empty());
  EXPECT_THAT(server.restores(), SizeIs(2));
}

}  // namespace
}  // namespace holdfast::test
