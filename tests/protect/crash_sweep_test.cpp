// The program is killed at every storage operation. What was committed is there, the next run
// works, and a prune leaves nothing behind.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "os/file.h"
#include "protect/copy.h"
#include "protect/repair.h"
#include "protect/world.h"
#include "store/file_store.h"
#include "support/fault_store.h"
#include "support/syscall_kill.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

using Work = std::function<void(ObjectStore& store)>;

// Runs `run` in a child that is killed before its operation number `at`; false when it had fewer.
bool run_and_kill(const std::string& directory, const Work& run, std::uint64_t at) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      FileStore files(directory);
      const auto plan = std::make_shared<FaultPlan>();
      plan->on_operation([at](std::uint64_t number, Operation, std::string_view) {
        if (number == at) ::kill(::getpid(), SIGKILL);
      });
      FaultStore store(files, plan);
      run(store);
    } catch (const std::exception& error) {
      fmt::print(stderr, "in a child: {}\n", error.what());
      ::_exit(2);
    }
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return false;
}

// As if ten minutes had passed: the leases of the dead end.
void age_leases(const std::string& directory) {
  std::error_code none;
  for (const auto& file : fs::directory_iterator(directory + "/lease", none)) {
    const timespec then{::time(nullptr) - 601, 0};
    const timespec times[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.path().c_str(), times, 0), 0);
  }
}

// Bytes that never reached the disk: of files without a name yet, as all others are synced first.
void lose_unsynced(const std::string& directory) {
  std::error_code none;
  for (const auto& file : fs::directory_iterator(directory + "/.tmp", none)) {
    ::chmod(file.path().c_str(), 0600);
    if (file.is_regular_file()) fs::resize_file(file.path(), file.file_size() / 2);
  }
}

class CrashSweep : public ::testing::Test {
 protected:
  CrashSweep() {
    source_ = files_ / "src";
    origin_ = files_ / "origin";
    make_small_tree(source_, random_);
    fs::create_directory(origin_);
  }
  std::unique_ptr<Vault> open(ObjectStore& store) { return Vault::open(store, clock_, ring_, ""); }
  void make_vault(bool waste) {
    FileStore store(origin_);
    const auto vault = tiny_vault(store, clock_, ring_);
    for (int i = 0; i < (waste ? 3 : 1); ++i) {
      expected_.kept.push_back(keep_backup(*vault, job_of(source_), source_));
      clock_.advance(std::chrono::minutes(1));
      change_tree(source_, random_);
    }
    if (!waste) return;
    store.remove(expected_.kept[1].name.key());
    expected_.kept.erase(expected_.kept.begin() + 1);
  }
  void sweep(const Work& run);
  void expect_recovery(const std::string& directory);

  StandingClock clock_;
  std::mt19937_64 random_{99};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string source_;
  std::string origin_;
  Expectations expected_;
};

void CrashSweep::expect_recovery(const std::string& directory) {
  age_leases(directory);
  lose_unsynced(directory);
  FileStore store(directory);
  Expectations expected = expected_;
  expected.other_directory = source_;
  expected.other_tree = take_snapshot(source_);
  EXPECT_EQ(vault_trouble(store, ring_, expected), "") << "after the crash";
  const auto vault = open(store);
  back_up(*vault, job_of(source_));
  // At most the page with the times of the directories above, and the list of pages.
  EXPECT_LE(back_up(*vault, job_of(source_)).written.new_chunks, 2u);
  prune_now(*vault);
  EXPECT_EQ(orphans_in(store, ring_), "");
  EXPECT_EQ(vault_trouble(store, ring_, expected), "") << "after the prune";
}

void CrashSweep::sweep(const Work& run) {
  std::uint64_t at = 1;
  for (bool killed = true; killed && !HasFailure(); ++at) {
    SCOPED_TRACE(fmt::format("killed at operation {}", at));
    const TempDir copy;
    const std::string directory = copy / "vault";
    fs::copy(origin_, directory, fs::copy_options::recursive);
    killed = run_and_kill(directory, run, at);
    expect_recovery(directory);
  }
  EXPECT_GT(at, 20u);
}

TEST_F(CrashSweep, Backup) {
  make_vault(false);
  sweep([&](ObjectStore& store) { back_up(*open(store), job_of(source_)); });
}

TEST_F(CrashSweep, Prune) {
  make_vault(true);
  sweep([&](ObjectStore& store) { prune_now(*open(store)); });
}

// A copy that was killed is consistent as far as it goes, and goes on.
TEST_F(CrashSweep, Copy) {
  make_vault(true);
  FileStore origin(origin_);
  CopyJob job;
  job.threads = 1;
  bool killed = true;
  std::uint64_t at = 1;
  for (; killed && !HasFailure(); ++at) {
    SCOPED_TRACE(fmt::format("killed at operation {}", at));
    const TempDir destination;
    killed = run_and_kill(
        destination.path(),
        [&](ObjectStore& to) {
          CopyProgress progress;
          copy_vault(origin, to, job, progress, {});
        },
        at);
    lose_unsynced(destination.path());
    FileStore to(destination.path());
    Expectations there;
    for (const Kept& kept : expected_.kept) {
      if (to.stat(kept.name.key())) there.kept.push_back(kept);
    }
    if (!there.kept.empty()) {
      EXPECT_EQ(vault_trouble(to, ring_, there), "");
    }
    CopyProgress progress;
    copy_vault(origin, to, job, progress, {});
    EXPECT_EQ(vault_trouble(to, ring_, expected_), "");
  }
  EXPECT_GT(at, 20u);
}

