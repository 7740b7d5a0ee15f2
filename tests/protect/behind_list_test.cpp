// ObjectStore promises that a list shows what was written before it (every S3 store of today does).
// One that is behind for a while, though for less than the grace period of a prune, is refused by
// what needs it, or does not matter: nothing that was committed is lost, and when the list has
// caught up everything works.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "protect/copy.h"
#include "protect/world.h"
#include "store/wrappers.h"

namespace holdfast::test {
namespace {

constexpr Duration kGrace = std::chrono::hours{24};

// Lists of keys that start with `behind` are as they were at the last catch_up(); what was removed
// since then is still in them.
class BehindStore final : public ForwardingStore {
 public:
  BehindStore(ObjectStore& store, std::string behind)
      : ForwardingStore(store), behind_(std::move(behind)) {}

  void catch_up() { listed_ = list_objects(inner(), ""); }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    std::map<std::string, ObjectInfo> shown;
    for (const ObjectInfo& info : list_objects(inner(), prefix)) {
      if (!info.key.starts_with(behind_)) shown[info.key] = info;
    }
    for (const ObjectInfo& info : listed_) {
      if (info.key.starts_with(behind_) && info.key.starts_with(prefix)) shown[info.key] = info;
    }
    for (const auto& [key, info] : shown) visit(info);
  }

 private:
  const std::string behind_;
  std::vector<ObjectInfo> listed_;
};

class BehindList : public ::testing::TestWithParam<const char*> {
 protected:
  BehindList() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    vault_ = tiny_vault(inner_, clock_, ring_);
    for (int i = 0; i < 4; ++i) add_backup(inner_);
    store_.catch_up();
  }

  // Through `store`. A list that is behind may refuse it.
  void add_backup(ObjectStore& store) {
    change_tree(directory_, random_);
    attempt("backup", [&] {
      const auto vault = Vault::open(store, clock_, ring_, "");
      kept_.push_back(keep_backup(*vault, job_of(directory_), directory_));
    });
    clock_.advance(std::chrono::minutes(1));
  }
  void forget(std::size_t i) {
    inner_.remove(kept_[i].name.key());
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  void prune() {
    const auto vault = Vault::open(store_, clock_, ring_, "");
    PruneJob job;
    job.grace = kGrace;
    job.max_unused_percent = 0;
    result_ = holdfast::prune(*vault, job, {});
  }
  void copy() {
    CopyJob job;
    job.threads = 1;
    CopyProgress progress;
    copy_vault(store_, copied_, job, progress, {});
  }
  // False when it was refused.
  bool attempt(const std::string& what, const std::function<void()>& run) {
    try {
      run();
      return true;
    } catch (const Error& error) {
      refused_ += fmt::format("{}: {}\n", what, error.what());
      EXPECT_NE(error.code(), Code::kInternal) << what << ": " << error.what();
      return false;
    }
  }
  std::string trouble() { return vault_trouble(inner_, ring_, {kept_}); }
  // A list that is behind as a whole is an earlier vault. One in which backups are ahead of what
  // they need gives a copy that lacks this; the next copy brings it.
  void expect_consistent_copy() {
    if (*GetParam() != '\0') return;
    Expectations there;
    for (const Kept& kept : kept_) {
      if (copied_.stat(kept.name.key())) there.kept.push_back(kept);
    }
    EXPECT_EQ(vault_trouble(copied_, ring_, there), "") << refused_;
  }
  void expect_all_once_caught_up() {
    clock_.advance(kGrace + std::chrono::minutes(1));
    store_.catch_up();
    prune();
    EXPECT_EQ(trouble(), "") << refused_;
    store_.catch_up();
    copy();
    const auto copied = Vault::open(copied_, clock_, ring_, "");
    for (const Kept& kept : kept_) EXPECT_EQ(restore_trouble(*copied, kept), "") << refused_;
  }

  StandingClock clock_;  // the store's as well
  std::mt19937_64 random_{99};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  MemoryStore inner_{clock_};
  MemoryStore copied_{clock_};
  BehindStore store_{inner_, GetParam()};
  std::unique_ptr<Vault> vault_;
  std::vector<Kept> kept_;
  PruneResult result_;
  std::string refused_;
};

// Behind while a backup is made, marked, copied and restored; not any more at the sweep.
TEST_P(BehindList, AtTheMarkLosesNothing) {
  forget(0);
  add_backup(store_);
  attempt("prune", [&] { prune(); });
  EXPECT_EQ(trouble(), "") << refused_;
  add_backup(store_);
  attempt("copy", [&] { copy(); });
  expect_consistent_copy();
  attempt("restore", [&] {
    const TempDir target;
    Warnings warnings;
    const auto vault = Vault::open(store_, clock_, ring_, "");
    bring_back(*vault, kept_.back().name, target / "out", warnings);
  });

  expect_all_once_caught_up();
}

// Behind after the mark, over backups that need again what was marked.
TEST_P(BehindList, AtTheSweepLosesNothing) {
  // The first backup's tree is to come again.
  const TempDir again;
  bring_back(*vault_, kept_[0].name, again / "out");
  const std::string first = (again / "out") + directory_;
  forget(0);
  prune();
  EXPECT_GT(result_.marked_packs, 0u);
  clock_.advance(kGrace + std::chrono::minutes(1));
  store_.catch_up();
  attempt("backup", [&] {
    const auto vault = Vault::open(store_, clock_, ring_, "");
    kept_.push_back(keep_backup(*vault, job_of(first), first));
  });
  clock_.advance(std::chrono::minutes(1));
  add_backup(store_);
  attempt("sweep", [&] { prune(); });
  EXPECT_EQ(trouble(), "") << refused_;
  attempt("copy", [&] { copy(); });
  expect_consistent_copy();

  expect_all_once_caught_up();
}

INSTANTIATE_TEST_SUITE_P(Prefix, BehindList,
                         ::testing::Values("", "data/", "meta/", "index/", "files/", "doom/",
                                           "lease/", "run/", "keys/"),
                         [](const auto& of) {
                           std::string name = of.param;
                           if (name.empty()) return std::string("all");
                           name.pop_back();
                           return name;
                         });

}  // namespace
}  // namespace holdfast::test
