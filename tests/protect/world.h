// Small vaults, small trees, and the one question of all sweeps: does everything still come back?
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "os/clock.h"
#include "protect/backup.h"
#include "protect/prune.h"
#include "protect/restore.h"
#include "protect/snapshot.h"
#include "protect/validate.h"
#include "store/memory_store.h"
#include "support/temp_dir.h"
#include "vault/vault.h"

namespace holdfast::test {

// Lets temporary directories be in memory where there is such a place: sweeps restore thousands of
// trees, and a process that is killed loses nothing there either.
bool use_memory_for_files();

// A clock that stands until it is moved; sleepers wait for that.
class StandingClock final : public Clock {
 public:
  // Starts an hour after the real time, so that no file that a test just wrote is too fresh to be
  // remembered as unchanged.
  StandingClock();
  Timestamp now() const override;
  Duration monotonic() const override;
  bool sleep_for(Duration duration, std::stop_token stop) override;
  void advance(Duration by);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any moved_;
  Timestamp now_;
};

// The real clock, shifted.
class ShiftedClock final : public Clock {
 public:
  explicit ShiftedClock(Duration by) : by_(by) {}
  Timestamp now() const override { return system_clock().now() + by_; }
  Duration monotonic() const override { return system_clock().monotonic(); }
  bool sleep_for(Duration duration, std::stop_token stop) override {
    return system_clock().sleep_for(duration, std::move(stop));
  }

 private:
  Duration by_;
};

// Few bytes make many chunks, frames and packs.
VaultParameters tiny_parameters();
std::unique_ptr<Vault> tiny_vault(ObjectStore& store, Clock& clock, const KeyRing& ring,
                                  const std::string& cache = "");

// `size` bytes that do not compress.
std::string noise(std::mt19937_64& random, std::size_t size);
void write_text(const std::string& path, std::string_view text);  // creates directories too
std::string read_text(const std::string& path);

// A tree of some 60 KiB: a dozen files, a link, a hard link, a sparse file.
void make_small_tree(const std::string& directory, std::mt19937_64& random);
// Rewrites, adds and removes a few files.
void change_tree(const std::string& directory, std::mt19937_64& random);

BackupJob job_of(const std::string& directory, const std::string& source = "web");
BackupResult back_up(const Vault& vault, const BackupJob& job);
RestoreResult bring_back(const Vault& vault, const BackupName& name, const std::string& target,
                         Warnings& warnings);
RestoreResult bring_back(const Vault& vault, const BackupName& name, const std::string& target);
PruneResult prune_now(const Vault& vault);
ValidateResult validate_all(const Vault& vault, bool record = false);
std::string findings_of(const ValidateResult& result);

// A backup that must come back, and what it held.
struct Kept {
  BackupName name;
  std::string directory;  // that was backed up, absolute
  Snapshot tree;
};
Kept keep_backup(const Vault& vault, const BackupJob& job, const std::string& directory);

// Why `kept` does not come back from `vault` byte for byte; "" when it does.
std::string restore_trouble(const Vault& vault, const Kept& kept);

struct Expectations {
  std::vector<Kept> kept;
  // What any other backup that is there must hold: an operation may have committed it. Empty
  // directory: no other may be there.
  std::string other_directory{};
  Snapshot other_tree{};
};
// All that is wrong with the vault in `store`: a backup missing or different, an unsound vault. ""
// when nothing is.
std::string vault_trouble(ObjectStore& store, const KeyRing& ring, const Expectations& expected);

// Packs that no segment names.
std::string orphans_in(ObjectStore& store, const KeyRing& ring);

// The objects of a store and their bytes.
using Objects = std::map<std::string, Bytes>;
Objects objects_of(ObjectStore& store);
void fill(ObjectStore& store, const Objects& objects);

}  // namespace holdfast::test
