#include "protect/world.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/path.h"
#include "os/file.h"

namespace holdfast::test {

namespace fs = std::filesystem;

bool use_memory_for_files() {
  constexpr const char* kMemory = "/dev/shm";
  return ::access(kMemory, W_OK | X_OK) == 0 && ::setenv("TMPDIR", kMemory, 0) == 0;
}

StandingClock::StandingClock() : now_(system_clock().now() + std::chrono::hours(1)) {}

Timestamp StandingClock::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

Duration StandingClock::monotonic() const { return now().time_since_epoch(); }

bool StandingClock::sleep_for(Duration duration, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const Timestamp end = now_ + duration;
  return moved_.wait(lock, std::move(stop), [&] { return now_ >= end; });
}

void StandingClock::advance(Duration by) {
  {
    const std::lock_guard lock(mutex_);
    now_ += by;
  }
  moved_.notify_all();
}

VaultParameters tiny_parameters() {
  VaultParameters parameters;
  parameters.chunks = {256, 1024, 4096};
  parameters.frame_bytes = 4096;
  parameters.pack_bytes = 16u << 10;
  return parameters;
}

std::unique_ptr<Vault> tiny_vault(ObjectStore& store, Clock& clock, const KeyRing& ring,
                                  const std::string& cache) {
  return Vault::create(store, clock, ring, tiny_parameters(), cache);
}

std::string noise(std::mt19937_64& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

void write_text(const std::string& path, std::string_view text) {
  make_directories(path.substr(0, path.find_last_of('/')));
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_full(fd.get(), as_bytes(text), path);
}

std::string read_text(const std::string& path) { return std::string(as_text(read_file(path))); }

void make_small_tree(const std::string& directory, std::mt19937_64& random) {
  for (int i = 0; i < 9; ++i) {
    write_text(fmt::format("{}/d{}/f{}", directory, i % 3, i), noise(random, random() % 9000));
  }
  write_text(directory + "/empty", "");
  const std::string twin = noise(random, 5000);
  write_text(directory + "/twin-a", twin);
  write_text(directory + "/twin-b", twin);
  fs::create_symlink("d0/f0", directory + "/link");
  fs::create_hard_link(directory + "/d1/f1", directory + "/name-of-f1");
  const std::string sparse = directory + "/sparse";
  write_text(sparse, "");
  const Fd fd = open_file(sparse, O_RDWR);
  pwrite_full(fd.get(), as_bytes(noise(random, 4096)), 65536, sparse);
  if (::ftruncate(fd.get(), 200'000) != 0) throw system_error(errno, "ftruncate");
}

void change_tree(const std::string& directory, std::mt19937_64& random) {
  write_text(directory + "/d0/f0", noise(random, 6000));
  write_text(directory + "/d1/f4", noise(random, 3000));
  write_text(fmt::format("{}/new-{}", directory, random() % 1000), noise(random, 4000));
  fs::remove(directory + "/d2/f2");
}

BackupJob job_of(const std::string& directory, const std::string& source) {
  BackupJob job;
  job.backup_class = "files";
  job.source = source;
  job.walk.roots = {stored_path(directory)};
  job.threads = 1;
  return job;
}

BackupResult back_up(const Vault& vault, const BackupJob& job) {
  BackupProgress progress;
  Warnings warnings;
  return run_backup(vault, job, progress, warnings, {});
}

RestoreResult bring_back(const Vault& vault, const BackupName& name, const std::string& target,
                         Warnings& warnings) {
  RestoreJob job;
  job.backup = name;
  job.target = target;
  job.threads = 1;
  RestoreProgress progress;
  return run_restore(vault, job, progress, warnings, {});
}

RestoreResult bring_back(const Vault& vault, const BackupName& name, const std::string& target) {
  Warnings warnings;
  return bring_back(vault, name, target, warnings);
}

PruneResult prune_now(const Vault& vault) {
  PruneJob job;
  job.grace = Duration{0};
  job.max_unused_percent = 0;
  return prune(vault, job, {});
}

ValidateResult validate_all(const Vault& vault, bool record) {
  ValidateJob job;
  job.backups = list_backups(vault.store());
  job.whole_vault = true;
  job.read_percent = 100;
  job.record = record;
  job.threads = 1;
  ValidateProgress progress;
  return validate(vault, job, progress, {});
}

std::string findings_of(const ValidateResult& result) {
  std::string text;
  for (const Finding& finding : result.findings) {
    text += finding.object + ": " + finding.problem + "\n";
  }
  for (const DamagedBackup& damaged : result.damaged) {
    text += fmt::format("{} misses {} chunks\n", damaged.backup.id(), damaged.missing_chunks);
  }
  return text;
}

Kept keep_backup(const Vault& vault, const BackupJob& job, const std::string& directory) {
  return {back_up(vault, job).summary.name, directory, take_snapshot(directory)};
}

std::string restore_trouble(const Vault& vault, const Kept& kept) {
  const TempDir target;
  try {
    Warnings warnings;
    const RestoreResult result = bring_back(vault, kept.name, target / "out", warnings);
    if (result.damaged > 0) return kept.name.id() + " comes back damaged\n";
    const std::string text = difference(kept.tree, take_snapshot(target / "out" + kept.directory));
    return text.empty() ? "" : kept.name.id() + ": " + text;
  } catch (const std::exception& error) {
    return kept.name.id() + " does not come back: " + error.what() + "\n";
  }
}

std::string vault_trouble(ObjectStore& store, const KeyRing& ring, const Expectations& expected) {
  std::string trouble;
  try {
    StandingClock clock;
    const auto vault = Vault::open(store, clock, ring, "");
    std::map<std::string, BackupName> present;
    for (const BackupName& name : list_backups(store)) present.emplace(name.id(), name);
    for (const Kept& kept : expected.kept) {
      if (present.erase(kept.name.id()) == 0) trouble += kept.name.id() + " is gone\n";
      trouble += restore_trouble(*vault, kept);
    }
    for (const auto& [id, name] : present) {
      if (expected.other_directory.empty()) {
        trouble += id + " was not expected\n";
      } else {
        trouble += restore_trouble(*vault, {name, expected.other_directory, expected.other_tree});
      }
    }
    const ValidateResult result = validate_all(*vault);
    if (!result.sound()) trouble += "unsound: " + findings_of(result);
  } catch (const std::exception& error) {
    trouble += std::string(error.what()) + "\n";
  }
  return trouble;
}

std::string orphans_in(ObjectStore& store, const KeyRing& ring) {
  std::set<std::string> named;
  const auto index = Index::load(store, ring, "");
  for (const Segment& segment : index->segments()) {
    for (std::uint32_t i = 0; i < segment.packs(); ++i) {
      named.insert(pack_key(segment.pack(i).pack_class, segment.pack(i).name));
    }
  }
  std::string orphans;
  for (const char* prefix : {"data/", "meta/"}) {
    for (const ObjectInfo& info : list_objects(store, prefix)) {
      if (!named.contains(info.key)) orphans += info.key + "\n";
    }
  }
  return orphans;
}

Objects objects_of(ObjectStore& store) {
  Objects objects;
  for (const ObjectInfo& info : list_objects(store, "")) objects[info.key] = store.get(info.key);
  return objects;
}

void fill(ObjectStore& store, const Objects& objects) {
  for (const auto& [key, bytes] : objects) store.put(key, bytes);
}

}  // namespace holdfast::test
