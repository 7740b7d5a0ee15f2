// Every storage operation of every command fails once, in every way. Afterwards, with the store
// well again, all that was committed is there and the command succeeds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "protect/copy.h"
#include "protect/repair.h"
#include "protect/world.h"
#include "support/fault_store.h"

namespace holdfast::test {
namespace {

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

constexpr std::uint64_t kMostPositions = 400;
constexpr Fault kFaults[] = {Fault::kErrorBefore, Fault::kErrorAfter, Fault::kTruncate,
                             Fault::kNoSpace, Fault::kDuplicate};
constexpr const char* kNames[] = {"error before", "error after", "truncate", "no space",
                                  "duplicate"};

// One run's stores: `main` is the vault at stake, `other` its copy or the place for one.
struct Stores {
  explicit Stores(Clock& clock) : main(clock), other(clock) {}
  MemoryStore main;
  MemoryStore other;
};

class FaultSweep : public ::testing::Test {
 protected:
  using Run = std::function<void(ObjectStore& main, ObjectStore& other)>;
  using Check = std::function<std::string(Stores& stores)>;

  FaultSweep() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
  }

  std::unique_ptr<Vault> open(ObjectStore& store) { return Vault::open(store, clock_, ring_, ""); }
  void add_backup(const Vault& vault) {
    expected_.kept.push_back(keep_backup(vault, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
  }
  // Two backups and, when `waste`, two more that are forgotten again.
  void make_vault(bool waste) {
    MemoryStore store(clock_);
    const auto vault = tiny_vault(store, clock_, ring_);
    for (int i = 0; i < (waste ? 4 : 2); ++i) {
      add_backup(*vault);
      change_tree(directory_, random_);
    }
    if (waste) {
      for (const int gone : {2, 0}) {
        store.remove(expected_.kept[static_cast<std::size_t>(gone)].name.key());
        expected_.kept.erase(expected_.kept.begin() + gone);
      }
    }
    main_ = objects_of(store);
  }

  void sweep(const Run& run, const Check& check);
  std::string sound(Stores& stores) { return vault_trouble(stores.main, ring_, expected_); }

  StandingClock clock_;
  std::mt19937_64 random_{20251110};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  Expectations expected_;
  Objects main_;
  Objects other_;
  std::uint64_t runs_ = 0;
  bool again_ = false;  // the run is the second one, over what the first one left

 private:
  std::vector<Operation> count(const Run& run);
  void one(const Run& run, const Check& check, std::uint64_t at, Fault fault);
};

std::vector<Operation> FaultSweep::count(const Run& run) {
  Stores stores(clock_);
  fill(stores.main, main_);
  fill(stores.other, other_);
  const auto plan = std::make_shared<FaultPlan>();
  std::vector<Operation> operations;
  std::mutex mutex;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view) {
    const std::lock_guard lock(mutex);
    operations.push_back(operation);
  });
  FaultStore main(stores.main, plan);
  FaultStore other(stores.other, plan);
  again_ = false;
  run(main, other);
  return operations;
}

void FaultSweep::one(const Run& run, const Check& check, std::uint64_t at, Fault fault) {
  SCOPED_TRACE(fmt::format("operation {}: {}", at, kNames[static_cast<int>(fault)]));
  ++runs_;
  Stores stores(clock_);
  fill(stores.main, main_);
  fill(stores.other, other_);
  const auto plan = std::make_shared<FaultPlan>();
  std::string key;
  plan->on_operation([&](std::uint64_t number, Operation, std::string_view name) {
    if (number == at) key = name;
  });
  plan->arm(at, fault);
  again_ = false;
  std::string outcome = "it succeeded";
  try {
    FaultStore main(stores.main, plan);
    FaultStore other(stores.other, plan);
    run(main, other);
  } catch (const Error& error) {
    EXPECT_NE(error.code(), Code::kInternal) << error.what();
    EXPECT_FALSE(error.message().empty());
    outcome = error.what();
  }
  EXPECT_TRUE(plan->fired());
  clock_.advance(std::chrono::minutes(11));  // leases that could not be removed end
  EXPECT_EQ(check(stores), "") << "before the second run; the first: " << outcome << " at " << key;
  again_ = true;
  try {
    run(stores.main, stores.other);
  } catch (const Error& error) {
    ADD_FAILURE() << "the second run failed: " << error.what() << "; the first: " << outcome;
  }
  EXPECT_EQ(check(stores), "") << "after the second run; the first: " << outcome << " at " << key;
}

void FaultSweep::sweep(const Run& run, const Check& check) {
  const std::vector<Operation> operations = count(run);
  ASSERT_GT(operations.size(), 5u);
  const std::uint64_t stride = (operations.size() / kMostPositions + 1) * HOLDFAST_SWEEP_STRIDE;
  for (const Fault fault : kFaults) {
    std::uint64_t last = 0;
    for (std::uint64_t i = 0; i < operations.size(); ++i) {
      if (applies(fault, operations[i])) last = i + 1;
    }
    for (std::uint64_t at = 1; at <= last; at += stride) {
      one(run, check, at, fault);
      if (HasFailure()) return;
    }
  }
  RecordProperty("operations", static_cast<int>(operations.size()));
  RecordProperty("runs", static_cast<int>(runs_));
}

TEST_F(FaultSweep, Backup) {
  make_vault(false);
  expected_.other_directory = directory_;
  expected_.other_tree = take_snapshot(directory_);
  sweep([&](ObjectStore& main, ObjectStore&) { back_up(*open(main), job_of(directory_)); },
        [&](Stores& stores) { return sound(stores); });
}

TEST_F(FaultSweep, Restore) {
  make_vault(false);
  const Kept& wanted = expected_.kept.back();
  std::optional<TempDir> target;
  std::uint64_t named = 0;
  sweep(
      [&](ObjectStore& main, ObjectStore&) {
        // The second run goes on where the first one stopped.
        if (!again_) target.emplace();
        Warnings warnings;
        const auto result = bring_back(*open(main), wanted.name, *target / "out", warnings);
        if (result.damaged > 0) {
          ++named;
          EXPECT_GT(warnings.count(), 0u);
          throw Error(Code::kCorrupt, "named as damaged");  // a read that failed only once
        }
        EXPECT_EQ(difference(wanted.tree, take_snapshot(*target / "out" + directory_)), "");
      },
      [&](Stores& stores) { return sound(stores); });
  EXPECT_EQ(named, 0u) << "one failed read must not count as damage";
}

TEST_F(FaultSweep, Prune) {
  make_vault(true);
  bool done = false;
  sweep(
      [&](ObjectStore& main, ObjectStore&) {
        done = false;
        prune_now(*open(main));
        done = true;
      },
      [&](Stores& stores) {
        std::string trouble = sound(stores);
        if (done) trouble += orphans_in(stores.main, ring_);
        return trouble;
      });
}

TEST_F(FaultSweep, Copy) {
  make_vault(false);
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
      [&](Stores& stores) {
        Expectations there;
        for (const Kept& kept : expected_.kept) {
          if (done || stores.other.stat(kept.name.key())) there.kept.push_back(kept);
        }
        if (there.kept.empty()) return std::string();
        return vault_trouble(stores.other, ring_, there);
      });
  Stores stores(clock_);
  fill(stores.main, main_);
  EXPECT_EQ(sound(stores), "");
}

