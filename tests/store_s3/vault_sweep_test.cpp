// A whole backup, copy and restore over S3, with a fault at each of their requests: all that was
// committed comes back, and the same run succeeds afterwards. The store alone is swept in
// client_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <ostream>

#include "base/error.h"
#include "protect/copy.h"
#include "protect/world.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"

namespace holdfast::test {
namespace {

using Fault = MiniS3::Fault;
using Received = MiniS3::Received;

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

const auto* const kEnvironment =
    ::testing::AddGlobalTestEnvironment(std::make_unique<S3Environment>().release());

// Requests go to both vaults in one order: the one at stake and its copy are in one bucket.
struct Bucket {
  explicit Bucket(const MiniS3::Behaviour& behaviour, bool with_parts = false)
      : in_parts(with_parts), server(behaviour) {}

  S3Store store(const std::string& place) {
    S3Options options;
    options.endpoint = server.url();
    options.region = "lab";
    options.retry_for = std::chrono::seconds{10};
    options.upload_part = 12u << 10;
    if (in_parts) options.upload_whole = 0;
    return {"s3://bucket/" + place, options, clock};
  }

  const bool in_parts;  // packs go up so
  MiniS3 server;
  ManualClock clock{parse_rfc3339("2025-11-10T12:00:00Z")};  // of the tries: nobody waits
};

bool reads(const Received& received) { return received.method == "GET"; }
bool writes(const Received& received) { return received.method == "PUT"; }
bool any(const Received&) { return true; }
bool has_condition(const Received& received) {
  return !(received.header("if-match") + received.header("if-none-match")).empty();
}

struct FaultKind {
  const char* name;
  Fault fault;
  bool (*applies)(const Received&) = any;
  bool stays = false;  // every later request fails too
  MiniS3::Behaviour behaviour = {};
};
void PrintTo(const FaultKind& kind, std::ostream* out) { *out << kind.name; }

const MiniS3::Reply kOverload{.status = 503, .body = "<Error><Code>SlowDown</Code></Error>"};
const MiniS3::Reply kWrongChecksum{.status = 400,
                                   .body = "<Error><Code>XAmzContentSHA256Mismatch</Code></Error>"};
const MiniS3::Reply kLost{.close_before_answer = true};
// The head of an answer breaks off.
const MiniS3::Reply kHalfAHead{.close_after = true, .raw = "HTTP/1.1 200 OK\r\nContent-Le"};

// A vault with two backups, and the tree as it is after them.
class S3Vault : public ::testing::Test {
 protected:
  using Check = std::function<std::string(ObjectStore& main, ObjectStore& other)>;

