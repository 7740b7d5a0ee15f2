// Writers, a pruner without grace, a copier and a reader work on one vault at once. At the end, and
// all the time, what is listed comes back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "protect/copy.h"
#include "protect/world.h"
#include "store/file_store.h"

namespace holdfast::test {
namespace {

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

constexpr int kRounds = 60;

class Bustle {
 public:
  Bustle(ObjectStore& store, ObjectStore& copy) : store_(store), copy_(copy) {}

  void run();

 private:
  std::unique_ptr<Vault> open(Clock& clock, const std::string& cache) {
    return Vault::open(store_, clock, ring_, files_ / cache);
  }
  void write(int who);
  void forget();
  void prune_on();
  void copy_on();
  void restore_on();
  void fail(const std::string& what) {
    const std::lock_guard lock(mutex_);
    ADD_FAILURE() << what;
  }
  // True for what an honest rival may cause; such a command is run again.
  static bool is_rivalry(const Error& error) {
    return error.code() == Code::kConflict || error.code() == Code::kUnavailable;
  }

  ObjectStore& store_;
  ObjectStore& copy_;
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  // Each machine has its own idea of the time; those of the writers move with every backup, since a
  // name that was forgotten must not be given again.
  StandingClock writers_[2];
  ShiftedClock pruner_{-std::chrono::hours{2}};
  ShiftedClock reader_{std::chrono::hours{5}};
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;  // by id; removed before the backup is forgotten
  std::atomic<int> writing_{2};
  std::atomic<int> swept_{0};
};

void Bustle::write(int who) {
  std::mt19937_64 random(static_cast<unsigned>(who) + 1);
  const std::string directory = files_ / fmt::format("src-{}", who);
  make_small_tree(directory, random);
  StandingClock& clock = writers_[who];
  clock.advance(std::chrono::hours{3} * who);
  const auto vault = open(clock, fmt::format("cache-{}", who));
  for (int round = 0; round < kRounds; ++round) {
    try {
      BackupJob job = job_of(directory, fmt::format("w{}", who));
      job.threads = 2;
      Kept kept = keep_backup(*vault, job, directory);
      const std::lock_guard lock(mutex_);
      kept_[kept.name.id()] = std::move(kept);
    } catch (const Error& error) {
      if (!is_rivalry(error)) fail(std::string("writer: ") + error.what());
    }
    clock.advance(std::chrono::minutes{1});
    change_tree(directory, random);
    forget();
  }
  --writing_;
}

// Keeps the newest four.
void Bustle::forget() {
  std::string key;
  {
    const std::lock_guard lock(mutex_);
    if (kept_.size() <= 4) return;
    key = kept_.begin()->second.name.key();
    kept_.erase(kept_.begin());
  }
  store_.remove(key);
}

void Bustle::prune_on() {
  const auto vault = open(pruner_, "cache-pruner");
  while (writing_ > 0) {
    try {
      const PruneResult result = prune_now(*vault);
      swept_ += static_cast<int>(result.removed_packs + result.rewritten_packs);
    } catch (const Error& error) {
      if (!is_rivalry(error)) fail(std::string("prune: ") + error.what());
    }
  }
}

void Bustle::copy_on() {
  while (writing_ > 0) {
    try {
      CopyJob job;
      job.threads = 1;
      CopyProgress progress;
      copy_vault(store_, copy_, job, progress, {});
    } catch (const Error& error) {
      if (!is_rivalry(error)) fail(std::string("copy: ") + error.what());
    }
  }
}

void Bustle::restore_on() {
  const auto vault = open(reader_, "cache-reader");
  for (std::size_t round = 0; writing_ > 0; ++round) {
    Kept kept;
    {
      const std::lock_guard lock(mutex_);
      if (kept_.empty()) continue;
      kept = std::next(kept_.begin(), static_cast<std::ptrdiff_t>(round % kept_.size()))->second;
    }
    const std::string trouble = restore_trouble(*vault, kept);
    const std::lock_guard lock(mutex_);
    // Unless it was forgotten meanwhile.
    EXPECT_TRUE(trouble.empty() || !kept_.contains(kept.name.id())) << trouble;
  }
}

void Bustle::run() {
  tiny_vault(store_, reader_, ring_);
  {
    const std::jthread threads[] = {
        std::jthread([this] { write(0); }), std::jthread([this] { write(1); }),
        std::jthread([this] { prune_on(); }), std::jthread([this] { copy_on(); }),
        std::jthread([this] { restore_on(); })};
  }
  prune_now(*open(pruner_, ""));
  Expectations expected;
  for (const auto& [id, kept] : kept_) expected.kept.push_back(kept);
  EXPECT_GE(expected.kept.size(), 3u);
  EXPECT_GT(swept_, 0) << "no sweep took place, so nothing was proved";
  EXPECT_EQ(vault_trouble(store_, ring_, expected), "");
  CopyProgress progress;
  copy_vault(store_, copy_, {}, progress, {});
  // The copy keeps what was forgotten here.
  StandingClock clock;
  const auto vault = Vault::open(copy_, clock, ring_, "");
  for (const Kept& kept : expected.kept) EXPECT_EQ(restore_trouble(*vault, kept), "");
  const ValidateResult there = validate_all(*vault);
  EXPECT_TRUE(there.damaged.empty()) << findings_of(there);
}

TEST(Concurrency, OnFiles) {
  const TempDir store_directory;
  const TempDir copy_directory;
  FileStore store(store_directory.path());
  FileStore copy(copy_directory.path());
  Bustle(store, copy).run();
}

TEST(Concurrency, InMemory) {
  MemoryStore store(system_clock());
  MemoryStore copy(system_clock());
  Bustle(store, copy).run();
}

}  // namespace
}  // namespace holdfast::test
