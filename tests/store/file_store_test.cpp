#include "store/file_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <thread>
#include <vector>

#include "os/clock.h"
#include "os/file.h"
#include "store/expect_error.h"
#include "support/ordinary_user.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> keys(ObjectStore& store, std::string_view prefix = "") {
  std::vector<std::string> found;
  store.list(prefix, [&](const ObjectInfo& info) { found.push_back(info.key); });
  return found;
}

std::vector<std::string> staged_files(const TempDir& directory) {
  std::vector<std::string> names;
  if (!fs::exists(directory / ".tmp")) return names;
  for (const auto& entry : fs::directory_iterator(directory / ".tmp")) {
    if (entry.path().filename() != ".lock") names.push_back(entry.path().filename());
  }
  return names;
}

void write_text(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  write_file_atomic(path, as_bytes(text));
}

void make_old(const std::string& path, Duration age) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(system_clock().now() - age);
  const timespec time{seconds.time_since_epoch().count(), 0};
  const timespec times[2] = {time, time};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

// From here on, for the calling thread only, the given system calls fail with `error`.
bool fail_system_calls(std::initializer_list<long> numbers, int error) {
  std::vector<sock_filter> program;
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const long number : numbers) {
    program.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    program.push_back(
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Runs `test` in a thread whose system calls `numbers` fail.
void with_failing(std::initializer_list<long> numbers, int error,
                  const std::function<void()>& test) {
  std::jthread thread([&] {
    ASSERT_TRUE(fail_system_calls(numbers, error)) << "seccomp is needed for this test";
    test();
  });
}

#ifdef SYS_link
constexpr std::initializer_list<long> kLink = {SYS_link, SYS_linkat};
constexpr std::initializer_list<long> kLinkAndRename = {SYS_link, SYS_linkat, SYS_renameat2};
constexpr std::initializer_list<long> kMakeDirectory = {SYS_mkdir, SYS_mkdirat};
#else
constexpr std::initializer_list<long> kLink = {SYS_linkat};
constexpr std::initializer_list<long> kLinkAndRename = {SYS_linkat, SYS_renameat2};
constexpr std::initializer_list<long> kMakeDirectory = {SYS_mkdirat};
#endif
constexpr std::initializer_list<long> kSync = {SYS_fsync};

TEST(FileStoreOpen, AbsentDirectoryIsNotFound) {
  const TempDir directory;
  expect_error(Code::kNotFound, [&] { FileStore store(directory / "absent"); });
  EXPECT_FALSE(path_exists(directory / "absent"));
}

TEST(FileStoreOpen, WhoMayNotGoThereIsToldWhatToDo) {
  const TempDir directory;
  fs::create_directories(directory / "private/vault");
  ASSERT_EQ(::chmod((directory / "private").c_str(), 0), 0);
  as_ordinary_user([&] {
    const auto error = error_of([&] { FileStore store(directory / "private/vault"); });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Code::kDenied) << error->what();
    EXPECT_THAT(error->hint(), HasSubstr("run as the user whom the vault belongs to"));
  });
}

TEST(FileStoreOpen, FileIsInvalid) {
  const TempDir directory;
  write_text(directory / "file", "x");
  expect_error(Code::kInvalid, [&] { FileStore store(directory / "file"); });
}

TEST(FileStoreOpen, PathsAreMadeAbsolute) {
  const TempDir directory;
  FileStore store(directory / "./x/..//");
  EXPECT_EQ(store.traits().url, "file://" + directory.path());
}

TEST(FileStoreOpen, ForReadingLeavesTheDirectoryAlone) {
  const TempDir directory;
  write_text(directory / ".tmp/1-old", "x");
  make_old(directory / ".tmp/1-old", std::chrono::hours{48});
  FileStore store(directory.path(), FileStore::Access::kRead);
  EXPECT_THAT(keys(store), IsEmpty());
  EXPECT_THAT(staged_files(directory), ElementsAre("1-old"));
}

TEST(FileStoreFiles, LayoutIsTheKeys) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put("data/ab/pack", as_bytes("content"));
  EXPECT_EQ(as_text(read_file(directory / "data/ab/pack")), "content");
}

