// What a backup of a database needs of the engine: content that is made while it is stored, files
// that a running server changes, an ending that is known last, chunks of a fixed size.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/error.h"
#include "os/file.h"
#include "protect/backup_content.h"
#include "protect/world.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kChunk = 4096;

class Streams : public ::testing::Test {
 protected:
  Streams() {
    job_.backup_class = "database";
    job_.source = "app";
    job_.threads = 2;
    vault_ = tiny_vault(store_, clock_, ring_);
  }
  BackupResult run(const BackupJob& job) {
    warnings_.clear();
    Warnings warnings([&](const std::string& text) { warnings_ += text + "\n"; });
    BackupProgress progress;
    BackupResult result = run_backup(*vault_, job, progress, warnings, {});
    clock_.advance(std::chrono::minutes(1));
    return result;
  }
  std::string content(const BackupResult& result, const std::string& path) const {
    std::string text;
    read_backup_file(*vault_, result.summary.name, path, [&](ByteView part) {
      text += as_text(part);
      return true;
    });
    return text;
  }
  PlacedFile live(const std::string& name, std::uint32_t chunk = 0) const {
    return {files_ / name, name, {true, chunk}};
  }
  // Gives `text` in parts of `step` bytes, then ends, or throws.
  static StreamedFile stream(const std::string& path, const std::string& text, std::size_t step,
                             std::optional<Error> failure = {}) {
    return {path, 0640, [=] {
              auto at = std::make_shared<std::size_t>(0);
              return [=](MutableBytes out) -> std::size_t {
                const std::size_t n = std::min({step, out.size(), text.size() - *at});
                if (n == 0 && failure) throw *failure;
                std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(*at), n, out.begin());
                *at += n;
                return n;
              };
            }};
  }

  StandingClock clock_;
  std::mt19937_64 random_{9};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_;
  BackupJob job_;
  std::string warnings_;
};

