// The options of a restore, and what it does when it is not alone or not whole.
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "base/path.h"
#include "os/file.h"
#include "protect/restore_preflight.h"
#include "protect/world.h"
#include "store/expect_error.h"
#include "store/wrappers.h"
#include "support/fault_store.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

class BringBack : public ::testing::Test {
 protected:
  BringBack() {
    source_ = files_ / "src";
    make_small_tree(source_, random_);
    write_text(source_ + "/big", noise(random_, 200'000));
    vault_ = tiny_vault(store_, clock_, ring_);
    kept_ = keep_backup(*vault_, job_of(source_), source_);
    job_.backup = kept_.name;
    job_.target = files_ / "out";
    // "tmp/holdfast-test-XXXXXX/src": what is below "src" comes right into the target.
    const std::string stored = stored_path(source_);
    job_.strip_components =
        static_cast<unsigned>(std::count(stored.begin(), stored.end(), '/')) + 1;
    job_.threads = 2;
  }
  RestoreResult run(ObjectStore& store, std::stop_token stop = {}) {
    const auto vault = Vault::open(store, clock_, ring_, "");
    told_.clear();
    Warnings warnings([&](const std::string& text) { told_ += text + "\n"; });
    RestoreProgress progress;
    return run_restore(*vault, job_, progress, warnings, std::move(stop));
  }
  RestoreResult run() { return run(store_); }
  Code code_of_run(ObjectStore& store, std::stop_token stop = {}) {
    try {
      run(store, std::move(stop));
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Code::kInternal;
  }
  std::string out(const std::string& name) const { return job_.target + "/" + name; }
  std::string stored(const std::string& name) const { return stored_path(source_ + "/" + name); }
  // What is in the target against what was backed up; the target's own metadata is its own.
  std::string differs(std::vector<std::string> without = {}) {
    Snapshot expected = kept_.tree;
    Snapshot found = take_snapshot(job_.target);
    for (const std::string& path : without) erase_below(expected, path);
    expected.erase("");
    found.erase("");
    return difference(expected, found);
  }

  StandingClock clock_;
  std::mt19937_64 random_{31};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string source_;
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_;
  Kept kept_;
  RestoreJob job_;
  std::string told_;
};

TEST_F(BringBack, StripsComponents) {
  run();
  EXPECT_EQ(differs(), "");
}

TEST_F(BringBack, IncludesAndExcludes) {
  job_.includes = {stored("d0"), stored("big")};
  run();
  EXPECT_TRUE(fs::exists(out("d0/f0")) && fs::exists(out("big")));
  EXPECT_FALSE(fs::exists(out("d1")) || fs::exists(out("twin-a")));
  fs::remove_all(job_.target);
  job_.includes = {};
  job_.excludes = {"twin-*", "d2/"};
  run();
  EXPECT_EQ(differs({"twin-a", "twin-b", "d2"}), "");
  fs::remove_all(job_.target);
  job_.includes = {"no/such/path"};
  EXPECT_EQ(code_of_run(store_), Code::kNotFound);
}

// The file is stored under its first name; when only a further one is wanted it cannot be made, and
// that is said.
TEST_F(BringBack, AHardLinkWithoutItsFirstNameIsNamed) {
  job_.includes = {stored("name-of-f1")};
  run();
  EXPECT_NE(told_.find("name-of-f1"), std::string::npos);
  EXPECT_NE(told_.find("d1/f1"), std::string::npos);
}

// What everybody meets who is not root is one warning, not one for each file.
TEST_F(BringBack, OwnersThatCannotBeSetAreOneWarning) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs files of two owners";
  fs::create_directory(job_.target);
  fs::permissions(files_.path(), fs::perms::all);
  fs::permissions(job_.target, fs::perms::all);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr unsigned kNobody = 65534;
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
      ::_exit(3);
    }
    run();
    EXPECT_EQ(std::count(told_.begin(), told_.end(), '\n'), 1) << told_;
    EXPECT_NE(told_.find("--no-owner"), std::string::npos) << told_;
    job_.rights.owner = false;
    job_.overwrite = Overwrite::kAlways;
    run();
    EXPECT_EQ(told_, "");
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(BringBack, DryRunChangesNothing) {
  job_.dry_run = true;
  const RestoreResult result = run();
  EXPECT_GT(result.files, 10u);
  EXPECT_FALSE(fs::exists(job_.target));
  job_.dry_run = false;
  run();
  write_text(out("d0/f0"), "other");
  write_text(out("d0/extra"), "extra");
  const Snapshot before = take_snapshot(job_.target);
  job_.dry_run = true;
  job_.overwrite = Overwrite::kAlways;
  job_.remove_others = true;
  EXPECT_EQ(run().removed, 1u);
  EXPECT_EQ(difference(before, take_snapshot(job_.target)), "");
}

TEST_F(BringBack, NeverKeepsWhatExists) {
  write_text(out("big"), "mine");
  const RestoreResult result = run();
  EXPECT_EQ(result.skipped, 1u);
  EXPECT_NE(told_.find("big"), std::string::npos);
  EXPECT_EQ(read_text(out("big")), "mine");
  EXPECT_EQ(read_text(out("twin-a")), kept_.tree["twin-a"].content);
}

TEST_F(BringBack, AlwaysWritesEverything) {
  run();
  write_text(out("big"), "mine");
  job_.overwrite = Overwrite::kAlways;
  const RestoreResult result = run();
  EXPECT_EQ(result.bytes_kept, 0u);
  EXPECT_EQ(result.bytes_written, result.bytes);
  EXPECT_EQ(differs(), "");
}

TEST_F(BringBack, IfChangedWritesOnlyWhatDiffers) {
  run();
  job_.overwrite = Overwrite::kIfChanged;
  // A file with several names is made anew, as the others may be outside of the target.
  const std::size_t linked = kept_.tree["d1/f1"].content.size();
  const RestoreResult same = run();
  EXPECT_EQ(same.bytes_written, linked);
  EXPECT_EQ(same.bytes_kept, same.bytes - linked);
  std::string text = read_text(out("big"));
  text[100'000] = static_cast<char>(text[100'000] ^ 1);
  write_text(out("big"), text);
  write_text(out("twin-b"), kept_.tree["twin-b"].content + "a longer end");
  write_text(out("d0/f3"), "");
  const Fd fd = open_file(out("sparse"), O_RDWR);
  pwrite_full(fd.get(), as_bytes("in a hole"), 150'000, "sparse");
  const RestoreResult some = run();
  EXPECT_EQ(differs(), "");
  EXPECT_GT(some.bytes_written, 0u);
  EXPECT_LE(some.bytes_written, 4096u + kept_.tree["d0/f3"].content.size() + linked);
  EXPECT_EQ(some.bytes_written + some.bytes_kept, some.bytes);
}

TEST_F(BringBack, WhatIsInTheWayIsReplacedOnRequestOnly) {
  fs::create_directories(out("twin-a"));
  write_text(out("d0"), "a file where a directory belongs");
  fs::create_symlink(files_.path(), out("d1"));
  run();
  EXPECT_TRUE(fs::is_directory(out("twin-a")));
  EXPECT_EQ(read_text(out("d0")), "a file where a directory belongs");
  EXPECT_FALSE(fs::exists(files_ / "f1")) << "written through a symlink";
  job_.overwrite = Overwrite::kAlways;
  run();
  EXPECT_EQ(differs(), "");
}

// Nothing but --delete removes what the backup does not have; until then nobody is told that the
// file is back.
TEST_F(BringBack, AFullDirectoryInTheWayGoesWithDeleteOnly) {
  const RestoreResult whole = run();
  fs::create_directory(files_ / "outside");
  write_text(files_ / "outside/victim", "stays");
  for (const std::string name : {"big", "link"}) {
    fs::remove(out(name));
    write_text(out(name + "/sub/deep"), "goes");
    fs::create_directory_symlink(files_ / "outside", out(name + "/out"));
  }
  for (const Overwrite overwrite : {Overwrite::kAlways, Overwrite::kIfChanged}) {
    job_.overwrite = overwrite;
    for (const bool dry : {true, false}) {
      job_.dry_run = dry;
      const RestoreResult result = run();
      EXPECT_EQ(result.files, whole.files - 1);
      EXPECT_EQ(result.others, whole.others - 1);
      EXPECT_NE(told_.find("big: not restored"), std::string::npos) << told_;
      EXPECT_NE(told_.find("link: not restored"), std::string::npos) << told_;
      EXPECT_NE(told_.find("--delete"), std::string::npos) << told_;
      EXPECT_EQ(read_text(out("big/sub/deep")), "goes");
    }
  }
  job_.overwrite = Overwrite::kAlways;
  job_.remove_others = true;
  job_.dry_run = true;
  EXPECT_EQ(run().removed, 2u);
  EXPECT_TRUE(fs::exists(out("big/sub/deep")));
  job_.dry_run = false;
  const RestoreResult result = run();
  EXPECT_EQ(told_, "");
  EXPECT_EQ(result.removed, 2u);
  EXPECT_EQ(result.files, whole.files);
  EXPECT_EQ(differs(), "");
  EXPECT_EQ(read_text(files_ / "outside/victim"), "stays");
}

// With stripped components a file and a directory of the backup can meet at one place: what was
// restored first stays.
TEST_F(BringBack, DeleteSparesWhatTheBackupPutsAtTheSamePlace) {
  write_text(files_ / "both/a/x/inner", "first");
  write_text(files_ / "both/b/x", "second");
  const std::string stored = stored_path(files_ / "both");
  clock_.advance(std::chrono::minutes(1));
  job_.backup = keep_backup(*vault_, job_of(files_ / "both"), files_ / "both").name;
  job_.strip_components = static_cast<unsigned>(std::count(stored.begin(), stored.end(), '/')) + 2;
  job_.overwrite = Overwrite::kAlways;
  job_.remove_others = true;
  run();
  EXPECT_EQ(read_text(out("x/inner")), "first");
  EXPECT_NE(told_.find("x: not restored"), std::string::npos) << told_;
}

TEST_F(BringBack, DeleteStaysBelowTheRoots) {
  job_.strip_components = 0;
  run();
  const std::string root = job_.target + source_;
  write_text(root + "/extra", "goes");
  write_text(root + "/d0/extra/deep", "goes");
  write_text(job_.target + "/beside", "stays");
  write_text(fs::path(root).parent_path().string() + "/neighbour", "stays");
  write_text(root + "/cache/spared", "stays");
  job_.overwrite = Overwrite::kIfChanged;
  job_.remove_others = true;
  job_.excludes = {"cache"};
  const RestoreResult result = run();
  EXPECT_EQ(result.removed, 2u);
  EXPECT_FALSE(fs::exists(root + "/extra") || fs::exists(root + "/d0/extra"));
  EXPECT_TRUE(fs::exists(job_.target + "/beside"));
  EXPECT_TRUE(fs::exists(fs::path(root).parent_path() / "neighbour"));
  EXPECT_TRUE(fs::exists(root + "/cache/spared"));
  fs::remove_all(root + "/cache");
  Snapshot found = take_snapshot(root);
  found[""].mtime_ns = kept_.tree[""].mtime_ns;  // by the removal of the line above
  EXPECT_EQ(difference(kept_.tree, found), "");
}

TEST_F(BringBack, GoesOnAfterAStop) {
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  std::stop_source stop;
  int reads = 0;
  std::mutex mutex;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    const std::lock_guard lock(mutex);
    if (operation == Operation::kRead && key.starts_with("data/") && ++reads == 30) {
      stop.request_stop();
    }
  });
  EXPECT_EQ(code_of_run(watched, stop.get_token()), Code::kCancelled);
  EXPECT_TRUE(fs::exists(out(".holdfast-restore.json")));
  const RestoreResult rest = run();
  EXPECT_TRUE(rest.resumed);
  EXPECT_GT(rest.bytes_kept, 10'000u);
  EXPECT_EQ(differs(), "");
}

TEST_F(BringBack, RefusesATargetOfAnotherRestore) {
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  std::stop_source stop;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    if (operation == Operation::kRead && key.starts_with("data/")) stop.request_stop();
  });
  EXPECT_EQ(code_of_run(watched, stop.get_token()), Code::kCancelled);
  clock_.advance(std::chrono::minutes(1));
  const BackupName first = job_.backup;
  job_.backup = keep_backup(*vault_, job_of(source_), source_).name;
  const Snapshot before = take_snapshot(job_.target);
  EXPECT_EQ(code_of_run(store_), Code::kConflict);
  EXPECT_EQ(difference(before, take_snapshot(job_.target)), "");
  job_.backup = first;
  run();
  EXPECT_EQ(differs(), "");
}