TEST(FileStoreFiles, ObjectsCannotBeWrittenByAccident) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put("put", as_bytes("x"));
  store.put_new("put-new", as_bytes("x"));
  for (const char* key : {"put", "put-new"}) {
    struct stat status {};
    ASSERT_EQ(::stat((directory / key).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0333, 0u) << key;
    EXPECT_EQ(status.st_mode & 0400, 0400u) << key;
  }
}

TEST(FileStoreFiles, ModifiedIsTheTimeOfTheFile) {
  const TempDir directory;
  FileStore store(directory.path());
  const Timestamp before = system_clock().now();
  store.put("object", as_bytes("x"));
  // The kernel's clock for files lags by a tick.
  EXPECT_GT(store.stat("object")->modified, before - std::chrono::seconds{1});
  EXPECT_LT(store.stat("object")->modified, system_clock().now() + std::chrono::milliseconds{1});
}

TEST(FileStoreFiles, NothingStagedRemains) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put("a", as_bytes("x"));
  store.put("a", as_bytes("y"));
  store.put_new("a", as_bytes("x"));
  store.put_new("b", as_bytes("x"));
  store.replace("b", as_bytes("y"), store.stat("b")->etag);
  store.replace("b", as_bytes("y"), "other");
  const auto first = store.stage();
  first->append(as_bytes("x"));
  EXPECT_THAT(staged_files(directory), ::testing::SizeIs(1));
  EXPECT_FALSE(first->commit("b"));
  const auto second = store.stage();
  expect_error(Code::kInvalid, [&] { second->commit("not a key"); });
  store.stage()->append(as_bytes("abandoned"));
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

TEST(FileStoreFiles, StagedObjectCommitsOnce) {
  const TempDir directory;
  FileStore store(directory.path());
  const auto staged = store.stage();
  EXPECT_TRUE(staged->commit("a"));
  expect_error(Code::kInternal, [&] { staged->commit("b"); });
  expect_error(Code::kInternal, [&] { staged->append(as_bytes("x")); });
  EXPECT_THAT(keys(store), ElementsAre("a"));
}

TEST(FileStoreFiles, ASymbolicLinkMayNameTheStore) {
  const TempDir directory;
  fs::create_directory(directory / "disk");
  fs::create_symlink(directory / "disk", directory / "vault");
  FileStore store(directory / "vault");
  store.put("data/object", as_bytes("x"));
  EXPECT_THAT(keys(store), ElementsAre("data/object"));
  EXPECT_EQ(store.traits().url, "file://" + fs::canonical(directory / "disk").string());
}

TEST(FileStoreFiles, ForeignFilesAreNoObjects) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put("data/object", as_bytes("x"));
  for (const char* path : {".hidden", ".snapshot/data/object", "data/with space", "data/b~",
                           "lost+found/#1234", "da:ta/object"}) {
    write_text(directory / path, "foreign");
  }
  ASSERT_EQ(::mkfifo((directory / "data/fifo").c_str(), 0600), 0);
  fs::create_directories(directory / "data/empty");
  fs::create_symlink(directory / "data/object", directory / "data/link");
  fs::create_symlink(directory / "data", directory / "linked");
  EXPECT_THAT(keys(store), ElementsAre("data/object"));
  for (const char* key : {"data/fifo", "data/empty", "data/link", "data"}) {
    EXPECT_FALSE(store.stat(key).has_value()) << key;
    expect_error(Code::kNotFound, [&] { store.get(key); });
    Bytes out(1);
    expect_error(Code::kNotFound, [&] { store.read(key, 0, out); });
    store.remove(key);
    EXPECT_TRUE(path_exists(directory / key)) << key;
    expect_error(Code::kConflict, [&] { store.put(key, as_bytes("x")); });
    expect_error(Code::kConflict, [&] { store.put_new(key, as_bytes("x")); });
  }
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

