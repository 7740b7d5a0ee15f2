// wal-push and wal-fetch without a server: files as one would write them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "base/wire.h"
#include "cli/support.h"
#include "os/file.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMiB = 1u << 20;

// Counts how often others open a file.
class Opened {
 public:
  explicit Opened(const std::string& path) : fd_(::inotify_init1(IN_CLOEXEC)) {
    EXPECT_GE(::inotify_add_watch(fd_.get(), path.c_str(), IN_OPEN), 0);
  }
  void wait_for(int times) const {
    for (int seen = 0; seen < times;) {
      char events[4096];
      const ssize_t size = ::read(fd_.get(), events, sizeof events);
      ASSERT_GT(size, 0);
      seen += static_cast<int>(size / static_cast<ssize_t>(sizeof(inotify_event)));
    }
  }

 private:
  Fd fd_;
};

// A data directory of a server with segments of 1 MiB.
class Wal : public ::testing::Test {
 protected:
  Wal() {
    shop_.init();
    make_cluster("pg", 7301);
  }

  void make_cluster(const std::string& name, std::uint64_t identifier) {
    make_directories(shop_ / (name + "/global"));
    make_directories(shop_ / (name + "/pg_wal/archive_status"));
    Bytes control;
    WireWriter(control).fixed(identifier);
    control.resize(8192);
    write_file_atomic(shop_ / (name + "/global/pg_control"), control);
  }
  static std::string name_of(std::uint64_t number, std::uint32_t timeline = 1) {
    return WalSegment{timeline, number}.name(kMiB);
  }
  static Bytes segment(std::uint64_t number, std::uint64_t identifier = 7301, char fill = 'x') {
    Bytes bytes;
    WireWriter out(bytes);
    out.fixed(std::uint16_t{0xD110});
    out.fixed(std::uint16_t{2});
    out.fixed(std::uint32_t{1});
    out.fixed(number * kMiB);
    out.fixed(std::uint64_t{0});
    out.fixed(identifier);
    out.fixed(kMiB);
    out.fixed(std::uint32_t{8192});
    bytes.resize(kMiB, static_cast<std::uint8_t>(fill));
    return bytes;
  }
  // In pg_wal, and waiting to be archived.
  void write_segment(std::uint64_t number, char fill = 'x') {
    write_file_atomic(shop_ / ("pg/pg_wal/" + name_of(number)), segment(number, 7301, fill));
    write_file_atomic(shop_ / ("pg/pg_wal/archive_status/" + name_of(number) + ".ready"), {});
  }
  void mark_done(std::uint64_t number) {
    fs::remove(shop_ / ("pg/pg_wal/archive_status/" + name_of(number) + ".ready"));
  }
  // As PostgreSQL calls it: in the data directory, with relative paths.
  Outcome call(const std::string& cluster, std::vector<std::string> arguments,
               const std::string& vault = "vault") {
    std::vector<std::string> argv = {"env", "-C", shop_ / cluster, "HOME=" + shop_.path(),
                                     HOLDFAST_BINARY};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"--config", shop_ / "holdfast.yaml", "--key-file", shop_ / "key",
                             "--vault", shop_ / vault});
    ProcessOptions options;
    options.argv = argv;
    options.timeout = std::chrono::minutes{2};
    const ProcessResult result = run_process(options);
    return {result.exit_code, result.output, result.error_output};
  }
  // Returns when the worker that the call left behind, if it did, has ended.
  Outcome push(std::uint64_t number) {
    const Outcome outcome = call("pg", {"wal-push", "--source", "db", "pg_wal/" + name_of(number)});
    const std::string lock = shop_ / "state/wal/db/push/worker.lock";
    if (path_exists(lock)) {
      const Fd fd = open_file(lock, O_RDWR);
      EXPECT_EQ(::flock(fd.get(), LOCK_EX), 0);
    }
    return outcome;
  }
  Outcome fetch(const std::string& name) {
    return call("pg", {"wal-fetch", "--source", "db", name, "pg_wal/RECOVERYXLOG"});
  }
  Bytes fetched() { return read_file(shop_ / "pg/pg_wal/RECOVERYXLOG"); }
  std::string object(std::uint64_t number) {
    return shop_ / ("vault/log/db/7301/" + name_of(number) + ".hfl");
  }
  std::size_t spooled() {
    std::size_t count = 0;
    if (!path_exists(shop_ / "state/wal/db/fetch")) return 0;
    for (const auto& one : fs::recursive_directory_iterator(shop_ / "state/wal/db/fetch")) {
      if (one.is_regular_file()) ++count;
    }
    return count;
  }

  Workshop shop_;
};

