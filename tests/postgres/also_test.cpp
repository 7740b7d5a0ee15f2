// A stream that keeps the log in two places, killed after it wrote to the first: what the server
// was told to be flushed is in the second alone, too.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "protect/log_archive.h"
#include "protect/log_listing.h"
#include "protect/log_receiver.h"
#include "protect/world.h"
#include "source/postgres/wal_file.h"
#include "support/cut_off_store.h"
#include "support/postgres_server.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kSegment = 1u << 20;

class Also : public ::testing::TestWithParam<bool> {
 protected:
  Also() { server_.start(); }

  // A run of its own, until `done`.
  template <typename Done>
  void receive(const Done& done) {
    LogReceiverOptions options;
    options.source = "shop";
    options.server.connection = "host=" + server_.socket_directory() + " user=postgres";
    options.server.system_user = "";
    options.slot = "holdfast_shop";
    options.interval = std::chrono::milliseconds{20};
    if (follow_) {
      // Does not own it.
      options.followers = {
          {"west",
           [&] { return std::shared_ptr<const Vault>(std::shared_ptr<void>(), copy_.get()); }}};
    } else {
      options.others = {copy_.get()};
    }
    LogReceiver receiver(*vault_, options, [](const std::string&) {});
    std::jthread thread([&](std::stop_token stop) { receiver.run(std::move(stop)); });
    const Duration end = system_clock().monotonic() + std::chrono::minutes{1};
    while (!done(receiver.status())) {
      ASSERT_LT(system_clock().monotonic(), end);
      system_clock().sleep_for(std::chrono::milliseconds{5}, {});
    }
    acknowledged_ = receiver.status().durable;
  }

  // Behind what can be read of the log without a hole.
  static Lsn end_of(const Vault& vault) {
    Lsn end = 0;
    for (const LogStream& log : list_log(vault, "shop")) {
      const LogTimeline& timeline = log.timelines.back();
      if (!timeline.gaps.empty()) return 0;
      if (!timeline.held.empty()) {
        end = parse_wal_segment(timeline.held.back().last, kSegment)->next().start(kSegment);
      }
      for (const PartialLog& partial : timeline.partial) {
        const Lsn start = parse_wal_segment(partial.name, kSegment)->start(kSegment);
        if (end == 0 || start == end) end = start + partial.reach;
      }
    }
    return end;
  }
  Lsn flushed() const { return parse_lsn(server_.query("SELECT pg_current_wal_flush_lsn()")); }

  PostgresServer server_{
      PostgresOptions{{"--wal-segsize=1"}, {"max_wal_size = 64MB", "min_wal_size = 2MB"}}};
  MemoryStore one_{system_clock()};
  MemoryStore two_{system_clock()};
  CutOff reached_{two_};
  const KeyRing ring_ = new_key_ring();
  std::unique_ptr<Vault> vault_ = test::tiny_vault(one_, system_clock(), ring_);
  std::unique_ptr<Vault> copy_ = test::tiny_vault(reached_, system_clock(), ring_);
  Lsn acknowledged_ = 0;
  bool follow_ = false;
};

TEST_P(Also, WhatTheCopyMissedIsThereBeforeItIsAcknowledged) {
  server_.query("CREATE TABLE rows (v text)");
  Lsn wanted = flushed();
  const auto durable = [&](const LogReceiverStatus& status) { return status.durable >= wanted; };
  receive(durable);
  EXPECT_GE(end_of(*copy_), wanted);

  reached_.cut = true;
  server_.query("INSERT INTO rows VALUES ('a')");
  // To the end of a segment, behind which nothing comes.
  if (GetParam()) server_.query("SELECT pg_switch_wal()");
  wanted = flushed();
  receive([&](const LogReceiverStatus&) { return end_of(*vault_) >= wanted; });
  EXPECT_LT(acknowledged_, wanted);
  EXPECT_LT(end_of(*copy_), wanted);

  reached_.cut = false;
  receive(durable);
  EXPECT_GE(acknowledged_, wanted);
  EXPECT_GE(end_of(*copy_), acknowledged_);
  const std::string system = list_log(*copy_, "shop").front().stream;
  const LogName last{"shop", system, WalSegment{1, (wanted - 1) / kSegment}.name(kSegment), {}};
  const auto here = read_log(*vault_, last);
  const auto there = read_log(*copy_, last);
  ASSERT_TRUE(here && there);
  EXPECT_FALSE(there->gap);
  EXPECT_TRUE(here->bytes == there->bytes);
}

TEST_P(Also, ACopyThatOnlyFollowsIsNotWaitedFor) {
  follow_ = true;
  server_.query("CREATE TABLE rows (v text)");
  Lsn wanted = flushed();
  receive([&](const LogReceiverStatus&) { return end_of(*copy_) >= wanted; });

  reached_.cut = true;
  const Lsn before = end_of(*copy_);
  const auto write = [&] {
    server_.query("INSERT INTO rows VALUES ('a')");
    if (GetParam()) server_.query("SELECT pg_switch_wal()");
    wanted = flushed();
  };
  write();
  // Killed with the copy behind; then again, and the copy comes back while the stream runs.
  receive([&](const LogReceiverStatus& status) { return status.durable >= wanted; });
  EXPECT_EQ(end_of(*copy_), before);
  write();
  receive([&](const LogReceiverStatus& status) {
    if (status.durable < wanted) return false;
    if (!reached_.cut) return end_of(*copy_) >= wanted;
    if (!status.followers.at(0).error.empty()) reached_.cut = false;
    return false;
  });
  EXPECT_GE(acknowledged_, wanted);
}

INSTANTIATE_TEST_SUITE_P(Switched, Also, ::testing::Bool());

}  // namespace
}  // namespace holdfast
