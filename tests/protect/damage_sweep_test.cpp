// Every object of a vault is damaged in every way. It must be noticed and named, nothing wrong may
// be restored silently, and another copy, or the next backup, must heal it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "protect/repair.h"
#include "protect/world.h"

namespace holdfast::test {
namespace {

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

struct Damage {
  std::string name;
  std::function<void(Objects&, const std::string& key)> inflict;
};

std::string kind_of(const std::string& key) {
  if (parse_backup_key(key)) return "backup";
  return key.substr(0, key.find('/'));
}

bool has_shape_of_key(const Bytes& object) {
  try {
    parse_wrapped_key(object);
    return true;
  } catch (const Error&) {
    return false;
  }
}

class DamageSweep : public ::testing::Test {
 protected:
  DamageSweep() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    MemoryStore store(clock_);
    auto vault = tiny_vault(store, clock_, ring_);
    store_key(store, wrap_key_ring(ring_, key_, "one", clock_.now()));
    for (int i = 0; i < 3; ++i) {
      if (i > 0) change_tree(directory_, random_);
      expected_.kept.push_back(keep_backup(*vault, job_of(directory_), directory_));
      clock_.advance(std::chrono::minutes(1));
    }
    write_doom(store, ring_, {DoomReason::kPrune, {}, {ChunkId{}}});
    good_ = objects_of(store);
  }

  std::vector<Damage> damages(const std::string& key) {
    std::vector<Damage> all;
    const std::size_t size = good_.at(key).size();
    std::vector<std::size_t> places{0, size / 2, size - 1};
    for (int i = 0; i < 10; ++i) places.push_back(random_() % size);
    for (const std::size_t at : places) {
      all.push_back({fmt::format("flip at {} of {}", at, size),
                     [at](Objects& objects, const std::string& k) { objects[k][at] ^= 0x10; }});
    }
    all.push_back({"delete", [](Objects& objects, const std::string& k) { objects.erase(k); }});
    all.push_back({"truncate", [size](Objects& objects, const std::string& k) {
                     objects[k].resize(size / 2);
                   }});
    all.push_back(
        {"append", [](Objects& objects, const std::string& k) { objects[k].push_back(0); }});
    for (const auto& [other, bytes] : good_) {
      if (other == key || kind_of(other) != kind_of(key)) continue;
      all.push_back(
          {"replace by " + other,
           [&bytes = bytes](Objects& objects, const std::string& k) { objects[k] = bytes; }});
      break;
    }
    return all;
  }

  // Restores everything; wrong content that nobody was told of is a failure.
  void expect_no_silent_error(ObjectStore& store);
  // Everything that a person reads when the vault is opened and validated.
  std::string verdict(ObjectStore& store, const std::string& cache);
  void expect_repaired(ObjectStore& store, const std::string& key);
  // White space in JSON, or the label of a key: the vault opens as before.
  bool is_harmless(ObjectStore& store, const std::string& key);