TEST(FileStoreFiles, ReservedKeysAreRefused) {
  const TempDir directory;
  FileStore store(directory.path());
  for (const char* key : {".tmp/x", ".hidden", "lost+found", "lost+found/x"}) {
    expect_error(Code::kInvalid, [&] { store.put(key, as_bytes("x")); });
    expect_error(Code::kInvalid, [&] { store.stage()->commit(key); });
    expect_error(Code::kInvalid, [&] { store.get(key); });
    expect_error(Code::kInvalid, [&] { store.stat(key); });
  }
  store.put("data/.dot", as_bytes("x"));
  store.put("data/lost+found", as_bytes("x"));
  EXPECT_THAT(keys(store), ElementsAre("data/.dot", "data/lost+found"));
  EXPECT_THAT(keys(store, ".tmp/"), IsEmpty());
}

TEST(FileStoreFiles, ObjectCannotBeADirectory) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put("a", as_bytes("x"));
  expect_error(Code::kConflict, [&] { store.put("a/b", as_bytes("x")); });
  expect_error(Code::kConflict, [&] { store.put_new("a/b", as_bytes("x")); });
  EXPECT_EQ(as_text(store.get("a")), "x");
}

TEST(FileStoreFiles, ListingLooksOnlyIntoDirectoriesThatMatch) {
  const TempDir directory;
  write_text(directory / "data/a", "x");
  write_text(directory / "data/closed/a", "x");
  write_text(directory / "other/a", "x");
  for (const char* closed : {"", "data/closed", "other"}) {
    ASSERT_EQ(::chmod((directory / closed).c_str(), *closed == 0 ? 0755 : 0), 0);
  }
  as_ordinary_user([&] {
    FileStore store(directory.path());
    EXPECT_THAT(keys(store, "data/a"), ElementsAre("data/a"));
    EXPECT_THAT(keys(store, "da-"), IsEmpty());
    // What cannot be seen must not be taken for absent.
    expect_error(Code::kDenied, [&] { keys(store, "data/"); });
    expect_error(Code::kDenied, [&] { keys(store, "o"); });
  });
}

TEST(FileStoreFiles, DirectoriesRemovedByOthersComeBack) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put_new("data/ab/1", as_bytes("x"));
  fs::remove_all(directory / "data");
  EXPECT_TRUE(store.put_new("data/ab/2", as_bytes("x")));
  fs::remove_all(directory / "data");
  store.put("data/ab/3", as_bytes("x"));
  fs::remove_all(directory / ".tmp");
  EXPECT_TRUE(store.put_new("data/ab/4", as_bytes("x")));
  EXPECT_THAT(keys(store), ElementsAre("data/ab/3", "data/ab/4"));
}

TEST(FileStoreFiles, VaultDirectoryDoesNotComeBack) {
  const TempDir directory;
  fs::create_directory(directory / "vault");
  FileStore store(directory / "vault");
  fs::remove(directory / "vault");
  expect_error(Code::kNotFound, [&] { store.put("a", as_bytes("x")); });
  EXPECT_FALSE(path_exists(directory / "vault"));
}

TEST(FileStoreCache, OtherProcessesChangesAreSeen) {
  const TempDir directory;
  FileStore reader(directory.path());
  FileStore writer(directory.path());
  Bytes out(3);
  writer.put("object", as_bytes("one"));
  reader.read("object", 0, out);
  EXPECT_EQ(as_text(out), "one");
  writer.put("object", as_bytes("two"));
  reader.read("object", 0, out);
  EXPECT_EQ(as_text(out), "two");
  writer.remove("object");
  expect_error(Code::kNotFound, [&] { reader.read("object", 0, out); });
  writer.put_new("object", as_bytes("3rd"));
  reader.read("object", 0, out);
  EXPECT_EQ(as_text(out), "3rd");
}

TEST(FileStoreCache, KeepsFewFilesOpen) {
  const TempDir directory;
  FileStore store(directory.path());
  const auto descriptors = [] {
    const fs::directory_iterator open_files("/proc/self/fd");
    return std::distance(begin(open_files), end(open_files));
  };
  store.put("warm-up", as_bytes("x"));
  const auto before = descriptors();
  Bytes out(1);
  for (int i = 0; i < 100; ++i) {
    const std::string key = "object/" + std::to_string(i);
    store.put_new(key, as_bytes("x"));
    store.read(key, 0, out);
    store.read("object/0", 0, out);
  }
  EXPECT_GT(descriptors(), before);
  EXPECT_LE(descriptors(), before + 32);
  for (int i = 0; i < 100; ++i) store.remove("object/" + std::to_string(i));
  EXPECT_EQ(descriptors(), before);
}