TEST_F(Wal, APushStoresAllThatWaitAndTheNextCallsFindThat) {
  for (std::uint64_t i = 1; i <= 6; ++i) write_segment(i);
  const Outcome first = push(1);
  EXPECT_EQ(first.code, 0) << first.err;
  for (std::uint64_t i = 1; i <= 6; ++i) EXPECT_TRUE(path_exists(object(i))) << i;
  mark_done(1);
  // The next call asks no vault.
  fs::rename(shop_ / "vault", shop_ / "away");
  EXPECT_EQ(push(2).code, 0);
  mark_done(2);
  // Once: a second time is not proven by a note that is gone.
  const Outcome again = push(2);
  EXPECT_EQ(again.code, 4) << again.err;
  fs::rename(shop_ / "away", shop_ / "vault");
  EXPECT_EQ(push(2).code, 0);
}

// Its own file becomes durable: PostgreSQL has to hear that, or the log would stand still.
TEST_F(Wal, ACallThatCanLeaveNoWorkerIsASuccess) {
  write_segment(1);
  write_segment(2);
  make_directories(shop_ / "state/wal/db/push/worker.lock");
  for (std::uint64_t number : {1u, 2u}) {
    const Outcome pushed = call("pg", {"wal-push", "--source", "db", "pg_wal/" + name_of(number)});
    EXPECT_EQ(pushed.code, 0) << pushed.err;
    EXPECT_TRUE(path_exists(object(number)));
    if (number == 1) {
      EXPECT_NE(pushed.err.find("no worker"), std::string::npos) << pushed.err;
    }
    mark_done(number);
  }
}

class WalAlso : public Wal {
 protected:
  WalAlso() {
    shop_.write_config("copies: [{name: west, url: " + (shop_ / "west") + "}]\n");
    shop_.expect(0, {"copy", "--to", "west"});
  }
  Outcome push_both(std::uint64_t number) {
    return call("pg",
                {"wal-push", "--source", "db", "--also", "west", "pg_wal/" + name_of(number)});
  }
  std::string copied(std::uint64_t number) {
    return shop_ / ("west/log/db/7301/" + name_of(number) + ".hfl");
  }
};

TEST_F(WalAlso, ASuccessIsOneInAllPlaces) {
  write_segment(1);
  const Outcome pushed = push_both(1);
  EXPECT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_TRUE(path_exists(object(1)));
  EXPECT_TRUE(path_exists(copied(1)));
  mark_done(1);
  // What is in the vault alone is not taken for what is in both.
  write_segment(2);
  write_segment(3);
  EXPECT_EQ(push(2).code, 0);
  mark_done(2);
  EXPECT_FALSE(path_exists(copied(3)));
  EXPECT_EQ(push_both(3).code, 0);
  EXPECT_TRUE(path_exists(copied(3)));
  EXPECT_EQ(call("pg", {"wal-push", "--source", "db", "--also", "east", "pg_wal/x"}).code, 4);
}

TEST_F(WalAlso, ACopyThatCannotBeWrittenFailsTheCallAndTheVaultHasTheFile) {
  // Root writes to a directory that is read-only, but to no file as if it were one.
  shop_.write("west/log", "in the way");
  write_segment(1);
  const Outcome pushed = push_both(1);
  EXPECT_NE(pushed.code, 0);
  EXPECT_NE(pushed.err.find("west"), std::string::npos) << pushed.err;
  EXPECT_TRUE(path_exists(object(1)));
  EXPECT_TRUE(path_exists(shop_ / ("pg/pg_wal/" + name_of(1))));
  fs::remove(shop_ / "west/log");
  EXPECT_EQ(push_both(1).code, 0);  // as the server does: again and again
  EXPECT_TRUE(path_exists(copied(1)));
}

