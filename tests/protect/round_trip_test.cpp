// Trees of every kind go into a vault and come back the same.
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "os/file.h"
#include "protect/world.h"
#include "store/file_store.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

bool is_root() { return ::geteuid() == 0; }

void make_sparse(const std::string& path, std::mt19937_64& random, off_t size,
                 const std::vector<std::pair<off_t, std::size_t>>& data) {
  write_text(path, "");
  const Fd fd = open_file(path, O_RDWR);
  ASSERT_EQ(::ftruncate(fd.get(), size), 0);
  for (const auto& [at, length] : data) {
    pwrite_full(fd.get(), as_bytes(noise(random, length)), static_cast<std::uint64_t>(at), path);
  }
}

// Sizes around every border of the chunker, the frames and the packs.
void make_sizes(const std::string& top, std::mt19937_64& random) {
  for (const std::size_t border : {0u, 256u, 1024u, 4096u, 8192u, 16384u}) {
    for (const int step : {-1, 0, 1}) {
      if (border == 0 && step < 0) continue;
      const std::size_t size = border + static_cast<std::size_t>(step);
      write_text(fmt::format("{}/size-{}", top, size), noise(random, size));
    }
  }
  write_text(top + "/large", noise(random, 2'500'000));
  write_text(top + "/zeros", std::string(300'000, '\0'));
  for (int i = 0; i < 60; ++i) {
    write_text(fmt::format("{}/r{}/f{}", top, random() % 7, i), noise(random, random() % 12000));
  }
}

void make_names(const std::string& top, std::mt19937_64& random) {
  write_text(top + "/new\nline", "a");
  write_text(top + "/\xff\xfe not utf-8", "b");
  write_text(top + "/ \t*?[]\\'\"", "c");
  write_text(top + "/-rf", "d");
  write_text(top + "/" + std::string(255, 'n'), "e");
  // The order of "a.b" and "a/b" is where careless sorting goes wrong.
  write_text(top + "/a/b", noise(random, 300));
  write_text(top + "/a.b", noise(random, 300));
  write_text(top + "/a-b", noise(random, 300));
  fs::create_symlink("nowhere\nat all", top + "/dangling");
  fs::create_symlink("/etc", top + "/outside");
  std::string deep = top;
  for (int i = 0; i < 15; ++i) deep += "/" + std::string(200, static_cast<char>('a' + i));
  write_text(deep + "/leaf", "deep");
}

void make_attributes(const std::string& top) {
  write_text(top + "/x", "attributes");
  const std::string value("\0\1\2 binary", 10);
  ASSERT_EQ(::setxattr((top + "/x").c_str(), "user.one", value.data(), value.size(), 0), 0);
  ASSERT_EQ(::setxattr((top + "/x").c_str(), "user.empty", "", 0, 0), 0);
  fs::create_directory(top + "/acl");
  // user::rwx, user:1:r--, group::r-x, mask::r-x, other::---
  const unsigned char acl[] = {2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  4,
                               0, 1, 0,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                               5, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
  for (const char* name : {"system.posix_acl_access", "system.posix_acl_default"}) {
    if (::setxattr((top + "/acl").c_str(), name, acl, sizeof acl, 0) != 0) {
      ASSERT_EQ(errno, EOPNOTSUPP) << name;
    }
  }
}

void make_times_and_modes(const std::string& top) {
  const timespec times[] = {{0, 0}, {-1, 999'999'999}, {-86400LL * 365, 1}, {4'102'444'800, 7}};
  int i = 0;
  for (const timespec& time : times) {
    const std::string path = fmt::format("{}/time-{}", top, i++);
    write_text(path, "t");
    const timespec both[2] = {time, time};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both, 0), 0);
  }
  for (const mode_t mode : {0400u, 0640u, 0777u, 01644u, 04755u, 02755u}) {
    const std::string path = fmt::format("{}/mode-{:o}", top, mode);
    write_text(path, "m");
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  fs::create_directory(top + "/sticky");
  ASSERT_EQ(::chmod((top + "/sticky").c_str(), 01777), 0);
}

void make_everything(const std::string& top, std::mt19937_64& random) {
  make_sizes(top, random);
  make_names(top, random);
  make_attributes(top);
  make_times_and_modes(top);
  make_sparse(top + "/hole-first", random, 300'000, {{200'704, 5000}});
  make_sparse(top + "/hole-middle", random, 300'000, {{0, 5000}, {262'144, 37'856}});
  make_sparse(top + "/hole-last", random, 300'000, {{0, 9000}});
  make_sparse(top + "/hole-only", random, 300'000, {});
  make_sparse(top + "/holes", random, 1'000'000, {{65536, 3}, {131072, 70'000}, {524'288, 1}});
  ASSERT_EQ(::mkfifo((top + "/fifo").c_str(), 0622), 0);
  fs::create_directories(top + "/links/one");
  fs::create_directories(top + "/links/two");
  write_text(top + "/links/one/first", noise(random, 9000));
  fs::create_hard_link(top + "/links/one/first", top + "/links/two/second");
  fs::create_hard_link(top + "/links/one/first", top + "/links/third");
  fs::create_hard_link(top + "/dangling", top + "/links/dangling");
  fs::create_hard_link(top + "/fifo", top + "/links/fifo");
  fs::create_directory(top + "/empty directory");
  if (!is_root()) return;
  ASSERT_EQ(::mknod((top + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(::mknod((top + "/loop").c_str(), S_IFBLK | 0660, makedev(7, 200)), 0);
  fs::create_hard_link(top + "/null", top + "/links/null");
  fs::create_hard_link(top + "/loop", top + "/links/loop");
  ASSERT_EQ(::lchown((top + "/dangling").c_str(), 12345, 54321), 0);
  ASSERT_EQ(::chown((top + "/x").c_str(), 12345, 54321), 0);
}

void round_trip(ObjectStore& store, std::mt19937_64::result_type seed) {
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const TempDir files;
  const std::string source = files / "src";
  fs::create_directory(source);
  make_everything(source, random);
  StandingClock clock;
  const KeyRing ring = new_key_ring();
  VaultParameters parameters = tiny_parameters();
  parameters.frame_bytes = 16u << 10;
  parameters.pack_bytes = 64u << 10;
  const auto vault = Vault::create(store, clock, ring, parameters, "");
  BackupJob job = job_of(source);
  job.threads = 3;
  Warnings warnings([](const std::string& text) {
    // The directories above belong to root.
    EXPECT_TRUE(!is_root() && text.find("--no-owner") != std::string::npos) << text;
  });
  BackupProgress progress;
  const BackupResult result = run_backup(*vault, job, progress, warnings, {});
  const Snapshot expected = take_snapshot(source);
  EXPECT_GT(result.written.packs, 20u);
  for (const unsigned threads : {1u, 4u}) {
    const TempDir target;
    RestoreJob back;
    back.backup = result.summary.name;
    back.target = target / "out";
    back.threads = threads;
    RestoreProgress restored;
    const RestoreResult outcome = run_restore(*vault, back, restored, warnings, {});
    EXPECT_EQ(difference(expected, take_snapshot(target / "out" + source)), "");
    EXPECT_EQ(outcome.files, result.summary.files);
    EXPECT_EQ(outcome.bytes, outcome.bytes_written);
    EXPECT_EQ(restored.files, restored.total_files);
    EXPECT_FALSE(fs::exists(target / "out/.holdfast-restore.json"));
  }
  EXPECT_EQ(findings_of(validate_all(*vault)), "");
}

TEST(RoundTrip, ThroughFiles) {
  const TempDir directory;
  FileStore store(directory.path());
  round_trip(store, 1);
}

TEST(RoundTrip, ThroughMemory) {
  MemoryStore store(system_clock());
  round_trip(store, 2);
}

TEST(RoundTrip, AsAnotherUser) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      constexpr unsigned kNobody = 65534;
      if (is_root() &&
          (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
        ::_exit(3);
      }
      MemoryStore store(system_clock());
      round_trip(store, 3);
    } catch (const std::exception& error) {
      fmt::print(stderr, "in a child: {}\n", error.what());
      ::_exit(2);
    }
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// The judge itself: whatever differs between two trees is seen.
TEST(RoundTrip, JudgeSeesEveryDifference) {
  const TempDir files;
  write_text(files / "f", "content");
  std::mt19937_64 random(1);
  make_sparse(files / "s", random, 100'000, {{50'000, 10}});
  const Snapshot before = take_snapshot(files.path());
  EXPECT_EQ(difference(before, take_snapshot(files.path())), "");
  const auto expect_seen = [&](const char* what, const std::function<void(Snapshot&)>& change) {
    Snapshot other = before;
    change(other);
    EXPECT_NE(difference(before, other), "") << what;
    EXPECT_NE(difference(other, before), "") << what;
  };
  expect_seen("content", [](Snapshot& s) { s["f"].content[0] = 'k'; });
  expect_seen("mode", [](Snapshot& s) { s["f"].mode ^= 1; });
  expect_seen("owner", [](Snapshot& s) { ++s["f"].uid; });
  expect_seen("group", [](Snapshot& s) { ++s["f"].gid; });
  expect_seen("time", [](Snapshot& s) { ++s["f"].mtime_ns; });
  expect_seen("attributes", [](Snapshot& s) { s["f"].xattrs["user.x"] = ""; });
  expect_seen("holes", [](Snapshot& s) { s["s"].data.clear(); });
  expect_seen("links", [](Snapshot& s) { s["s"].first_name = "f"; });
  expect_seen("missing", [](Snapshot& s) { s.erase("f"); });
}

}  // namespace
}  // namespace holdfast::test