TEST_F(FaultSweep, Validate) {
  make_vault(false);
  sweep([&](ObjectStore& main, ObjectStore&) { validate_all(*open(main), true); },
        [&](Stores& stores) { return sound(stores); });
}

TEST_F(FaultSweep, Repair) {
  make_vault(false);
  other_ = main_;
  // One pack is lost, one damaged, one segment damaged, one backup lost.
  std::vector<std::string> packs;
  std::vector<std::string> segments;
  for (const auto& [key, bytes] : main_) {
    if (key.starts_with("data/")) packs.push_back(key);
    if (key.starts_with("index/")) segments.push_back(key);
  }
  ASSERT_GE(packs.size(), 3u);
  main_.erase(packs[0]);
  main_[packs[1]][100] ^= 1;
  main_[segments[0]][100] ^= 1;
  main_.erase(expected_.kept[0].name.key());
  bool done = false;
  sweep(
      [&](ObjectStore& main, ObjectStore& other) {
        done = false;
        RepairJob job;
        job.other = &other;
        // A copy that could not be read for once is named, not fatal.
        done = repair(*open(main), job, {}).unrepaired.empty();
        if (again_ && !done) throw Error(Code::kCorrupt, "not everything was repaired");
      },
      [&](Stores& stores) { return done ? sound(stores) : std::string(); });
}