// A repair that was killed has lost nothing that was sound, and the next one finishes its work.
TEST_F(CrashSweep, Repair) {
  make_vault(true);
  const TempDir good;
  fs::copy(origin_, good / "vault", fs::copy_options::recursive);
  FileStore other(good / "vault");
  FileStore origin(origin_);
  std::vector<std::string> packs;
  for (const ObjectInfo& info : list_objects(origin, "data/")) packs.push_back(info.key);
  ASSERT_GE(packs.size(), 2u);
  origin.remove(packs[0]);
  Bytes damaged = origin.get(packs[1]);
  damaged[100] ^= 1;
  origin.put(packs[1], damaged);
  origin.remove(expected_.kept[0].name.key());
  RepairJob job;
  job.other = &other;

  bool killed = true;
  std::uint64_t at = 1;
  for (; killed && !HasFailure(); ++at) {
    SCOPED_TRACE(fmt::format("killed at operation {}", at));
    const TempDir copy;
    const std::string directory = copy / "vault";
    fs::copy(origin_, directory, fs::copy_options::recursive);
    killed = run_and_kill(
        directory, [&](ObjectStore& store) { repair(*open(store), job, {}); }, at);
    age_leases(directory);
    lose_unsynced(directory);
    FileStore store(directory);
    EXPECT_TRUE(repair(*open(store), job, {}).unrepaired.empty());
    EXPECT_EQ(vault_trouble(store, ring_, expected_), "");
  }
  EXPECT_GT(at, 10u);
}

// A restore that was killed goes on where it stopped, without being told to overwrite anything.
TEST_F(CrashSweep, Restore) {
  make_vault(false);
  FileStore store(origin_);
  const Kept& wanted = expected_.kept.back();
  bool killed = true;
  std::uint64_t at = 1;
  for (; killed && !HasFailure(); ++at) {
    SCOPED_TRACE(fmt::format("killed at change {}", at));
    const TempDir target;
    killed = killed_at_change([&] { bring_back(*open(store), wanted.name, target / "out"); }, at);
    Warnings warnings;
    bring_back(*open(store), wanted.name, target / "out", warnings);
    EXPECT_EQ(warnings.count(), 0u) << (warnings.count() > 0 ? warnings.first().front() : "");
    Snapshot found = take_snapshot(target / "out");
    EXPECT_EQ(difference(wanted.tree, subtree(found, source_.substr(1))), "");
    EXPECT_FALSE(found.contains(".holdfast-restore.json"));
    age_leases(origin_);
  }
  EXPECT_GT(at, 50u);
}

// Local caches that a crash cut or spoiled cost time, never correctness.
class SpoiledCache : public CrashSweep {
 protected:
  // Calls `spoil` with every cache file below `part` and a number that grows until it says no.
  void each(const std::string& part,
            const std::function<bool(const std::string& file, std::uintmax_t number)>& spoil);
};

void SpoiledCache::each(
    const std::string& part,
    const std::function<bool(const std::string& file, std::uintmax_t number)>& spoil) {
  make_vault(true);
  FileStore store(origin_);
  const TempDir cache;
  {
    const auto vault = Vault::open(store, clock_, ring_, cache / "good");
    expected_.kept.push_back(keep_backup(*vault, job_of(source_), source_));
  }
  int cases = 0;
  std::vector<std::string> cached;
  for (const auto& file : fs::recursive_directory_iterator(cache / "good")) {
    const std::string path = fs::relative(file.path(), cache / "good");
    if (file.is_regular_file() && path.find(part) != std::string::npos) cached.push_back(path);
  }
  ASSERT_FALSE(cached.empty());
  for (const std::string& path : cached) {
    bool more = true;
    for (std::uintmax_t number = 0; more && !HasFailure(); ++number) {
      SCOPED_TRACE(fmt::format("{}, {}", path, number));
      fs::remove_all(cache / "spoiled");
      fs::copy(cache / "good", cache / "spoiled", fs::copy_options::recursive);
      more = spoil(cache / "spoiled/" + path, number);
      clock_.advance(std::chrono::minutes(1));
      const auto vault = Vault::open(store, clock_, ring_, cache / "spoiled");
      const Kept kept = keep_backup(*vault, job_of(source_), source_);
      EXPECT_EQ(restore_trouble(*vault, kept), "");
      const auto fresh = open(store);
      EXPECT_EQ(restore_trouble(*fresh, kept), "");
      store.remove(kept.name.key());
      ++cases;
    }
  }
  EXPECT_GT(cases, 10);
  EXPECT_EQ(vault_trouble(store, ring_, expected_), "");
}

TEST_F(SpoiledCache, IndexCut) {
  each("/index/", [](const std::string& file, std::uintmax_t number) {
    const std::uintmax_t sixteenth = fs::file_size(file) / 16;
    fs::resize_file(file, number * sixteenth);
    return number < 15;
  });
}

TEST_F(SpoiledCache, FilesCut) {
  each("/files/", [](const std::string& file, std::uintmax_t number) {
    const std::uintmax_t size = fs::file_size(file);
    fs::resize_file(file, std::min(size - 1, number * 64));
    return number * 64 < size;
  });
}

TEST_F(SpoiledCache, FilesFlipped) {
  each("/files/", [](const std::string& file, std::uintmax_t number) {
    Bytes bytes = read_file(file);
    bytes[std::min(bytes.size() - 1, number * 64)] ^= 4;
    write_file_atomic(file, bytes);
    return number * 64 < bytes.size();
  });
}

// The sweep would notice: a vault that lost what a committed backup needs does not recover.
TEST_F(CrashSweep, CheckerSeesALostPack) {
  make_vault(false);
  FileStore store(origin_);
  for (const ObjectInfo& info : list_objects(store, "data/")) {
    store.remove(info.key);
    break;
  }
  EXPECT_NE(vault_trouble(store, ring_, expected_), "");
}

}  // namespace
}  // namespace holdfast::test
