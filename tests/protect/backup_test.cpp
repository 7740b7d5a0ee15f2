// What a backup reads again, what it does not, and what it makes of files that move under it.
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "base/path.h"
#include "os/file.h"
#include "protect/world.h"
#include "support/fault_store.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

class BackUp : public ::testing::Test {
 protected:
  BackUp() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    vault_ = tiny_vault(store_, clock_, ring_, files_ / "cache");
  }
  struct Outcome {
    BackupResult result;
    std::uint64_t bytes_read = 0;
    std::string warnings;
  };
  Outcome run(const Vault& vault, const BackupJob& job, std::stop_token stop = {}) {
    Outcome outcome;
    Warnings warnings([&](const std::string& text) { outcome.warnings += text + "\n"; });
    BackupProgress progress;
    outcome.result = run_backup(vault, job, progress, warnings, std::move(stop));
    outcome.bytes_read = progress.bytes_read;
    clock_.advance(std::chrono::minutes(1));
    return outcome;
  }
  Outcome run() { return run(*vault_, job_of(directory_)); }
  std::size_t data_packs() { return list_objects(store_, "data/").size(); }

  StandingClock clock_;
  std::mt19937_64 random_{8};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_;
};

TEST_F(BackUp, UnchangedFilesAreNotRead) {
  const Outcome first = run();
  EXPECT_GT(first.bytes_read, 10'000u);
  const std::size_t packs = data_packs();
  const Outcome second = run();
  EXPECT_EQ(second.bytes_read, 0u);
  EXPECT_EQ(data_packs(), packs);
  EXPECT_EQ(second.result.unchanged_files, second.result.summary.files);
  EXPECT_EQ(second.result.summary.bytes, first.result.summary.bytes);
  EXPECT_EQ(
      restore_trouble(*vault_, {second.result.summary.name, directory_, take_snapshot(directory_)}),
      "");
}

TEST_F(BackUp, ReadEverythingReadsButStoresNothing) {
  const Outcome first = run();
  const std::size_t packs = data_packs();
  BackupJob job = job_of(directory_);
  job.read_everything = true;
  EXPECT_EQ(run(*vault_, job).bytes_read, first.bytes_read);
  EXPECT_EQ(data_packs(), packs);
}

// Same size, same mtime, other content: the ctime tells.
TEST_F(BackUp, ContentThatChangedBehindTheMtimeIsSeen) {
  run();
  const std::string file = directory_ + "/twin-a";
  struct stat before {};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  std::string text = read_text(file);
  text[100] = static_cast<char>(text[100] ^ 1);
  write_text(file, text);
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  const Outcome second = run();
  EXPECT_EQ(second.bytes_read, text.size());
  EXPECT_EQ(
      restore_trouble(*vault_, {second.result.summary.name, directory_, take_snapshot(directory_)}),
      "");
}

// Rewrites the end of a file whenever its content is being stored, `times` times.
class Restless {
 public:
  Restless(FaultPlan& plan, std::string file, int times) : file_(std::move(file)), left_(times) {
    plan.on_operation([this](std::uint64_t, Operation operation, std::string_view) {
      if (operation != Operation::kAppend || left_.fetch_sub(1) <= 0) return;
      const std::lock_guard lock(mutex_);  // operations come from several threads
      const Fd fd = open_file(file_, O_RDWR);
      const std::string text = noise(random_, 300'000);
      pwrite_full(fd.get(), as_bytes(text), 300'000, file_);
      ++changes_;
    });
  }
  int changes() const { return changes_; }

 private:
  const std::string file_;
  std::mutex mutex_;
  std::mt19937_64 random_{6};
  std::atomic<int> left_;
  std::atomic<int> changes_{0};
};

TEST_F(BackUp, AFileThatChangesOnceIsReadAgain) {
  const std::string moving = directory_ + "/moving";
  write_text(moving, noise(random_, 600'000));
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  const Restless restless(*plan, moving, 1);
  const auto vault = Vault::open(watched, clock_, ring_, "");
  BackupJob job = job_of(directory_);
  job.walk.roots = {stored_path(moving)};
  const Outcome outcome = run(*vault, job);
  EXPECT_EQ(restless.changes(), 1);
  EXPECT_EQ(outcome.warnings, "");
  EXPECT_EQ(outcome.bytes_read, 1'200'000u);
  const TempDir target;
  bring_back(*vault_, outcome.result.summary.name, target / "out");
  EXPECT_TRUE(read_text(target / "out" + moving) == read_text(moving));
}

TEST_F(BackUp, AFileThatNeverStandsStillIsMarked) {
  const std::string moving = directory_ + "/moving";
  write_text(moving, noise(random_, 600'000));
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  const Restless restless(*plan, moving, 1'000'000);
  const auto vault = Vault::open(watched, clock_, ring_, "");
  BackupJob job = job_of(directory_);
  job.walk.roots = {stored_path(moving)};
  const Outcome outcome = run(*vault, job);
  EXPECT_GE(restless.changes(), 3);
  EXPECT_NE(outcome.warnings.find("moving: kept changing"), std::string::npos) << outcome.warnings;
  EXPECT_EQ(outcome.bytes_read, 1'800'000u) << "three attempts";
  EXPECT_EQ(outcome.result.summary.warnings, 1u);
  const TempDir target;
  EXPECT_EQ(bring_back(*vault_, outcome.result.summary.name, target / "out").damaged, 0u);
  EXPECT_EQ(read_text(target / "out" + moving).size(), 600'000u);
}

TEST_F(BackUp, WhatVanishesIsAWarning) {
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  // The walk is done, the reader waits for the first frames of "big", when "zz" goes.
  write_text(directory_ + "/big", noise(random_, 400'000));
  write_text(directory_ + "/zz", "soon gone");
  std::atomic<bool> gone = false;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view) {
    if (operation == Operation::kAppend && !gone.exchange(true)) fs::remove(directory_ + "/zz");
  });
  const auto vault = Vault::open(watched, clock_, ring_, "");
  const Outcome outcome = run(*vault, job_of(directory_));
  EXPECT_TRUE(gone);
  EXPECT_NE(outcome.warnings.find("/zz"), std::string::npos) << outcome.warnings;
  Warnings warnings;
  const TempDir target;
  bring_back(*vault_, outcome.result.summary.name, target / "out", warnings);
  EXPECT_TRUE(read_text(target / "out" + directory_ + "/big") == read_text(directory_ + "/big"));
  EXPECT_FALSE(fs::exists(target / "out" + directory_ + "/zz"));
}

TEST_F(BackUp, WhatCannotBeReadIsAWarning) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool root = ::geteuid() == 0;
    if (root && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0)) {
      ::_exit(3);
    }
    {
      const TempDir mine;
      write_text(mine / "src/open", "open");
      write_text(mine / "src/secret", "secret");
      ::chmod((mine / "src/secret").c_str(), 0);
      fs::create_directory(mine / "src/locked");
      ::chmod((mine / "src/locked").c_str(), 0);
      MemoryStore store(clock_);
      const auto vault = tiny_vault(store, clock_, ring_);
      const Outcome outcome = run(*vault, job_of(mine / "src"));
      EXPECT_NE(outcome.warnings.find("secret"), std::string::npos) << outcome.warnings;
      EXPECT_NE(outcome.warnings.find("locked"), std::string::npos) << outcome.warnings;
      EXPECT_EQ(outcome.result.summary.files, 1u);
      const TempDir target;
      bring_back(*vault, outcome.result.summary.name, target / "out");
      EXPECT_EQ(read_text(target / "out" + (mine / "src/open")), "open");
    }
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// Stopped at any operation: no backup object, and the next run finds what was stored.
TEST_F(BackUp, GoesOnAfterAStop) {
  write_text(directory_ + "/big", noise(random_, 500'000));
  MemoryStore reference(clock_);
  const Outcome whole = run(*tiny_vault(reference, clock_, ring_), job_of(directory_));
  std::uint64_t saved = 0;
  for (const std::uint64_t at : {1u, 5u, 20u, 40u, 80u}) {
    SCOPED_TRACE(at);
    MemoryStore store(clock_);
    const auto plain = tiny_vault(store, clock_, ring_);
    const auto plan = std::make_shared<FaultPlan>();
    FaultStore watched(store, plan);
    std::stop_source stop;
    const auto vault = Vault::open(watched, clock_, ring_, "");
    const std::uint64_t begin = plan->operations();
    plan->on_operation([&](std::uint64_t number, Operation, std::string_view) {
      if (number == begin + at) stop.request_stop();
    });
    try {
      run(*vault, job_of(directory_), stop.get_token());
      ADD_FAILURE() << "it was not stopped";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCancelled) << error.what();
    }
    EXPECT_TRUE(list_backups(store).empty());
    EXPECT_EQ(orphans_in(store, ring_), "");
    const Outcome rest = run(*plain, job_of(directory_));
    EXPECT_LE(rest.result.written.new_raw_bytes, whole.result.written.new_raw_bytes);
    saved = whole.result.written.new_raw_bytes - rest.result.written.new_raw_bytes;
    EXPECT_EQ(vault_trouble(store, ring_,
                            {{{rest.result.summary.name, directory_, take_snapshot(directory_)}}}),
              "");
  }
  EXPECT_GT(saved, 100'000u) << "what was stored before the last stop was not found again";
}

TEST_F(BackUp, AnOperatorMakesNone) {
  const auto vault = Vault::open(store_, clock_, ring_.restricted_to(Role::kOperator), "");
  EXPECT_THROW(run(*vault, job_of(directory_)), Error);
}

// A writer's key is enough to add a backup, and not enough to read it.
TEST_F(BackUp, AWriterCannotReadWhatItWrote) {
  const auto vault = Vault::open(store_, clock_, ring_.restricted_to(Role::kWriter), "");
  const Outcome outcome = run(*vault, job_of(directory_));
  const TempDir target;
  try {
    bring_back(*vault, outcome.result.summary.name, target / "out");
    ADD_FAILURE() << "a writer could read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kDenied) << error.what();
  }
  EXPECT_EQ(restore_trouble(*vault_,
                            {outcome.result.summary.name, directory_, take_snapshot(directory_)}),
            "");
}

}  // namespace
}  // namespace holdfast::test
