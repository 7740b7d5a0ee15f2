// The binary log of a real server in the vault, byte for byte, in chunks and from where it stopped.
#include <gtest/gtest.h>

#include <filesystem>

#include "os/file.h"
#include "protect/binlog_listing.h"
#include "protect/binlog_receiver.h"
#include "protect/log_archive.h"
#include "protect/world.h"
#include "store/expect_error.h"
#include "support/cut_off_store.h"
#include "support/mariadb_server.h"

namespace holdfast::test {
namespace {

constexpr Duration kPatience = std::chrono::minutes{1};

class BinlogChunks : public ::testing::Test {
 protected:
  BinlogChunks() {
    server_.run(
        {"CREATE DATABASE shop", "CREATE TABLE shop.blobs (id INT PRIMARY KEY, v LONGBLOB)"});
  }

  // Rows that do not compress: `mebibytes` of log.
  void write(int first, int mebibytes) {
    for (int i = 0; i < mebibytes; ++i) {
      std::string blob(std::size_t{1} << 20, '\0');
      for (char& c : blob) c = static_cast<char>('a' + random_() % 26);
      server_.run(
          {"INSERT INTO shop.blobs VALUES (" + std::to_string(first + i) + ", '" + blob + "')"});
    }
  }

  // Receives until the vault has what the server has now, as a run of its own.
  void receive(bool skip_gap = false) {
    const GtidPosition wanted(server_.sql("SELECT @@gtid_binlog_pos"));
    receive_until(
        [&](const BinlogReceiverStatus& status) {
          return GtidPosition(status.durable.gtid).contains(wanted);
        },
        skip_gap);
  }

  template <typename Done>
  void receive_until(const Done& done, bool skip_gap = false) {
    BinlogReceiverOptions options;
    options.source = "shop";
    options.server = server_.settings();
    options.interval = std::chrono::milliseconds{20};
    options.skip_gap = skip_gap;
    options.others = others_;
    BinlogReceiver receiver(*writer_, options, [this](const std::string& text) { said_ += text; });
    std::exception_ptr failure;
    ended_ = false;
    std::jthread thread([&](std::stop_token stop) {
      try {
        receiver.run(std::move(stop));
      } catch (...) {
        failure = std::current_exception();
      }
      ended_ = true;
    });
    const Duration end = system_clock().monotonic() + kPatience;
    while (!ended_ && !done(receiver.status())) {
      ASSERT_LT(system_clock().monotonic(), end) << said_;
      system_clock().sleep_for(std::chrono::milliseconds{5}, {});
    }
    thread.request_stop();
    thread.join();
    // A server keeps the file that it is sending.
    while (server_.sql("SELECT count(*) FROM information_schema.processlist WHERE command LIKE "
                       "'Binlog Dump%'") != "0") {
      ASSERT_LT(system_clock().monotonic(), end);
      system_clock().sleep_for(std::chrono::milliseconds{5}, {});
    }
    if (failure) std::rethrow_exception(failure);
  }

  StoredBinlogs stored() const {
    const auto logs = list_binlogs(*vault_, "shop");
    return logs.empty() ? StoredBinlogs{} : logs.back();
  }

  // What the vault has of a file; every object's header is compared with it on the way.
  Bytes content(const StoredBinlog& file) const {
    Bytes bytes;
    for (const StoredChunk& chunk : file.chunks) {
      const auto log = read_log(*vault_, chunk.name.whole());
      EXPECT_TRUE(log) << chunk.name.key();
      const BinlogChunkFacts facts = read_chunk_facts(*vault_, chunk.name);
      EXPECT_EQ(facts.begin, bytes.size());
      append(bytes, log->bytes);
      EXPECT_EQ(facts.end, bytes.size());
      // What a reader finds that begins at the beginning.
      BinlogFollower follower;
      follower.feed(bytes, {});
      EXPECT_EQ(facts.to, follower.state()) << chunk.name.key();
    }
    return bytes;
  }
  Bytes on_server(const std::string& file) const {
    return read_file(server_.data_directory() + "/" + file);
  }