// What the sweeps would say of stores that lie.

class ForgetfulStaged final : public StagedObject {
 public:
  explicit ForgetfulStaged(std::unique_ptr<StagedObject> inner) : inner_(std::move(inner)) {}
  void append(ByteView data) override { inner_->append(data); }
  bool commit(std::string_view, std::string_view) override { return true; }

 private:
  std::unique_ptr<StagedObject> inner_;
};

// Acknowledges commits without storing.
class ForgetfulStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::unique_ptr<StagedObject> stage() override {
    return std::make_unique<ForgetfulStaged>(inner().stage());
  }
};

class ShorteningStaged final : public StagedObject {
 public:
  explicit ShorteningStaged(std::unique_ptr<StagedObject> inner) : inner_(std::move(inner)) {}
  void append(ByteView data) override { append_all_but_last(data); }
  bool commit(std::string_view key, std::string_view) override { return inner_->commit(key); }

 private:
  void append_all_but_last(ByteView data) { inner_->append(data.first(data.size() - 1)); }
  std::unique_ptr<StagedObject> inner_;
};

// Stores a little less than it was given.
class ShorteningStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::unique_ptr<StagedObject> stage() override {
    return std::make_unique<ShorteningStaged>(inner().stage());
  }
};

// Loses a pack whenever another one is removed: a prune gone wrong.
class ClumsyStore final : public ForwardingStore {
 public:
  ClumsyStore(ObjectStore& inner, std::string victim)
      : ForwardingStore(inner), victim_(std::move(victim)) {}
  void remove(std::string_view key) override {
    inner().remove(key);
    if (key.starts_with("lease/")) inner().remove(victim_);
  }

 private:
  std::string victim_;
};

TEST_F(FaultSweep, CheckerSeesAStoreThatForgets) {
  make_vault(false);
  MemoryStore store(clock_);
  fill(store, main_);
  ForgetfulStore liar(store);
  expected_.kept.push_back(keep_backup(*open(liar), job_of(directory_), directory_));
  EXPECT_NE(vault_trouble(store, ring_, expected_), "");
}

TEST_F(FaultSweep, CheckerSeesAStoreThatShortens) {
  make_vault(false);
  MemoryStore store(clock_);
  fill(store, main_);
  ShorteningStore liar(store);
  expected_.kept.push_back(keep_backup(*open(liar), job_of(directory_), directory_));
  EXPECT_NE(vault_trouble(store, ring_, expected_), "");
}

TEST_F(FaultSweep, CheckerSeesALivePackRemoved) {
  make_vault(false);
  for (const auto& [key, bytes] : main_) {
    if (!parse_pack_key(key)) continue;
    MemoryStore store(clock_);
    fill(store, main_);
    ClumsyStore clumsy(store, key);
    prune_now(*open(clumsy));
    EXPECT_NE(vault_trouble(store, ring_, expected_), "") << key;
  }
}

TEST_F(FaultSweep, CheckerSeesWrongContent) {
  make_vault(false);
  MemoryStore store(clock_);
  fill(store, main_);
  EXPECT_EQ(vault_trouble(store, ring_, expected_), "");
  Expectations wrong = expected_;
  wrong.kept[1].tree["twin-a"].content[0] ^= 1;
  EXPECT_NE(vault_trouble(store, ring_, wrong), "");
  store.remove(expected_.kept[0].name.key());
  EXPECT_NE(vault_trouble(store, ring_, expected_), "");
}

}  // namespace
}  // namespace holdfast::test