  S3Vault() {
    directory_ = files_ / "src";
    for (int i = 0; i < 4; ++i) {
      write_text(fmt::format("{}/d{}/f{}", directory_, i % 2, i), noise(random_, 6000));
    }
    MemoryStore store(clock_);
    const auto vault = Vault::create(store, clock_, ring_, small_parameters(), "");
    expected_.kept.push_back(keep_backup(*vault, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
    write_text(directory_ + "/d0/f0", noise(random_, 6000));
    expected_.kept.push_back(keep_backup(*vault, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
    main_ = objects_of(store);
  }

  static VaultParameters small_parameters() {
    VaultParameters parameters = tiny_parameters();
    parameters.frame_bytes = 8192;
    parameters.pack_bytes = 64u << 10;  // one for each backup, so that all runs send the same
    return parameters;
  }
  std::unique_ptr<Vault> open(ObjectStore& store) { return Vault::open(store, clock_, ring_, ""); }
  std::string sound(ObjectStore& store) { return vault_trouble(store, ring_, expected_); }
  std::string judge(Bucket& bucket, const Check& check);

  StandingClock clock_;  // of the vault: its leases stand still
  std::mt19937_64 random_{20251110};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  Expectations expected_;
  Objects main_;
};

class S3VaultSweep : public S3Vault, public ::testing::WithParamInterface<FaultKind> {
 protected:
  using Run = std::function<void(ObjectStore& main, ObjectStore& other)>;

  // The requests of a run that can have the fault.
  unsigned count(const Run& run);
  void sweep(const Run& run, const Check& check);
  void sweep_backup();

  bool in_parts_ = false;
  unsigned parts_ = 0;  // of uploads, in a run without a fault
  bool again_ = false;  // the run is the second one, over what the first one left

 private:
  void one(const Run& run, const Check& check, unsigned at);
};

// What lies in the bucket is judged from memory, which is quicker.
std::string S3Vault::judge(Bucket& bucket, const Check& check) {
  MemoryStore main(clock_), other(clock_);
  S3Store there = bucket.store("main"), copied = bucket.store("other");
  fill(main, objects_of(there));
  fill(other, objects_of(copied));
  return check(main, other);
}

// How many requests the fault can happen to.
unsigned S3VaultSweep::count(const Run& run) {
  Bucket bucket(GetParam().behaviour, in_parts_);
  S3Store main = bucket.store("main"), other = bucket.store("other");
  fill(main, main_);
  std::atomic<unsigned> applicable{0};
  bucket.server.set_plan([&](const Received& received, unsigned) -> std::optional<Fault> {
    if (GetParam().applies(received)) ++applicable;
    return std::nullopt;
  });
  again_ = false;
  run(main, other);
  bucket.server.set_plan({});
  parts_ = 0;
  for (const Received& received : bucket.server.received()) {
    if (received.target.find("partNumber=") != received.target.npos) ++parts_;
  }
  return applicable;
}

void S3VaultSweep::one(const Run& run, const Check& check, unsigned at) {
  SCOPED_TRACE(fmt::format("request {}", at));
  const FaultKind& kind = GetParam();
  Bucket bucket(kind.behaviour, in_parts_);
  {
    S3Store main = bucket.store("main");
    fill(main, main_);
  }
  std::atomic<unsigned> applicable{0};
  std::atomic<bool> fired{false};
  bucket.server.set_plan([&](const Received& received, unsigned) -> std::optional<Fault> {
    if (!kind.applies(received)) return std::nullopt;
    const unsigned number = ++applicable;
    if (number < at || (number > at && !kind.stays)) return std::nullopt;
    fired = true;
    Fault fault = kind.fault;
    if (fault.change_byte) fault.change_byte = std::size_t{at} * 7919;  // anywhere in the body
    return fault;
  });
  again_ = false;
  std::string outcome = "it succeeded";
  try {
    S3Store main = bucket.store("main"), other = bucket.store("other");
    run(main, other);
  } catch (const Error& error) {
    EXPECT_TRUE(kind.stays) << "what happens once is tried again: " << error.what();
    EXPECT_EQ(error.code(), Code::kUnavailable) << error.what();
    EXPECT_FALSE(error.hint().empty());
    outcome = error.what();
  }
  bucket.server.set_plan({});
  EXPECT_TRUE(fired);
  EXPECT_EQ(judge(bucket, check), "") << "before the second run; the first: " << outcome;
  again_ = true;
  clock_.advance(std::chrono::minutes(1));
  try {
    S3Store main = bucket.store("main"), other = bucket.store("other");
    // A copy that lost its store leaves its lease, and its holder, this process, lives. Ten minutes
    // later it would have ended.
    if (kind.stays) other.remove("lease/copy.json");
    run(main, other);
  } catch (const Error& error) {
    ADD_FAILURE() << "the second run failed: " << error.what() << "; the first: " << outcome;
  }
  // Where the first run succeeded, this one had next to nothing to do.
  if (kind.stays) {
    EXPECT_EQ(judge(bucket, check), "") << "after the second run; the first: " << outcome;
  }
}

void S3VaultSweep::sweep(const Run& run, const Check& check) {
  const unsigned requests = count(run);
  ASSERT_GT(requests, 0u);
  for (unsigned at = 1; at <= requests; at += HOLDFAST_SWEEP_STRIDE) {
    one(run, check, at);
    if (HasFailure()) return;
  }
  RecordProperty("requests", static_cast<int>(requests));
}

void S3VaultSweep::sweep_backup() {
  write_text(directory_ + "/large", noise(random_, 30'000));
  expected_.other_directory = directory_;
  expected_.other_tree = take_snapshot(directory_);
  sweep([&](ObjectStore& main, ObjectStore&) { back_up(*open(main), job_of(directory_)); },
        [&](ObjectStore& main, ObjectStore&) { return sound(main); });
}

TEST_P(S3VaultSweep, Backup) {
  sweep_backup();
  EXPECT_EQ(parts_, 0u);
}

TEST_P(S3VaultSweep, BackupInParts) {
  in_parts_ = true;
  sweep_backup();
  EXPECT_GE(parts_, 3u);
}

TEST_P(S3VaultSweep, Copy) {
  bool done = false;
  sweep(
      [&](ObjectStore& main, ObjectStore& other) {
        done = false;
        CopyJob job;
        job.threads = 1;
        CopyProgress progress;
        copy_vault(main, other, job, progress, {});
        done = true;
      },
      [&](ObjectStore& main, ObjectStore& other) {
        Expectations there;
        for (const Kept& kept : expected_.kept) {
          if (done || other.stat(kept.name.key())) there.kept.push_back(kept);
        }
        std::string trouble = again_ ? sound(main) : "";
        if (!there.kept.empty()) trouble += vault_trouble(other, ring_, there);
        return trouble;
      });
}

TEST_P(S3VaultSweep, Restore) {
  const Kept& wanted = expected_.kept.back();
  std::optional<TempDir> target;
  const Run restore = [&](ObjectStore& main, ObjectStore&) {
    // The second run goes on where the first one stopped.
    if (!again_) target.emplace();
    Warnings warnings;
    const auto result = bring_back(*open(main), wanted.name, *target / "out", warnings);
    EXPECT_EQ(result.damaged, 0u) << "a failed read is no damage";
    EXPECT_EQ(difference(wanted.tree, take_snapshot(*target / "out" + directory_)), "");
  };
  if (count(restore) == 0) {
    EXPECT_STREQ(GetParam().name, "ConditionsIgnoredAndLostAcknowledgement");
    return;
  }
  sweep(restore, [&](ObjectStore& main, ObjectStore&) { return again_ ? sound(main) : ""; });
}

INSTANTIATE_TEST_SUITE_P(
    Faults, S3VaultSweep,
    ::testing::Values(FaultKind{"Overload", {kOverload, false}},
                      FaultKind{"InternalAfterEffect", {{.status = 500}, true}},
                      FaultKind{"LostAcknowledgement", {kLost, true}},
                      FaultKind{"ResetInBody", {{.cut_body_after = 1, .reset = true}, true}, reads},
                      FaultKind{"CutInBody", {{.cut_body_after = 1}, true}, reads},
                      FaultKind{"CutInHead", {kHalfAHead, true}},
                      FaultKind{"ChangedByte", {{}, false, 0}, reads},
                      FaultKind{"WrongChecksum", {kWrongChecksum, false}, writes},
                      FaultKind{"ConditionsIgnoredAndLostAcknowledgement",
                                {kLost, true},
                                has_condition,
                                false,
                                {.honours_conditions = false}},
                      FaultKind{"GoneForLong", {kOverload, false}, any, true},
                      FaultKind{"GoneForLongAfterEffect", {kLost, true}, any, true}),
    [](const auto& parameter) { return parameter.param.name; });

// What the sweeps would say of a store that lies.
TEST_F(S3Vault, CheckerSeesEveryChangedObject) {
  Bucket bucket({});
  S3Store main = bucket.store("main");
  fill(main, main_);
  const auto whole = [&](ObjectStore& store, ObjectStore&) { return sound(store); };
  EXPECT_EQ(judge(bucket, whole), "");
  for (const auto& [key, bytes] : main_) {
    bucket.server.damage("main/" + key);
    EXPECT_NE(judge(bucket, whole), "") << key;
    bucket.server.damage("main/" + key);
  }
}

}  // namespace
}  // namespace holdfast::test