  TestMariadb server_{
      {"binlog-format=ROW", "binlog-annotate-row-events=OFF", "max-allowed-packet=64M"}};
  MemoryStore store_{system_clock()};
  const KeyRing ring_ = new_key_ring();
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, system_clock(), ring_);
  // The stream has a key that reads nothing.
  std::unique_ptr<Vault> writer_ =
      Vault::open(store_, system_clock(), ring_.restricted_to(Role::kWriter), "");
  std::vector<const Vault*> others_;
  std::mt19937_64 random_{7};
  std::string said_;
  std::atomic<bool> ended_{false};
};

TEST_F(BinlogChunks, AreTheServersFilesAlsoWhenTheStreamStoppedInTheMiddle) {
  write(0, 10);
  receive();  // in the first chunk
  write(100, 10);
  receive();  // in the second
  EXPECT_EQ(stored().files.back().chunks.size(), 2u);
  EXPECT_FALSE(stored().files.back().chunks.back().whole());
  write(200, 5);
  server_.run({"FLUSH BINARY LOGS"});
  write(300, 1);
  receive();
  const StoredBinlogs log = stored();
  ASSERT_EQ(log.files.size(), 2u);
  EXPECT_EQ(log.files[0].chunks.size(), 2u);
  for (const StoredChunk& chunk : log.files[0].chunks) EXPECT_TRUE(chunk.whole());
  EXPECT_FALSE(log.files[0].gap);
  EXPECT_TRUE(content(log.files[0]) == on_server(log.files[0].file));
  EXPECT_EQ(content(log.files[1]).size(), on_server(log.files[1].file).size());
  // Pieces are gone where there is the whole.
  std::size_t objects = 0;
  store_.list("log/shop/" + log.stream + "/" + log.files[0].file + ".",
              [&](const ObjectInfo&) { ++objects; });
  EXPECT_EQ(objects, 2u);
}

TEST_F(BinlogChunks, WhatACopyMissedIsThereBeforeItCountsAsDurable) {
  MemoryStore inner(system_clock());
  CutOff reached(inner);
  const auto copy = tiny_vault(reached, system_clock(), ring_);
  others_ = {copy.get()};
  write(0, 1);
  receive();
  const std::uint64_t before = stored().files.back().chunks.back().name.piece->end;
  reached.cut = true;
  write(100, 1);
  receive_until([&](const BinlogReceiverStatus&) {
    return stored().files.back().chunks.back().name.piece->end > before + (1u << 20);
  });
  reached.cut = false;
  receive();
  const LogName last = stored().files.back().chunks.back().name.whole();
  const auto here = read_log(*vault_, last);
  const auto there = read_log(*copy, last);
  ASSERT_TRUE(here && there);
  EXPECT_FALSE(there->gap);
  EXPECT_TRUE(here->bytes == there->bytes);
}

TEST_F(BinlogChunks, OneEventOverManyChunksIsNoTrouble) {
  std::string blob(std::size_t{36} << 20, '\0');
  for (char& c : blob) c = static_cast<char>('a' + random_() % 26);
  server_.run({"INSERT INTO shop.blobs VALUES (1, '" + blob + "')"});
  receive();
  server_.run({"INSERT INTO shop.blobs VALUES (2, 'after')", "FLUSH BINARY LOGS",
               "INSERT INTO shop.blobs VALUES (3, 'last')"});
  receive();
  const StoredBinlogs log = stored();
  ASSERT_EQ(log.files.size(), 2u);
  EXPECT_EQ(log.files[0].chunks.size(), 3u);
  EXPECT_TRUE(content(log.files[0]) == on_server(log.files[0].file));
}

TEST_F(BinlogChunks, AServerThatCrashedGoesOnWithItsNextFile) {
  write(0, 1);
  receive();
  server_.kill();
  server_.start();
  write(10, 1);
  receive();
  server_.run({"FLUSH BINARY LOGS", "INSERT INTO shop.blobs VALUES (3, 'last')"});
  receive();
  const StoredBinlogs log = stored();
  ASSERT_EQ(log.files.size(), 3u);
  for (std::size_t i : {0u, 1u}) {
    EXPECT_TRUE(log.files[i].chunks.back().whole());
    // A server that died has left its mark in the header of the first event; we have none.
    Bytes theirs = on_server(log.files[i].file);
    theirs[21] = static_cast<std::uint8_t>(theirs[21] & ~kBinlogInUse);
    EXPECT_TRUE(content(log.files[i]) == theirs) << log.files[i].file;
  }
}

TEST_F(BinlogChunks, WhatTheServerPurgedIsNamedAndNotPassedOver) {
  write(0, 1);
  receive();
  server_.run({"FLUSH BINARY LOGS"});
  write(10, 1);
  server_.run({"FLUSH BINARY LOGS"});
  server_.purge_to("binlog.000003");
  write(20, 1);
  try {
    receive();
    ADD_FAILURE() << "the gap was not seen: " << said_;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_NE(error.message().find("no longer has binlog.000001 from byte"), std::string::npos)
        << error.message();
    EXPECT_NE(error.message().find("binlog.000003"), std::string::npos) << error.message();
  }
  receive(true);
  const StoredBinlogs log = stored();
  ASSERT_EQ(log.files.size(), 2u);
  EXPECT_EQ(log.files[1].file, "binlog.000003");
}

// The file that the vault has whole may go: nothing is missing behind it.
TEST_F(BinlogChunks, APurgedFileThatTheVaultHasIsNoGap) {
  write(0, 1);
  server_.run({"FLUSH BINARY LOGS"});
  write(10, 1);
  receive();
  server_.run({"FLUSH BINARY LOGS"});
  write(15, 1);
  receive();
  server_.purge_to("binlog.000003");
  write(20, 1);
  receive();
  const StoredBinlogs log = stored();
  ASSERT_EQ(log.files.size(), 2u);  // the stream began with the active one, the second
  EXPECT_EQ(log.files[0].file, "binlog.000002");
  EXPECT_TRUE(log.files[0].chunks.back().whole());
}

TEST_F(BinlogChunks, ALogThatBeganAnewIsAnotherOne) {
  write(0, 1);
  receive();
  const std::string first = stored().stream;
  const std::string second = server_.sql("SELECT unix_timestamp()");
  while (server_.sql("SELECT unix_timestamp()") == second) {
    system_clock().sleep_for(std::chrono::milliseconds{20}, {});
  }
  server_.run({"RESET MASTER"});
  write(10, 1);
  expect_error(Code::kConflict, [&] { receive(); });
  receive(true);
  EXPECT_NE(stored().stream, first);
  EXPECT_EQ(content(stored().files[0]).size(), on_server("binlog.000001").size());
}

}  // namespace
}  // namespace holdfast::test
