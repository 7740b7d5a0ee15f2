// A copy is consistent at every moment, goes on where it was, and heals.
#include "protect/copy.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "protect/world.h"
#include "store/file_store.h"
#include "support/fault_store.h"
#include "vault/lease.h"

namespace holdfast::test {
namespace {

class CopyVault : public ::testing::Test {
 protected:
  CopyVault() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    vault_ = tiny_vault(from_, clock_, ring_);
    for (int i = 0; i < 3; ++i) add_backup();
  }
  void add_backup() {
    change_tree(directory_, random_);
    expected_.kept.push_back(keep_backup(*vault_, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
  }
  static CopyResult copy(ObjectStore& from, ObjectStore& to, bool verify = false,
                         std::stop_token stop = {}) {
    CopyJob job;
    job.verify = verify;
    job.threads = 2;
    CopyProgress progress;
    return copy_vault(from, to, job, progress, std::move(stop));
  }
  Code code_of_copy(ObjectStore& from, ObjectStore& to) {
    try {
      copy(from, to);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Code::kInternal;
  }

  StandingClock clock_;
  std::mt19937_64 random_{5};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  MemoryStore from_{clock_};
  MemoryStore to_{clock_};
  std::unique_ptr<Vault> vault_;
  Expectations expected_;
};

TEST_F(CopyVault, IsConsistentAtEveryOperation) {
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(to_, plan);
  int looked = 0;
  plan->on_operation([&](std::uint64_t, Operation, std::string_view) {
    Expectations there;
    for (const Kept& kept : expected_.kept) {
      if (to_.stat(kept.name.key())) there.kept.push_back(kept);
    }
    if (there.kept.empty()) return;
    ++looked;
    EXPECT_EQ(vault_trouble(to_, ring_, there), "");
  });
  CopyJob job;
  job.threads = 1;
  CopyProgress progress;
  const CopyResult first = copy_vault(from_, watched, job, progress, {});
  EXPECT_EQ(first.backups, 3u);
  add_backup();
  CopyProgress again;
  const CopyResult second = copy_vault(from_, watched, job, again, {});
  EXPECT_EQ(second.backups, 1u);
  EXPECT_GT(looked, 10);
  EXPECT_EQ(objects_of(to_), objects_of(from_));
}

// The watch above would notice a copy in the wrong order.
TEST_F(CopyVault, CheckerSeesABackupBeforeItsPacks) {
  for (const auto& [key, bytes] : objects_of(from_)) {
    if (!key.starts_with("data/")) to_.put(key, bytes);
  }
  EXPECT_NE(vault_trouble(to_, ring_, expected_), "");
}

TEST_F(CopyVault, RefusesItsOwnPlaceByAnyName) {
  EXPECT_EQ(code_of_copy(from_, from_), Code::kUsage);
  const TempDir directory;
  std::filesystem::create_directories(directory / "vault/within");
  std::filesystem::create_symlink(directory / "vault", directory / "link");
  FileStore vault(directory / "vault");
  fill(vault, objects_of(from_));
  FileStore link(directory / "link");
  FileStore within(directory / "vault/within");
  FileStore around(directory.path());
  for (FileStore* place : {&vault, &link, &within, &around}) {
    EXPECT_EQ(code_of_copy(vault, *place), Code::kUsage) << place->traits().url;
  }
}

TEST_F(CopyVault, GoesOnAfterAStop) {
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(to_, plan);
  std::stop_source stop;
  int commits = 0;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view) {
    if (operation == Operation::kCommit && ++commits == 6) stop.request_stop();
  });
  EXPECT_THROW(copy(from_, watched, false, stop.get_token()), Error);
  const std::size_t there = list_objects(to_, "").size();
  EXPECT_GE(there, 5u);
  EXPECT_TRUE(list_backups(to_).empty());
  const CopyResult rest = copy(from_, to_);
  EXPECT_EQ(rest.present, there);
  EXPECT_EQ(vault_trouble(to_, ring_, expected_), "");
}

TEST_F(CopyVault, VerifyHealsWhatWasFlipped) {
  copy(from_, to_);
  const Objects good = objects_of(to_);
  for (const auto& [key, bytes] : good) {
    if (key == "holdfast.json") continue;  // then it is no copy of this vault any more
    Bytes bad = bytes;
    bad[bad.size() / 2] ^= 1;
    to_.put(key, bad);
    EXPECT_EQ(copy(from_, to_).healed, 0u);
    const CopyResult result = copy(from_, to_, true);
    EXPECT_EQ(result.healed, 1u) << key;
    EXPECT_EQ(to_.get(key), bytes) << key;
  }
  EXPECT_EQ(objects_of(to_), good);
}

TEST_F(CopyVault, RefusesTheWrongPlace) {
  MemoryStore other(clock_);
  tiny_vault(other, clock_, new_key_ring());
  EXPECT_EQ(code_of_copy(from_, other), Code::kConflict);
  MemoryStore photos(clock_);
  photos.put("photos/cat.jpg", as_bytes("miaow"));
  EXPECT_EQ(code_of_copy(from_, photos), Code::kConflict);
  EXPECT_EQ(photos.get("photos/cat.jpg"), to_bytes(as_bytes("miaow")));
  MemoryStore empty(clock_);
  EXPECT_EQ(code_of_copy(empty, to_), Code::kNotFound);
}

TEST_F(CopyVault, RefusesAPlaceThatIsBeingPruned) {
  {
    const Lease pruning(to_, clock_, "prune", true);
    EXPECT_EQ(code_of_copy(from_, to_), Code::kConflict);
    EXPECT_TRUE(list_backups(to_).empty());
  }
  copy(from_, to_);
  EXPECT_EQ(vault_trouble(to_, ring_, expected_), "");
}

TEST_F(CopyVault, DryRunCountsAndWritesNothing) {
  CopyJob job;
  job.dry_run = true;
  CopyProgress progress;
  const CopyResult result = copy_vault(from_, to_, job, progress, {});
  EXPECT_EQ(result.objects, list_objects(from_, "").size());
  EXPECT_TRUE(list_objects(to_, "").empty());
}

}  // namespace
}  // namespace holdfast::test
