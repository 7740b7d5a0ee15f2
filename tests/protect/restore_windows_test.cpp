// Restores of many files: windows that run beside each other, and frames that come together.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "base/path.h"
#include "protect/world.h"
#include "store/wrappers.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

// Two windows: 512 files are in the first one, up to 2,048 in the next.
constexpr int kFiles = 2000;
constexpr int kLinked = 500;  // have a second name, which is an entry of the second window

// A store in which requests cost a round trip; counts those for packs with content.
class DistantStore final : public ForwardingStore {
 public:
  explicit DistantStore(ObjectStore& inner) : ForwardingStore(inner) {}

  StoreTraits traits() const override {
    StoreTraits traits = ForwardingStore::traits();
    traits.remote = true;
    return traits;
  }
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override {
    if (!key.starts_with("data/")) return ForwardingStore::read(key, offset, out);
    {
      std::unique_lock lock(mutex_);
      const int number = ++reads_;
      changed_.notify_all();
      if (number == held_) {
        changed_.wait(lock, [&] { return reads_ >= until_; });
        if (fails_) throw Error(Code::kUnavailable, "the held request failed");
      }
    }
    ForwardingStore::read(key, offset, out);
  }
  // Request `number` waits until request `until` has begun, then goes on or fails.
  void hold(int number, int until, bool fails = false) {
    const std::lock_guard lock(mutex_);
    held_ = number;
    until_ = until;
    fails_ = fails;
    reads_ = 0;
  }
  int reads() const {
    const std::lock_guard lock(mutex_);
    return reads_;
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  int reads_ = 0;
  int held_ = 0;
  int until_ = 0;
  bool fails_ = false;
};

class FarRestore : public ::testing::Test {
 protected:
  // Of what is in source_.
  void back_up_all() {
    vault_ = tiny_vault(store_, clock_, ring_);
    BackupJob job = job_of(source_);
    job.threads = 1;  // content comes into packs in the order of the files
    kept_ = keep_backup(*vault_, job, source_);
    job_.backup = kept_.name;
    job_.target = files_ / "out";
    job_.threads = 3;
  }
  RestoreResult run() {
    const auto vault = Vault::open(distant_, clock_, ring_, "");
    told_.clear();
    Warnings warnings([&](const std::string& text) { told_ += text + "\n"; });
    RestoreProgress progress;
    return run_restore(*vault, job_, progress, warnings, {});
  }
  std::string out(const std::string& name) const {
    return job_.target + "/" + stored_path(source_) + "/" + name;
  }
  std::string differs() {
    Snapshot expected = kept_.tree;
    Snapshot found = take_snapshot(job_.target + "/" + stored_path(source_));
    return difference(expected, found);
  }
  std::uint64_t frames_of_content() {
    std::uint64_t frames = 0;
    const auto index = vault_->load_index();
    for (const Segment& segment : index->segments()) {
      for (std::uint32_t i = 0; i < segment.frames(); ++i) {
        frames += segment.frame(i).header.kind == ChunkKind::kData ? 1 : 0;
      }
    }
    return frames;
  }