TEST_F(BringBack, ADamagedChunkCostsOneFileAndIsNamed) {
  const RestoreResult whole = run();
  job_.target = files_ / "again";
  const std::string pack = [&] {
    const auto index = vault_->load_index();
    const ChunkId id =
        vault_->id_of(as_bytes(kept_.tree["big"].content)
                          .first(vault_->chunker().cut(as_bytes(kept_.tree["big"].content))));
    const auto place = index->find(id).at(0);
    const Segment& segment = index->segments()[place.segment];
    const FrameLocation frame = segment.frame(place.chunk.frame);
    const std::string key = pack_key(PackClass::kData, segment.pack(frame.pack).name);
    Bytes bytes = store_.get(key);
    bytes[frame.offset + 10] ^= 1;
    store_.put(key, bytes);
    return key;
  }();
  const RestoreResult result = run();
  EXPECT_GE(result.damaged, 1u);
  EXPECT_NE(told_.find("big: damaged"), std::string::npos) << told_;
  std::uint64_t wrong = 0;
  for (const auto& [path, object] : kept_.tree) {
    if (!S_ISREG(object.mode) || read_text(out(path)) == object.content) continue;
    ++wrong;
    EXPECT_NE(told_.find((object.first_name.empty() ? path : object.first_name) + ": damaged"),
              std::string::npos)
        << path;
  }
  EXPECT_EQ(result.files + result.damaged, whole.files);
  EXPECT_LT(result.bytes, whole.bytes);
  EXPECT_GE(wrong, 1u);
  EXPECT_LE(wrong, result.damaged + 1) << "the hard link shares its file's fate";
}