TEST_F(WalAlso, ACopyThatIsAwayFailsTheCallAndTheVaultHasTheFile) {
  fs::rename(shop_ / "west", shop_ / "away");
  write_segment(1);
  const Outcome pushed = push_both(1);
  EXPECT_NE(pushed.code, 0);
  EXPECT_NE(pushed.err.find("the copy west"), std::string::npos) << pushed.err;
  EXPECT_TRUE(path_exists(object(1)));
  fs::rename(shop_ / "away", shop_ / "west");
  EXPECT_EQ(push_both(1).code, 0);
  EXPECT_TRUE(path_exists(copied(1)));
}

TEST_F(WalAlso, TheConfigurationMayNameThePlaces) {
  shop_.write_config("copies: [{name: west, url: " + (shop_ / "west") +
                     "}]\nsources: [{name: db, class: database, postgresql: {}, log: {also: "
                     "[west]}}]\n");
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  EXPECT_TRUE(path_exists(copied(1)));
}

// A call waits for the worker that is at it, and works itself when that one ends without.
TEST_F(Wal, ACallWaitsForTheWorkerAtWork) {
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  mark_done(1);
  write_segment(2);
  const std::string spool = shop_ / "state/wal/db/push";
  std::optional<Fd> worker(open_file(spool + "/worker.lock", O_RDWR | O_CREAT));
  ASSERT_EQ(::flock(worker->get(), LOCK_EX), 0);
  const Opened asked(spool + "/worker.lock");
  std::jthread call([&] {
    EXPECT_EQ(this->call("pg", {"wal-push", "--source", "db", "pg_wal/" + name_of(2)}).code, 0);
  });
  // It asks for the lock again and again, and does not go on meanwhile.
  asked.wait_for(3);
  EXPECT_FALSE(path_exists(object(2)));
  worker.reset();
  call.join();
  EXPECT_TRUE(path_exists(object(2)));
}

TEST_F(Wal, ANoteIsAboutThatVeryFile) {
  for (std::uint64_t i = 1; i <= 3; ++i) write_segment(i);
  EXPECT_EQ(push(1).code, 0);
  write_segment(2, 'y');  // another file of that name
  const Outcome other = push(2);
  EXPECT_EQ(other.code, 6) << other.err;
  EXPECT_NE(other.err.find("other bytes"), std::string::npos) << other.err;
}

// Set back to an earlier state, a server writes other bytes under the same names.
TEST_F(Wal, NothingIsStoredBehindAFileWithOtherBytes) {
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  write_segment(1, 'y');
  write_segment(2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(push(1).code, 6);
    EXPECT_FALSE(path_exists(object(2)));
  }
}

TEST_F(Wal, AFileThatIsThereAlreadyLeavesAWorkerForTheOthers) {
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  write_segment(2);
  EXPECT_EQ(push(1).code, 0);  // its success did not reach the server
  EXPECT_TRUE(path_exists(object(2)));
}

TEST_F(Wal, ANoteIsAboutThatVault) {
  write_segment(1);
  write_segment(2);
  EXPECT_EQ(push(1).code, 0);
  EXPECT_EQ(shop_.run({"init", "--vault", shop_ / "vault2", "--key-file", shop_ / "key"}).code, 0);
  const std::vector<std::string> second = {"wal-push", "--source", "db", "pg_wal/" + name_of(2)};
  EXPECT_EQ(call("pg", second, "vault2").code, 0);
  EXPECT_TRUE(path_exists(shop_ / ("vault2/log/db/7301/" + name_of(2) + ".hfl")));
}

TEST_F(Wal, AStoreThatFailsIsAnErrorEachTime) {
  write_segment(1);
  write_segment(2);
  fs::rename(shop_ / "vault", shop_ / "away");
  for (int i = 0; i < 2; ++i) {
    const Outcome result = push(1);
    EXPECT_EQ(result.code, 4);
    EXPECT_NE(result.err.find("cannot archive pg_wal/" + name_of(1)), std::string::npos);
  }
  fs::rename(shop_ / "away", shop_ / "vault");
  EXPECT_EQ(push(1).code, 0);
  EXPECT_EQ(push(2).code, 0);
}