  StandingClock clock_;
  std::mt19937_64 random_{37};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  const std::string source_ = files_ / "src";
  MemoryStore store_{clock_};
  DistantStore distant_{store_};
  std::unique_ptr<Vault> vault_;
  Kept kept_;
  RestoreJob job_;
  std::string told_;
};

class ManyFiles : public FarRestore {
 protected:
  ManyFiles() {
    for (int i = 0; i < kFiles; ++i) {
      write_text(source_ + "/" + name_of(i), noise(random_, 200));
    }
    for (int i = 0; i < kLinked; ++i) {
      fs::create_hard_link(source_ + "/" + name_of(i), source_ + "/" + link_of(i));
    }
    back_up_all();
  }
  static std::string name_of(int file) { return fmt::format("d{:02}/f{:05}", file / 50, file); }
  static std::string link_of(int file) { return fmt::format("z{:05}", file); }
};

TEST_F(ManyFiles, FramesOfAPackComeTogether) {
  const RestoreResult result = run();
  EXPECT_EQ(result.files, std::uint64_t{kFiles});
  EXPECT_EQ(differs(), "");
  EXPECT_LT(static_cast<std::uint64_t>(distant_.reads()) * 2, frames_of_content());
}

// The first request of the first window is answered when all others, those of the second window
// among them, have been sent: with windows one after the other that would be never.
TEST_F(ManyFiles, AWindowBeginsWhileTheOneBeforeEnds) {
  run();
  const int all = distant_.reads();
  fs::remove_all(job_.target);
  distant_.hold(1, all);
  run();
  EXPECT_EQ(differs(), "");
  // Links are made last, also those of files that were held back until then.
  EXPECT_EQ(told_, "");
  for (int i = 0; i < kLinked; ++i) {
    EXPECT_TRUE(fs::equivalent(out(name_of(i)), out(link_of(i)))) << i;
  }
}

// That the other window begins nothing more cannot be seen from here without a race.
TEST_F(ManyFiles, AnErrorWhileTwoWindowsRunIsThrownAndLosesNothing) {
  run();
  const int all = distant_.reads();
  fs::remove_all(job_.target);
  distant_.hold(1, all / 2, true);
  try {
    run();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnavailable);
  }
  EXPECT_TRUE(fs::exists(job_.target + "/.holdfast-restore.json"));
  distant_.hold(0, 0);
  const RestoreResult result = run();
  EXPECT_TRUE(result.resumed);
  EXPECT_EQ(differs(), "");
}

// What comes together does not fail together.
TEST_F(ManyFiles, ADamagedFrameCostsItsOwnFiles) {
  const auto packs = list_objects(store_, "data/");
  ASSERT_GT(packs.size(), 4u);
  Bytes flipped = store_.get(packs[0].key);
  flipped[flipped.size() / 2] ^= 1;
  store_.put(packs[0].key, flipped);
  Bytes cut = store_.get(packs[1].key);
  cut.resize(cut.size() / 2);
  store_.put(packs[1].key, cut);
  const RestoreResult result = run();
  // Of one pack a single frame is lost, of the other one the second half; each has four or five.
  const std::uint64_t of_a_frame = kFiles / frames_of_content() + 4;
  EXPECT_GE(result.damaged, 2u);
  EXPECT_LE(result.damaged, 4 * of_a_frame);
  EXPECT_EQ(result.files + result.damaged, std::uint64_t{kFiles});
}

TEST_F(ManyFiles, TimesOfDirectoriesComeBackWithAPartToo) {
  job_.includes = {stored_path(source_) + "/d01"};
  run();
  for (const std::string name : {"d01", ""}) {
    struct stat was {};
    struct stat is {};
    ASSERT_EQ(::stat((source_ + "/" + name).c_str(), &was), 0);
    ASSERT_EQ(::stat(out(name).c_str(), &is), 0);
    EXPECT_EQ(was.st_mtim.tv_nsec, is.st_mtim.tv_nsec) << name;
    EXPECT_EQ(was.st_mode, is.st_mode) << name;
  }
}

// All begin with what the first one brought into the vault, so that it is written to all at once;
// more than may be open.
class SharedBeginnings : public FarRestore {
 protected:
  SharedBeginnings() {
    const std::string beginning = noise(random_, 8192);
    for (int i = 0; i < 300; ++i) {
      write_text(fmt::format("{}/f{:03}", source_, i), beginning + noise(random_, 2000));
    }
    back_up_all();
    job_.threads = 1;
  }
};

TEST_F(SharedBeginnings, FilesAreClosedAndOpenedAgain) {
  run();
  EXPECT_EQ(differs(), "");
  EXPECT_EQ(told_, "");
}

}  // namespace
}  // namespace holdfast::test