// A store that has lost all trees.
class TreelessStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override {
    if (key.starts_with("meta/")) throw Error(Code::kUnavailable, "no tree");
    ForwardingStore::read(key, offset, out);
  }
};

TEST_F(BringBack, WhatAllOfABackupNeedsItsSummarySays) {
  TreelessStore treeless(store_);
  const auto vault = Vault::open(treeless, clock_, ring_, "");
  const RestoreNeeds measured = preflight_restore(*vault_, job_, {});
  // What is stripped the tree alone knows.
  expect_error(Code::kUnavailable, [&] { preflight_restore(*vault, job_, {}); });
  job_.strip_components = 0;
  const RestoreNeeds needs = preflight_restore(*vault, job_, {});
  EXPECT_EQ(needs.files, measured.files);
  EXPECT_EQ(needs.bytes, measured.bytes);
  EXPECT_GE(needs.space, measured.space);
  run();
  // What is there already has to be looked at.
  expect_error(Code::kUnavailable, [&] { preflight_restore(*vault, job_, {}); });
}

TEST_F(BringBack, TheProgressEndsWhereItWasToEndAlsoWithHoles) {
  const std::uint64_t content = run().bytes;
  for (const unsigned stripped : {job_.strip_components, 0u}) {
    fs::remove_all(job_.target);
    job_.strip_components = stripped;
    for (const bool again : {false, true}) {
      RestoreProgress progress;
      Warnings warnings([](const std::string&) {});
      run_restore(*vault_, job_, progress, warnings, {});
      EXPECT_EQ(progress.bytes, progress.total_bytes) << stripped << again;
      EXPECT_EQ(progress.files, progress.total_files) << stripped << again;
      EXPECT_GT(progress.total_bytes, content) << "the small tree has a file with holes";
    }
  }
}

TEST_F(BringBack, ChecksTheSpaceBeforeItWrites) {
  const std::string small = files_ / "small";
  fs::create_directory(small);
  if (::mount("none", small.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "needs the right to mount";
  }
  struct Unmount {
    std::string path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } const unmount{small};
  job_.target = small;
  EXPECT_EQ(code_of_run(store_), Code::kExhausted);
  EXPECT_TRUE(fs::is_empty(small));
  job_.ignore_free_space = true;
  EXPECT_EQ(code_of_run(store_), Code::kExhausted);
  EXPECT_FALSE(fs::is_empty(small));
}

}  // namespace
}  // namespace holdfast::test