TEST_F(Streams, ComeBackAsTheyWereGiven) {
  const std::map<std::string, std::string> wanted = {
      {"a.sql", noise(random_, 200'000)}, {"empty", ""}, {"z.sql", noise(random_, 7)}};
  std::size_t step = 1;
  for (const auto& [path, text] : wanted) job_.streams.push_back(stream(path, text, step += 700));
  // In between, in the order of the tree.
  write_text(files_ / "m", "placed");
  job_.placed = {live("m")};
  const BackupResult result = run(job_);
  EXPECT_EQ(result.summary.files, 4u);
  EXPECT_EQ(top_paths_of(*vault_, result.summary.name),
            (std::vector<std::string>{"a.sql", "empty", "m", "z.sql"}));
  for (const auto& [path, text] : wanted) EXPECT_TRUE(content(result, path) == text) << path;
  EXPECT_EQ(content(result, "m"), "placed");
  // The same again is there already.
  EXPECT_LT(run(job_).summary.added_raw_bytes, 1000u);  // pages of the tree: times
}

// The last chunks of what was read wait to be sent then.
TEST_F(Streams, AStopWhenAllIsReadLeavesNoBackup) {
  write_text(files_ / "a", "content");
  job_.placed = {{files_ / "a", "a"}, {"/proc/self/mem", "b"}};  // which cannot be read
  job_.threads = 1;
  std::stop_source stop;
  Warnings warnings([&](const std::string&) { stop.request_stop(); });
  BackupProgress progress;
  try {
    run_backup(*vault_, job_, progress, warnings, stop.get_token());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCancelled) << error.message();
  }
  EXPECT_TRUE(list_backups(store_).empty());
}

TEST_F(Streams, WhatIsRequiredMustNotBeGone) {
  write_text(files_ / "there", "content");
  job_.placed = {live("gone"), live("there")};
  EXPECT_EQ(run(job_).summary.files, 1u);
  job_.placed[0].rules.required = true;
  EXPECT_THROW(run(job_), Error);
}

TEST_F(Streams, AProducerThatFailsLeavesNoBackup) {
  const Error failure(Code::kInvalid, "the producer died");
  job_.streams = {stream("a.sql", noise(random_, 50'000), 1000),
                  stream("b.sql", noise(random_, 50'000), 1000, failure)};
  std::atomic<bool> ended{false};
  job_.end = [&] {
    ended = true;
    return BackupEnding{};
  };
  try {
    run(job_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalid);
    EXPECT_NE(error.message().find("the producer died"), std::string::npos) << error.message();
  }
  EXPECT_FALSE(ended);
  EXPECT_TRUE(list_backups(store_).empty());
  EXPECT_EQ(findings_of(validate_all(*vault_)), "");
  job_.streams.pop_back();
  run(job_);
  EXPECT_EQ(list_backups(store_).size(), 1u);
}

TEST_F(Streams, ALiveFileThatVanishesIsNoWarning) {
  write_text(files_ / "kept", "kept");
  job_.placed = {live("dropped"), live("kept")};
  const BackupResult result = run(job_);
  EXPECT_EQ(warnings_, "");
  EXPECT_EQ(result.summary.warnings, 0u);
  EXPECT_EQ(top_paths_of(*vault_, result.summary.name), std::vector<std::string>{"kept"});
  // Any other is one.
  job_.placed = {{files_ / "dropped", "dropped", {}}, live("kept")};
  EXPECT_EQ(run(job_).summary.warnings, 1u);
  EXPECT_NE(warnings_.find("dropped"), std::string::npos) << warnings_;
}

// A database with a file less is no database.
TEST_F(Streams, ALiveFileThatCannotBeReadIsAFailure) {
  fs::create_symlink(files_ / "loop", files_ / "loop");
  fs::create_directory(files_ / "d");
  job_.placed = {live("loop/x")};
  EXPECT_THROW(run(job_), Error);
  EXPECT_TRUE(list_backups(store_).empty());
}

TEST_F(Streams, TheEndingComesAfterEverythingWasRead) {
  const std::string text = noise(random_, 300'000);
  std::atomic<bool> drained{false};
  job_.streams = {{"a.sql", 0600, [&] {
                     auto at = std::make_shared<std::size_t>(0);
                     return [&, at](MutableBytes out) -> std::size_t {
                       const std::size_t n = std::min(out.size(), text.size() - *at);
                       std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(*at), n, out.begin());
                       *at += n;
                       if (n == 0) drained = true;
                       return n;
                     };
                   }}};
  write_text(files_ / "b", "b");
  write_text(files_ / "label", "made last");
  job_.placed = {live("b")};
  const Timestamp moment = clock_.now() + std::chrono::seconds{7};
  int calls = 0;
  job_.end = [&] {
    EXPECT_TRUE(drained);
    ++calls;
    BackupEnding ending;
    ending.placed = {{files_ / "label", "~end/label", {true, 0}}};
    ending.consistent = moment;
    ending.database = DatabaseFacts{"postgresql", "15.18", "physical", "77", 3, "0/1", "0/2"};
    return ending;
  };
  const BackupResult result = run(job_);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(content(result, "~end/label"), "made last");
  const BackupSummary stored = read_backup(*vault_, result.summary.name).summary;
  EXPECT_EQ(stored.consistent, moment);
  ASSERT_TRUE(stored.database);
  EXPECT_EQ(stored.database->system, "77");
  EXPECT_EQ(stored.database->timeline, 3u);
  EXPECT_EQ(stored.database->stop, "0/2");
}

TEST_F(Streams, AnEndingThatFailsLeavesNoBackup) {
  job_.streams = {stream("a.sql", "a", 1)};
  job_.end = []() -> BackupEnding { throw Error(Code::kConflict, "a standby was promoted"); };
  EXPECT_THROW(run(job_), Error);
  EXPECT_TRUE(list_backups(store_).empty());
}

TEST_F(Streams, AChangedPageStoresOneChunkMore) {
  std::string pages = noise(random_, 100 * kChunk + 100);
  write_text(files_ / "16384", pages);
  job_.placed = {live("16384", kChunk)};
  // In whole chunks; what is less is the tree's.
  const auto added = [&] { return run(job_).summary.added_raw_bytes / kChunk; };
  EXPECT_EQ(added(), 100u);
  EXPECT_EQ(added(), 0u);
  pages[50 * kChunk + 17] = static_cast<char>(pages[50 * kChunk + 17] ^ 1);
  write_text(files_ / "16384", pages);
  const BackupResult changed = run(job_);
  EXPECT_EQ(changed.summary.added_raw_bytes / kChunk, 1u);
  EXPECT_TRUE(content(changed, "16384") == pages);
  // Two pages more: the last chunk was a short one.
  pages.resize(100 * kChunk);
  pages += noise(random_, 2 * kChunk);
  write_text(files_ / "16384", pages);
  EXPECT_EQ(added(), 2u);
}

TEST_F(Streams, WhatIsReadIsSeenOnceAndInOrder) {
  const std::map<std::string, std::string> wanted = {
      {"1", noise(random_, 100'000)}, {"2", noise(random_, 30 * kChunk)}, {"3", ""}};
  for (const auto& [name, text] : wanted) {
    write_text(files_ / name, text);
    job_.placed.push_back(live(name, name == "2" ? kChunk : 0));
  }
  // Holes are seen as the zeros that they are, so that offsets stay what they are.
  const std::string holed = std::string(64 * kChunk, '\0') + "end";
  write_text(files_ / "4", "");
  ASSERT_EQ(::truncate((files_ / "4").c_str(), 64 * kChunk), 0);
  {
    const Fd fd = open_file(files_ / "4", O_WRONLY);
    pwrite_full(fd.get(), as_bytes("end"), 64 * kChunk, "4");
  }
  job_.placed.push_back(live("4", kChunk));
  std::mutex mutex;
  std::map<std::string, std::string> seen;
  job_.inspect = [&](const PlacedFile& file, std::uint64_t offset, ByteView content) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(offset, seen[file.stored_path].size()) << file.stored_path;
    seen[file.stored_path] += as_text(content);
    return true;
  };
  run(job_);
  for (const auto& [name, text] : wanted) EXPECT_TRUE(seen[name] == text) << name;
  EXPECT_TRUE(seen["4"] == holed);
}

}  // namespace
}  // namespace holdfast::test
