// Archives are judged by the programs that will read them in a disaster: GNU tar, gunzip, zstd,
// age.
#include "protect/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/throws.h"
#include "codec/kdf.h"
#include "os/file.h"
#include "os/process.h"
#include "protect/world.h"
#include "support/fault_store.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

void make_sparse(const std::string& path, std::mt19937_64& random, off_t size,
                 const std::vector<std::pair<off_t, std::size_t>>& data) {
  write_text(path, "");
  const Fd fd = open_file(path, O_RDWR);
  ASSERT_EQ(::ftruncate(fd.get(), size), 0);
  for (const auto& [at, length] : data) {
    pwrite_full(fd.get(), as_bytes(noise(random, length)), static_cast<std::uint64_t>(at), path);
  }
}

void make_attributes(const std::string& top) {
  write_text(top + "/attributes", "a");
  const std::string value("\0\1=\n binary", 11);
  ASSERT_EQ(::setxattr((top + "/attributes").c_str(), "user.one", value.data(), value.size(), 0),
            0);
  ASSERT_EQ(::setxattr((top + "/attributes").c_str(), "user.a=b%c", "x", 1, 0), 0);
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

void make_names(const std::string& top) {
  write_text(top + "/\xff\xfe not utf-8", "b");
  write_text(top + "/gr\xc3\xbc\xc3\x9f", "utf-8");
  write_text(top + "/new\nline", "c");
  write_text(top + "/" + std::string(255, 'n'), "e");
  std::string deep = top;
  for (int i = 0; i < 10; ++i) deep += "/" + std::string(200, static_cast<char>('a' + i));
  write_text(deep + "/leaf", "deep");
  fs::create_symlink("nowhere\nat all", top + "/dangling");
  fs::create_symlink("\xff\xfe", top + "/to not utf-8");
  fs::create_symlink(std::string(300, 'l'), top + "/long link");
  fs::create_hard_link(top + "/\xff\xfe not utf-8", top + "/second name");
}

void make_times_and_modes(const std::string& top) {
  const timespec times[] = {
      {0, 0}, {0, 1}, {-1, 0}, {-2, 999'999'999}, {-86400LL * 365, 1}, {4'102'444'800, 7}};
  int i = 0;
  for (const timespec& time : times) {
    const std::string path = fmt::format("{}/time-{}", top, i++);
    write_text(path, "t");
    const timespec both[2] = {time, time};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both, 0), 0);
  }
  for (const mode_t mode : {0400u, 0640u, 01644u, 04755u, 02755u}) {
    const std::string path = fmt::format("{}/mode-{:o}", top, mode);
    write_text(path, "m");
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
}

void make_everything(const std::string& top, std::mt19937_64& random) {
  make_small_tree(top, random);
  make_attributes(top);
  make_names(top);
  make_times_and_modes(top);
  write_text(top + "/large", noise(random, 3'000'000));
  make_sparse(top + "/hole-first", random, 300'000, {{200'704, 5000}});
  make_sparse(top + "/hole-middle", random, 300'000, {{0, 5000}, {262'144, 37'856}});
  make_sparse(top + "/hole-only", random, 3'000'000, {});
  make_sparse(top + "/holes", random, 1'000'000, {{65536, 3}, {131072, 70'000}, {524'288, 1}});
  ASSERT_EQ(::mkfifo((top + "/fifo").c_str(), 0622), 0);
  fs::create_directory(top + "/empty directory");
  fs::create_hard_link(top + "/dangling", top + "/second dangling");
  fs::create_hard_link(top + "/fifo", top + "/second fifo");
  if (::geteuid() != 0) return;
  ASSERT_EQ(::mknod((top + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(::mknod((top + "/loop").c_str(), S_IFBLK | 0660, makedev(7, 200)), 0);
  fs::create_hard_link(top + "/null", top + "/second null");
  ASSERT_EQ(::lchown((top + "/dangling").c_str(), 12345, 54321), 0);
  ASSERT_EQ(::chown((top + "/large").c_str(), 12345, 3'000'000), 0);
}

class Archive : public testing::Test {
 protected:
  Archive() : vault_(tiny_vault(store_, clock_, ring_)) {
    source_ = files_ / "src";
    fs::create_directory(source_);
    fs::create_directory(files_ / "out");
  }

  BackupName backup() {
    clock_.advance(std::chrono::seconds(1));
    return back_up(*vault_, job_of(source_)).summary.name;
  }
  ArchiveJob job(const BackupName& name, ArchiveFormat format) const {
    ArchiveJob job;
    job.backup = name;
    job.encoding.format = format;
    job.read_threads = 3;
    return job;
  }
  ArchiveResult write(const ArchiveJob& job, const std::string& file,
                      const Vault* vault = nullptr) {
    const Fd fd = open_file(files_ / file, O_WRONLY | O_CREAT | O_TRUNC);
    ArchiveProgress progress;
    const ArchiveResult result = write_archive(
        vault != nullptr ? *vault : *vault_, job,
        [&](ByteView data) { write_full(fd.get(), data, file); }, progress, warnings_, {});
    EXPECT_EQ(progress.bytes, result.bytes);
    EXPECT_EQ(progress.files, result.files);
    return result;
  }
  std::optional<Code> refusal(const ArchiveJob& job) {
    return thrown_by([&] { write(job, "refused"); });
  }
  ProcessResult shell(const std::string& line) const {
    ProcessOptions options;
    options.argv = {"bash", "-o", "pipefail", "-c", line};
    options.working_directory = files_.path();
    return run_process(options);
  }
  std::string run(const std::string& line) const {
    const ProcessResult result = shell(line);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
    return result.output;
  }
  // What GNU tar makes of it, below the place where the source was.
  Snapshot extracted(const std::string& how) {
    fs::remove_all(files_ / "out");
    fs::create_directory(files_ / "out");
    run(how);
    return take_snapshot(files_ / "out" + source_);
  }

  StandingClock clock_;
  std::mt19937_64 random_{11};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string source_;
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_;
  Warnings warnings_;
};

constexpr const char* kTar = "tar --xattrs --xattrs-include='*' -C out -xpf ";

TEST_F(Archive, TarBringsEverythingBack) {
  make_everything(source_, random_);
  const Snapshot before = take_snapshot(source_);
  const BackupName name = backup();
  const ArchiveResult result = write(job(name, ArchiveFormat::kTarZst), "a.tar.zst");
  EXPECT_EQ(difference(before, extracted(std::string(kTar) + "a.tar.zst --zstd")), "");
  EXPECT_EQ(fs::file_size(files_ / "a.tar.zst"), result.archive_bytes);
  write(job(name, ArchiveFormat::kTarGz), "a.tar.gz");
  EXPECT_EQ(difference(before, extracted(std::string(kTar) + "a.tar.gz -z")), "");
  run("zstd -t a.tar.zst && gunzip -t a.tar.gz && tar -tzf a.tar.gz > /dev/null");
  EXPECT_EQ(warnings_.count(), 0u);
}

// The same bytes in the same order, whatever the threads do; holes take no room.
TEST_F(Archive, IsTheSameEachTime) {
  make_everything(source_, random_);
  const BackupName name = backup();
  ArchiveJob one = job(name, ArchiveFormat::kTarGz);
  write(one, "a");
  one.read_threads = 1;
  one.encoding.threads = 1;
  write(one, "b");
  run("cmp a b");
  fs::remove_all(source_);
  fs::create_directory(source_);
  make_sparse(source_ + "/huge", random_, off_t{20} << 30, {{off_t{10} << 30, 4096}});
  write(job(backup(), ArchiveFormat::kTarZst), "huge.tar.zst");
  EXPECT_LT(std::stoull(run("zstd -dc huge.tar.zst | wc -c")), 30'000u);
}

// What the library cannot write: the fraction of the last second before 1970.
TEST_F(Archive, TheLastSecondBefore1970IsItsEnd) {
  write_text(source_ + "/t", "t");
  const timespec both[2] = {{-1, 5}, {-1, 5}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (source_ + "/t").c_str(), both, 0), 0);
  write(job(backup(), ArchiveFormat::kTarGz), "a.tar.gz");
  EXPECT_EQ(extracted("tar -C out -xzpf a.tar.gz").at("t").mtime_ns, 0);
}

TEST_F(Archive, SealedForEachRecipient) {
  make_small_tree(source_, random_);
  const Snapshot before = take_snapshot(source_);
  run("age-keygen -o a.key 2> /dev/null; age-keygen -o b.key 2> /dev/null");
  ArchiveJob sealed = job(backup(), ArchiveFormat::kTarZst);
  for (const char* key : {"a.key", "b.key"}) {
    sealed.encoding.recipients.push_back(
        public_key_of(parse_age_identities(read_text(files_ / key)).at(0)));
  }
  write(sealed, "a.tar.zst.age");
  for (const char* key : {"a.key", "b.key"}) {
    const std::string line = std::string("age -d -i ") + key + " a.tar.zst.age | zstd -dc | ";
    EXPECT_EQ(difference(before, extracted(line + "tar -C out -xpf -")), "");
  }
  EXPECT_NE(shell("age-keygen -o c.key 2> /dev/null; age -d -i c.key a.tar.zst.age").exit_code, 0);
}

TEST_F(Archive, APartWithTheDirectoriesThatLeadToIt) {
  make_small_tree(source_, random_);
  ASSERT_EQ(::chmod((source_ + "/d0").c_str(), 0750), 0);
  Snapshot before = take_snapshot(source_);
  ArchiveJob part = job(backup(), ArchiveFormat::kTarGz);
  part.includes = {source_ + "/d0"};
  part.excludes = {"f3"};
  const ArchiveResult result = write(part, "part.tar.gz");
  EXPECT_EQ(result.files, 2u);
  for (const char* gone :
       {"d1", "d2", "empty", "twin-a", "twin-b", "link", "name-of-f1", "sparse", "d0/f3"}) {
    erase_below(before, gone);
  }
  EXPECT_EQ(difference(before, extracted("tar -C out -xzpf part.tar.gz")), "");
  part.includes = {"nothing like that"};
  EXPECT_EQ(refusal(part), Code::kNotFound);
}

TEST_F(Archive, AFurtherNameOfWhatIsLeftOutIsAWarning) {
  make_small_tree(source_, random_);
  ArchiveJob part = job(backup(), ArchiveFormat::kTarGz);
  part.includes = {source_ + "/name-of-f1"};
  part.excludes = {};
  const auto code = refusal(part);
  EXPECT_EQ(warnings_.count(), 1u);
  EXPECT_FALSE(code.has_value());
  EXPECT_THAT(run("tar -tzf refused"), testing::Not(testing::HasSubstr("name-of-f1")));
}

TEST_F(Archive, ADumpComesAsItself) {
  std::string dump = "CREATE TABLE t (x int);\n";
  for (int i = 0; i < 20'000; ++i) dump += fmt::format("INSERT INTO t VALUES ({});\n", random_());
  write_text(source_ + "/appdb.sql", dump);
  write_text(source_ + "/manifest.json", "{}");
  const BackupName name = backup();
  const ArchiveResult result = write(job(name, ArchiveFormat::kSqlGz), "appdb.sql.gz");
  EXPECT_EQ(result.files, 1u);
  EXPECT_EQ(result.bytes, dump.size());
  write(job(name, ArchiveFormat::kSqlZst), "appdb.sql.zst");
  run("gunzip -t appdb.sql.gz");
  run("gunzip -c appdb.sql.gz > gz && zstd -dc appdb.sql.zst > zst");
  EXPECT_EQ(read_text(files_ / "gz"), dump);
  EXPECT_EQ(read_text(files_ / "zst"), dump);

  write_text(source_ + "/other.sql", "SELECT 1;\n");
  const BackupName two = backup();
  EXPECT_EQ(refusal(job(two, ArchiveFormat::kSqlGz)), Code::kInvalid);
  ArchiveJob chosen = job(two, ArchiveFormat::kSqlGz);
  chosen.includes = {"other.sql"};
  write(chosen, "other.sql.gz");
  EXPECT_EQ(run("gunzip -c other.sql.gz"), "SELECT 1;\n");
  chosen.includes = {"manifest.json"};
  EXPECT_EQ(refusal(chosen), Code::kInvalid);
}

// A .sql file with holes has its zeros.
TEST_F(Archive, ASparseDumpHasItsZeros) {
  make_sparse(source_ + "/holes.sql", random_, 300'000, {{65'536, 5}, {131'072, 4096}});
  write(job(backup(), ArchiveFormat::kSqlGz), "a.sql.gz");
  run("gunzip -c a.sql.gz | cmp - " + source_ + "/holes.sql");
}

TEST_F(Archive, ADryRunCountsAndGivesNothing) {
  make_small_tree(source_, random_);
  ArchiveJob dry = job(backup(), ArchiveFormat::kTarGz);
  dry.dry_run = true;
  ArchiveProgress progress;
  const Objects before = objects_of(store_);
  const ArchiveResult result =
      write_archive(*vault_, dry, [](ByteView) { FAIL(); }, progress, warnings_, {});
  EXPECT_GT(result.files, 10u);
  EXPECT_GT(result.bytes, 10'000u);
  EXPECT_EQ(objects_of(store_), before);
}

TEST_F(Archive, LostContentIsNamedAndNothingIsMadeUp) {
  make_small_tree(source_, random_);
  const BackupName name = backup();
  for (const ObjectInfo& info : list_objects(store_, "data/")) {
    Bytes bytes = store_.get(info.key);
    for (std::size_t i = 100; i < bytes.size() / 2; i += 50) bytes[i] ^= 1;
    store_.put(info.key, bytes);
  }
  try {
    write(job(name, ArchiveFormat::kTarGz), "lost");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCorrupt) << error.what();
    EXPECT_THAT(error.message(), testing::HasSubstr(source_.substr(1)));
    EXPECT_THAT(error.hint(), testing::HasSubstr("--exclude"));
  }
  EXPECT_NE(shell("gunzip -t lost").exit_code, 0);
}

TEST_F(Archive, AStoreThatFailsEndsItAtEveryRead) {
  make_small_tree(source_, random_);
  const BackupName name = backup();
  int failures = 0;
  for (std::uint64_t at = 1;; ++at) {
    const auto plan = std::make_shared<FaultPlan>();
    FaultStore faulty(store_, plan);
    const auto vault = Vault::open(faulty, clock_, ring_, "");
    plan->arm(plan->operations() + at, Fault::kErrorBefore);
    const auto code =
        thrown_by([&] { write(job(name, ArchiveFormat::kTarGz), "faulty", vault.get()); });
    if (!code) {
      if (!plan->fired()) break;
      run("gunzip -t faulty");
      continue;
    }
    EXPECT_EQ(code, Code::kUnavailable) << at;
    EXPECT_NE(shell("gunzip -t faulty").exit_code, 0) << at;
    ++failures;
  }
  EXPECT_GT(failures, 5);
}

TEST_F(Archive, WhatTheSinkThrowsComesOut) {
  make_small_tree(source_, random_);
  const BackupName name = backup();
  ArchiveProgress progress;
  for (const ArchiveFormat format : {ArchiveFormat::kTarGz, ArchiveFormat::kTarZst}) {
    EXPECT_EQ(thrown_by([&] {
                write_archive(*vault_, job(name, format),
                              [](ByteView) { throw Error(Code::kExhausted, "full"); }, progress,
                              warnings_, {});
              }),
              Code::kExhausted);
  }
}

TEST_F(Archive, AStopEndsIt) {
  make_small_tree(source_, random_);
  write_text(source_ + "/large", noise(random_, 3'000'000));
  const BackupName name = backup();
  ArchiveProgress progress;
  std::stop_source stop;
  EXPECT_EQ(thrown_by([&] {
              write_archive(
                  *vault_, job(name, ArchiveFormat::kTarGz), [&](ByteView) { stop.request_stop(); },
                  progress, warnings_, stop.get_token());
            }),
            Code::kCancelled);
  // And before anything was given.
  EXPECT_EQ(thrown_by([&] {
              write_archive(
                  *vault_, job(name, ArchiveFormat::kTarGz), [](ByteView) {}, progress, warnings_,
                  stop.get_token());
            }),
            Code::kCancelled);
}

TEST_F(Archive, AKeyThatCannotReadIsRefused) {
  make_small_tree(source_, random_);
  const BackupName name = backup();
  const auto writer = Vault::open(store_, clock_, ring_.restricted_to(Role::kWriter), "");
  EXPECT_EQ(thrown_by([&] { write(job(name, ArchiveFormat::kTarGz), "no", writer.get()); }),
            Code::kDenied);
}

}  // namespace
}  // namespace holdfast::test