  StandingClock clock_;
  std::mt19937_64 random_{4711};
  const KeyRing ring_ = new_key_ring();
  const KeyFileSecret key_{Key{1, 2, 3}};
  const TempDir files_;
  std::string directory_;
  Expectations expected_;
  Objects good_;
};

void DamageSweep::expect_no_silent_error(ObjectStore& store) {
  std::unique_ptr<Vault> vault;
  try {
    vault = Vault::open(store, clock_, ring_, "");
  } catch (const Error&) {
    return;
  }
  for (const Kept& kept : expected_.kept) {
    const TempDir target;
    std::string told;
    Warnings warnings([&](const std::string& text) { told += text + "\n"; });
    RestoreResult result;
    try {
      result = bring_back(*vault, kept.name, target / "out", warnings);
    } catch (const Error&) {
      continue;
    }
    const Snapshot found = take_snapshot(target / "out" + directory_);
    for (const auto& [path, object] : kept.tree) {
      const auto back = found.find(path);
      if (back != found.end() && back->second.content == object.content) continue;
      // A hard link shares the fate of the first name.
      const std::string name = object.first_name.empty() ? path : object.first_name;
      EXPECT_NE(told.find(name), std::string::npos) << path << " is wrong and not named:\n" << told;
      EXPECT_GT(result.damaged, 0u);
    }
  }
}

std::string DamageSweep::verdict(ObjectStore& store, const std::string& cache) {
  try {
    const auto vault = Vault::open(store, clock_, key_, cache);
    return findings_of(validate_all(*vault));
  } catch (const Error& error) {
    EXPECT_NE(error.code(), Code::kInternal) << error.what();
    return error.what();
  }
}

bool DamageSweep::is_harmless(ObjectStore& store, const std::string& key) {
  if (kind_of(key) != "keys" && key != "holdfast.json") return false;
  try {
    return Vault::open(store, clock_, key_, "")->ring().master == ring_.master;
  } catch (const Error&) {
    return false;
  }
}

void DamageSweep::expect_repaired(ObjectStore& store, const std::string& key) {
  MemoryStore copy(clock_);
  fill(copy, good_);
  try {
    const auto vault = Vault::open(store, clock_, ring_, "");
    RepairJob job;
    job.other = &copy;
    const RepairResult result = repair(*vault, job, {});
    EXPECT_TRUE(result.unrepaired.empty()) << result.unrepaired[0];
  } catch (const Error& error) {
    ADD_FAILURE() << "repair: " << error.what();
  }
  EXPECT_EQ(vault_trouble(store, ring_, expected_), "");
  if (kind_of(key) == "keys") {
    EXPECT_NO_THROW(Vault::open(store, clock_, key_, ""));
  }
}

TEST_F(DamageSweep, IsNoticedNamedAndRepaired) {
  const TempDir cache;
  {
    MemoryStore store(clock_);
    fill(store, good_);
    ASSERT_EQ(verdict(store, cache.path()), "");
  }
  int cases = 0;
  for (const auto& [key, bytes] : good_) {
    for (const Damage& damage : damages(key)) {
      SCOPED_TRACE(key + ": " + damage.name);
      ++cases;
      MemoryStore store(clock_);
      Objects damaged = good_;
      damage.inflict(damaged, key);
      fill(store, damaged);
      const bool gone = !damaged.contains(key);
      // Nobody can tell that these were ever there but by comparison with a copy. A doom object
      // that is gone is doom that is lifted.
      const bool cannot_be_missed = gone && (kind_of(key) == "backup" || kind_of(key) == "doom");
      const std::string text = verdict(store, cache.path());
      if (!cannot_be_missed && !is_harmless(store, key)) {
        EXPECT_NE(text, "") << "not noticed";
        // Of what is gone its users are named; of keys the person who cannot open the vault hears.
        const bool nameless =
            kind_of(key) == "keys" || (gone && (kind_of(key) == "index" || key == "holdfast.json"));
        EXPECT_TRUE(nameless || text.find(key) != std::string::npos) << "not named: " << text;
      }
      expect_no_silent_error(store);
      // The same in all copies; without it there is no vault that could be repaired.
      if (key == "holdfast.json") store.put(key, bytes);
      // Of a key that still looks like one nobody can tell whether it, the copy or the passphrase
      // is the wrong one.
      if (kind_of(key) == "keys" && !gone && has_shape_of_key(damaged.at(key))) {
        store.put(key, bytes);
      }
      expect_repaired(store, key);
    }
  }
  EXPECT_GT(cases, 200);
}

// A new backup of the same files brings lost content back, for the older backups as well.
TEST_F(DamageSweep, NextBackupHeals) {
  int cases = 0;
  for (const auto& [key, bytes] : good_) {
    if (kind_of(key) != "data") continue;
    for (const bool lose : {true, false}) {
      SCOPED_TRACE(key + (lose ? " lost" : " flipped"));
      MemoryStore store(clock_);
      Objects damaged = good_;
      if (lose) {
        damaged.erase(key);
      } else {
        damaged[key][bytes.size() / 2] ^= 1;
      }
      fill(store, damaged);
      const TempDir cache;
      const auto vault = Vault::open(store, clock_, ring_, cache.path());
      const ValidateResult before = validate_all(*vault, true);
      EXPECT_FALSE(before.sound());
      const auto needs_it = [&](const ValidateResult& result) {
        return std::any_of(result.damaged.begin(), result.damaged.end(), [&](const auto& d) {
          return d.backup.id() == expected_.kept.back().name.id();
        });
      };
      const bool newest_was_damaged = needs_it(before);
      back_up(*vault, job_of(directory_));
      const ValidateResult after = validate_all(*vault);
      EXPECT_FALSE(needs_it(after)) << findings_of(after);
      EXPECT_EQ(restore_trouble(*vault, expected_.kept.back()), "");
      if (newest_was_damaged) ++cases;
    }
  }
  EXPECT_GE(cases, 4);
}

// What a repair without another copy can do: indexes come from packs, lost packs leave the index.
TEST_F(DamageSweep, RepairAloneRebuildsTheIndex) {
  MemoryStore store(clock_);
  Objects damaged = good_;
  std::erase_if(damaged, [](const auto& item) { return item.first.starts_with("index/"); });
  fill(store, damaged);
  const auto vault = Vault::open(store, clock_, ring_, "");
  EXPECT_FALSE(validate_all(*vault).sound());
  const RepairResult result = repair(*vault, {}, {});
  EXPECT_GT(result.reindexed_packs, 3u);
  EXPECT_TRUE(result.unrepaired.empty());
  EXPECT_EQ(vault_trouble(store, ring_, expected_), "");
}

// It would index again what the prune has just taken out of the index and is about to remove.
TEST_F(DamageSweep, NoRepairBesideAPrune) {
  MemoryStore store(clock_);
  fill(store, good_);
  const auto vault = Vault::open(store, clock_, ring_, "");
  const Lease pruning(store, clock_, "prune", true);
  try {
    repair(*vault, {}, {});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kConflict);
  }
}

// A dry run of a repair says what it would do and does nothing.
TEST_F(DamageSweep, DryRunRepairsNothing) {
  MemoryStore store(clock_);
  MemoryStore copy(clock_);
  fill(copy, good_);
  Objects damaged = good_;
  for (auto& [key, bytes] : damaged) {
    if (kind_of(key) == "data" || kind_of(key) == "index") bytes[50] ^= 1;
  }
  fill(store, damaged);
  const auto vault = Vault::open(store, clock_, ring_, "");
  RepairJob job;
  job.other = &copy;
  job.dry_run = true;
  const RepairResult result = repair(*vault, job, {});
  EXPECT_GE(result.actions.size(), 4u);
  EXPECT_EQ(objects_of(store), damaged);
}

}  // namespace
}  // namespace holdfast::test