TEST(FileStoreCrash, OnlyOldLeftoversGo) {
  const TempDir directory;
  write_text(directory / ".tmp/1-old", "x");
  make_old(directory / ".tmp/1-old", std::chrono::hours{25});
  write_text(directory / ".tmp/1-young", "x");
  make_old(directory / ".tmp/1-young", std::chrono::hours{23});
  FileStore store(directory.path());
  EXPECT_THAT(staged_files(directory), ElementsAre("1-young"));
}

TEST(FileStoreCrash, LivingWritersKeepTheirFiles) {
  const TempDir directory;
  FileStore writer(directory.path());
  const auto staged = writer.stage();
  staged->append(as_bytes("slow"));
  ASSERT_EQ(staged_files(directory).size(), 1u);
  make_old(directory / (".tmp/" + staged_files(directory)[0]), std::chrono::hours{48});
  FileStore other(directory.path());
  EXPECT_TRUE(staged->commit("object"));
  EXPECT_EQ(as_text(other.get("object")), "slow");
}

TEST(FileStoreCrash, KilledWriterLeavesNoObjectAndNoLock) {
  const TempDir directory;
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    FileStore store(directory.path());
    store.put_new("done", as_bytes("x"));
    store.put("done", as_bytes("y"));
    const auto staged = store.stage();
    staged->append(as_bytes("half"));
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);

  const auto left = staged_files(directory);
  ASSERT_EQ(left.size(), 1u);
  FileStore store(directory.path());
  EXPECT_THAT(keys(store), ElementsAre("done"));
  EXPECT_EQ(as_text(store.get("done")), "y");
  store.put("done", as_bytes("z"));
  make_old(directory / (".tmp/" + left[0]), std::chrono::hours{25});
  FileStore next(directory.path());
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