TEST_F(Wal, AnotherServerIsRefusedUnlessItIsMeant) {
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  make_cluster("pg2", 7302);
  write_file_atomic(shop_ / ("pg2/pg_wal/" + name_of(1)), segment(1, 7302));
  const std::vector<std::string> again = {"wal-push", "--source", "db", "pg_wal/" + name_of(1)};
  const Outcome refused = call("pg2", again);
  EXPECT_EQ(refused.code, 6);
  EXPECT_NE(refused.err.find("7301"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--new-cluster"), std::string::npos);
  EXPECT_FALSE(path_exists(shop_ / "vault/log/db/7302"));
  std::vector<std::string> meant = again;
  meant.push_back("--new-cluster");
  EXPECT_EQ(call("pg2", meant).code, 0);
  fs::remove_all(shop_ / "state");
  EXPECT_EQ(call("pg2", again).code, 0);  // known from now on
  // A server that has nothing there gets nothing of another.
  make_cluster("pg3", 7303);
  const Outcome other = call("pg3", {"wal-fetch", "--source", "db", name_of(1), "x"});
  EXPECT_EQ(other.code, 200);
  EXPECT_NE(other.err.find("of another server"), std::string::npos) << other.err;
}

TEST_F(Wal, WhatIsNoSegmentIsNotStored) {
  write_segment(1);
  fs::rename(shop_ / ("pg/pg_wal/" + name_of(1)), shop_ / ("pg/pg_wal/" + name_of(2)));
  EXPECT_EQ(push(2).code, 5);  // its header says where it belongs
  write_file_atomic(shop_ / ("pg/pg_wal/" + name_of(3)), ByteView(segment(3)).first(kMiB / 2));
  EXPECT_EQ(push(3).code, 5);
  EXPECT_EQ(call("pg", {"wal-push", "--source", "db", "pg_wal/RECOVERYXLOG"}).code, 2);
  EXPECT_EQ(call("pg", {"wal-push", "--source", "../db", "pg_wal/" + name_of(1)}).code, 10);
  EXPECT_EQ(call("pg", {"wal-push", "pg_wal/" + name_of(1)}).code, 2);  // whose?
  EXPECT_FALSE(path_exists(shop_ / "vault/log"));
}

TEST_F(Wal, HistoryAndBackupFilesGoByTheControlFile) {
  const std::string backup = name_of(3) + ".00000028.backup";
  for (const std::string& name : {std::string("00000002.history"), backup}) {
    write_file_atomic(shop_ / ("pg/pg_wal/" + name), as_bytes("1\t0/3000000\tno\n"));
    const Outcome pushed = call("pg", {"wal-push", "--source", "db", "pg_wal/" + name});
    EXPECT_EQ(pushed.code, 0) << pushed.err;
    EXPECT_EQ(fetch(name).code, 0);
    EXPECT_EQ(as_text(fetched()), "1\t0/3000000\tno\n");
  }
}

TEST_F(Wal, AFetchReadsAheadAndTheNextCallsNeedNoVault) {
  for (std::uint64_t i = 1; i <= 30; ++i) write_segment(i, static_cast<char>('a' + i));
  EXPECT_EQ(push(1).code, 0);
  const Outcome first = fetch(name_of(1));
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(fetched(), segment(1, 7301, 'b'));
  EXPECT_EQ(spooled(), 16u);
  fs::rename(shop_ / "vault", shop_ / "away");
  for (std::uint64_t i = 2; i <= 17; ++i) {
    EXPECT_EQ(fetch(name_of(i)).code, 0);
    EXPECT_EQ(fetched(), segment(i, 7301, static_cast<char>('a' + i)));
  }
  EXPECT_EQ(spooled(), 0u);
  EXPECT_EQ(fetch(name_of(18)).code, 200);
  fs::rename(shop_ / "away", shop_ / "vault");
  // Somewhere else: what was read ahead is of no use there, and goes.
  EXPECT_EQ(fetch(name_of(18)).code, 0);
  EXPECT_EQ(fetch(name_of(2)).code, 0);
  EXPECT_EQ(fetched(), segment(2, 7301, 'c'));
  EXPECT_LE(spooled(), 16u);
}

TEST_F(Wal, ReadAheadGoesOnBeyondALogNumber) {
  for (const std::uint64_t i : {0xFFEu, 0xFFFu, 0x1000u, 0x1001u}) write_segment(i);
  EXPECT_EQ(push(0xFFE).code, 0);
  EXPECT_EQ(fetch(name_of(0xFFE)).code, 0);
  EXPECT_EQ(spooled(), 3u);
}

TEST_F(Wal, TheEndOfTheLogIsOneAndNothingElseIs) {
  EXPECT_EQ(fetch(name_of(1)).code, 200);  // nothing there at all: the wrong place
  write_segment(1);
  write_segment(2);
  EXPECT_EQ(push(1).code, 0);
  EXPECT_EQ(fetch(name_of(1)).code, 0);
  EXPECT_EQ(spooled(), 1u);
  const Outcome absent = fetch(name_of(3));
  EXPECT_EQ(absent.code, 1);
  EXPECT_EQ(absent.err, "");
  EXPECT_EQ(spooled(), 0u);  // nobody will ask for it any more
  EXPECT_EQ(fetch("00000002.history").code, 1);
  // Each of these must not look like the end.
  EXPECT_EQ(call("pg", {"wal-fetch", "--source", "bd", name_of(3), "x"}).code, 200);
  EXPECT_EQ(call("pg", {"wal-fetch", "--sorce", "db", name_of(3), "x"}).code, 200);
  EXPECT_EQ(call("pg", {"wal-fetch", "--source", "db", name_of(3)}).code, 200);
  EXPECT_EQ(call("pg", {"wal-fetch", "--source", "db", "nonsense", "x"}).code, 200);
  EXPECT_EQ(call("pg", {"wal-fetch", name_of(3), "x"}).code, 200);
  EXPECT_EQ(call("pg", {"wal-fetch", "--source", "db", name_of(3), "x"}, "absent").code, 200);
  fs::rename(shop_ / "key", shop_ / "key.away");
  EXPECT_EQ(fetch(name_of(3)).code, 200);
  fs::rename(shop_ / "key.away", shop_ / "key");
  fs::remove(shop_ / "pg/global/pg_control");
  EXPECT_EQ(fetch(name_of(3)).code, 200);
}

TEST_F(Wal, AWriterPushesAndCannotFetch) {
  shop_.expect(
      0, {"key", "add", "--role", "writer", "--label", "w", "--new-key-file", shop_ / "writer"});
  fs::rename(shop_ / "key", shop_ / "restorer");
  fs::rename(shop_ / "writer", shop_ / "key");
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  EXPECT_EQ(push(1).code, 0);  // the same again
  write_segment(1, 'y');
  EXPECT_EQ(push(1).code, 6);
  const Outcome denied = fetch(name_of(1));
  EXPECT_EQ(denied.code, 200);
  EXPECT_NE(denied.err.find("restorer key"), std::string::npos) << denied.err;
}

TEST_F(Wal, DamageAbortsRecovery) {
  write_segment(1);
  EXPECT_EQ(push(1).code, 0);
  Bytes bytes = read_file(object(1));
  bytes[bytes.size() - 5] ^= 1;
  fs::remove(object(1));
  write_file_atomic(object(1), bytes);
  const Outcome result = fetch(name_of(1));
  EXPECT_EQ(result.code, 200);
  EXPECT_NE(result.err.find("damaged"), std::string::npos) << result.err;
  EXPECT_FALSE(path_exists(shop_ / "pg/pg_wal/RECOVERYXLOG"));
}

// Without a spool nothing is fast, and nothing is lost.
TEST_F(Wal, WorksWithoutASpool) {
  shop_.write("state", "a file is in the way");
  write_segment(1);
  write_segment(2);
  EXPECT_EQ(push(1).code, 0);
  EXPECT_TRUE(path_exists(object(1)));
  EXPECT_FALSE(path_exists(object(2)));
  const Outcome result = fetch(name_of(1));
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.err.find("state_dir"), std::string::npos) << result.err;
  EXPECT_EQ(fetched(), segment(1));
}

}  // namespace
}  // namespace holdfast