TEST(FileStoreCrash, ProcessesExcludeEachOther) {
  constexpr int kProcesses = 4;
  constexpr int kIncrements = 15;
  const TempDir directory;
  FileStore store(directory.path());
  store.put("counter", as_bytes("0"));
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      FileStore own(directory.path());
      for (int done = 0; done < kIncrements;) {
        const std::string etag = own.stat("counter")->etag;
        const std::string value(as_text(own.get("counter")));
        const std::string next = std::to_string(std::stoi(value) + 1);
        if (own.replace("counter", as_bytes(next), etag)) ++done;
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(as_text(store.get("counter")), std::to_string(kProcesses * kIncrements));
}

TEST(FileStoreWithoutHardLinks, RenamesInstead) {
  const TempDir directory;
  FileStore store(directory.path());
  for (const int error : {EPERM, EOPNOTSUPP}) {
    with_failing(kLink, error, [&] {
      const std::string key = "a/" + std::to_string(error);
      EXPECT_TRUE(store.put_new(key, as_bytes("one")));
      const auto staged = store.stage();
      staged->append(as_bytes("two"));
      EXPECT_FALSE(staged->commit(key));
      EXPECT_EQ(as_text(store.get(key)), "one");
    });
  }
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

TEST(FileStoreWithoutHardLinks, SaysWhenNothingWorks) {
  const TempDir directory;
  FileStore store(directory.path());
  with_failing(kLinkAndRename, ENOSYS, [&] {
    expect_error(Code::kUnsupported, [&] { store.put_new("a", as_bytes("x")); });
  });
  EXPECT_THAT(keys(store), IsEmpty());
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

void expect_exhausted(const std::function<void()>& action) {
  const auto error = error_of(action);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kExhausted) << error->what();
  EXPECT_THAT(error->hint(), HasSubstr("free on the file system"));
}

TEST(FileStoreFullDisk, AppendSaysSoAndLeavesNothing) {
  const TempDir directory;
  FileStore store(directory.path());
  with_failing({SYS_write}, ENOSPC, [&] {
    const auto staged = store.stage();
    expect_exhausted([&] { staged->append(as_bytes("x")); });
    EXPECT_THAT(staged_files(directory), IsEmpty());
    expect_error(Code::kInternal, [&] { staged->commit("a"); });
    expect_exhausted([&] { store.put("a", as_bytes("x")); });
    expect_exhausted([&] { store.put_new("a", as_bytes("x")); });
  });
  EXPECT_THAT(keys(store), IsEmpty());
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

TEST(FileStoreFullDisk, CommitSaysSoAndLeavesNothing) {
  const TempDir directory;
  FileStore store(directory.path());
  for (const auto& calls : {kSync, kMakeDirectory}) {
    with_failing(calls, EDQUOT, [&] {
      const auto staged = store.stage();
      staged->append(as_bytes("x"));
      expect_exhausted([&] { staged->commit("new/a"); });
    });
  }
  EXPECT_THAT(keys(store), IsEmpty());
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

TEST(FileStoreFullDisk, FailedSyncKeepsTheOldObject) {
  const TempDir directory;
  FileStore store(directory.path());
  store.put("a", as_bytes("old"));
  with_failing(kSync, EIO, [&] {
    expect_error(Code::kUnavailable, [&] { store.put("a", as_bytes("new")); });
    const std::string etag = store.stat("a")->etag;
    expect_error(Code::kUnavailable, [&] { store.replace("a", as_bytes("new"), etag); });
  });
  EXPECT_EQ(as_text(store.get("a")), "old");
  EXPECT_THAT(staged_files(directory), IsEmpty());
}

// A small file system of its own, where that is permitted; the tests above do without.
class SmallDisk {
 public:
  SmallDisk() : mounted_(::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=1m") == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  bool make_read_only() const {
    return ::mount("tmpfs", directory_.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0;
  }
  const TempDir& directory() const { return directory_; }

 private:
  TempDir directory_;
  bool mounted_;
};

TEST(FileStoreFullDisk, RecoversWhenThereIsRoomAgain) {
  const SmallDisk disk;
  FileStore store(disk.directory().path());
  const Bytes part(300'000, 1);
  const auto fill = [&] {
    for (int i = 0; i < 10; ++i) store.put_new("fill/" + std::to_string(i), part);
  };
  if (disk.mounted()) {
    expect_exhausted(fill);
  } else {
    with_failing({SYS_write}, ENOSPC, [&] { expect_exhausted(fill); });
  }
  EXPECT_THAT(staged_files(disk.directory()), IsEmpty());
  for (const ObjectInfo& info : list_objects(store, "")) {
    EXPECT_EQ(store.get(info.key), part);
    store.remove(info.key);
  }
  EXPECT_TRUE(store.put_new("after", part));
}

void expect_denied(const std::function<void()>& action) {
  const auto error = error_of(action);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kDenied) << error->what();
  EXPECT_THAT(error->hint(), HasSubstr("mounted for writing"));
}

void expect_readable_but_denied(const std::string& directory) {
  FileStore store(directory);
  EXPECT_EQ(as_text(store.get("object")), "x");
  EXPECT_THAT(keys(store), ElementsAre("object"));
  store.remove("absent");
  expect_denied([&] { store.put("new", as_bytes("x")); });
  expect_denied([&] { store.put_new("new", as_bytes("x")); });
  expect_denied([&] { store.replace("object", as_bytes("x"), store.stat("object")->etag); });
  expect_denied([&] { store.stage(); });
  expect_denied([&] { store.remove("object"); });
  EXPECT_THAT(keys(store), ElementsAre("object"));
}

TEST(FileStoreReadOnly, FileSystemIsDenied) {
  const SmallDisk disk;
  const std::string& directory = disk.directory().path();
  write_text(directory + "/object", "x");
  if (disk.mounted()) {
    ASSERT_TRUE(disk.make_read_only());
    expect_readable_but_denied(directory);
  } else {
    // mkdir is what the first write comes to.
    with_failing(kMakeDirectory, EROFS, [&] { expect_readable_but_denied(directory); });
  }
}

TEST(FileStoreReadOnly, DirectoryIsDenied) {
  const TempDir directory;
  write_text(directory / "object", "x");
  ASSERT_EQ(::chmod(directory.path().c_str(), 0555), 0);
  as_ordinary_user([&] { expect_readable_but_denied(directory.path()); });
}

}  // namespace
}  // namespace holdfast
