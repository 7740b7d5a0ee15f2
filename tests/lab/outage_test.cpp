// A region goes away in the middle of a backup, a copy or a restore. When it comes back in time the
// run goes on as if nothing had happened; when it does not, the run says so and the next one goes
// on. In the end every committed backup comes back from each region that has it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <numeric>

#include "lab/region_vault.h"
#include "lab/relay.h"

namespace holdfast::test {
namespace {

constexpr int kUnavailable = 8;  // docs/EXIT_CODES.md
// Of the packs, so that something is done and something is left.
constexpr unsigned kMiddle = 3;

class LabOutage : public testing::Test {
 protected:
  LabOutage() {
    EXPECT_EQ(vault_.back_up().code, 0);
    vault_.keep_newest();
    vault_.configure(east_.url(), west_.url());
  }

  // In the middle of `run` the region behind `relay` stops; then `meanwhile` happens, with the
  // requests of the run going nowhere.
  Outcome interrupted(Region region, Relay& relay, const std::string& method,
                      const std::vector<std::string>& words,
                      const std::function<void(RegionOutage&, std::future<Outcome>&)>& meanwhile) {
    Gate gate;
    std::atomic<unsigned> packs{0};
    std::promise<void> first_passed;
    std::once_flag once;
    const auto is_pack = [&](const Relay::Received& received) {
      return received.method == method && key_in(received.target).starts_with("data/");
    };
    relay.forget();
    relay.set_hooks(
        [&](Relay::Received& received) -> std::optional<Relay::Reply> {
          if (is_pack(received) && ++packs >= kMiddle) gate.hold();
          return std::nullopt;
        },
        [&](const Relay::Received& received, Relay::Reply& reply) {
          if (!is_pack(received) || reply.status / 100 != 2) return;
          std::call_once(once, [&] { first_passed.set_value(); });
        });
    auto run = vault_.start(words);
    EXPECT_TRUE(gate.wait_for_arrival());
    // Those before it are under way at the same time; one has to be there.
    EXPECT_EQ(first_passed.get_future().wait_for(std::chrono::minutes{1}),
              std::future_status::ready);
    RegionOutage outage(region);
    gate.open();
    EXPECT_TRUE(relay.wait_until_away(2));
    meanwhile(outage, run);
    const Outcome outcome = run.get();
    relay.set_hooks({});
    return outcome;
  }
  // The region comes back while the run tries again.
  void expect_goes_on(Region region, Relay& relay, const std::string& method,
                      const std::vector<std::string>& words) {
    const Outcome outcome =
        interrupted(region, relay, method, words,
                    [](RegionOutage& outage, std::future<Outcome>&) { outage.end(); });
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  }
  // The run gives up before the region comes back.
  void expect_gives_up(Region region, Relay& relay, const std::string& method,
                       const std::vector<std::string>& words,
                       const std::function<void()>& meanwhile) {
    vault_.configure(east_.url(), west_.url(), "2s");
    const Outcome outcome =
        interrupted(region, relay, method, words, [&](RegionOutage&, std::future<Outcome>& run) {
          run.wait();
          meanwhile();
        });
    EXPECT_EQ(outcome.code, kUnavailable) << outcome.out << outcome.err;
  }
  static std::uint64_t pack_bytes(const Relay& relay, const std::string& method) {
    std::uint64_t bytes = 0;
    for (const Relay::Passed& passed : relay.passed()) {
      const bool pack = passed.key.starts_with("data/") && passed.method == method;
      if (pack && passed.status / 100 == 2) bytes += passed.sent + passed.answered;
    }
    return bytes;
  }
  std::vector<std::string> backup_words() const {
    return {"backup", "files", vault_.shop() / "data", "--json"};
  }

  RegionVault vault_;
  Relay east_{lab().east_url, lab().ca_file};
  Relay west_{lab().west_url, lab().ca_file};
};

TEST_F(LabOutage, ABackupWaitsForItsRegion) {
  vault_.change_tree();
  expect_goes_on(Region::kEast, east_, "PUT", backup_words());
  vault_.keep_newest();
  vault_.expect_everything_in_both_regions();
}

TEST_F(LabOutage, ABackupThatGaveUpGoesOnInTheNextRun) {
  wait_sync();
  vault_.change_tree();
  expect_gives_up(Region::kEast, east_, "PUT", backup_words(),
                  [&] { EXPECT_EQ(vault_.backup_trouble_in(Region::kWest, vault_.bucket()), ""); });
  const std::uint64_t before = pack_bytes(east_, "PUT");
  EXPECT_GT(before, 0u);
  EXPECT_EQ(vault_.backup_trouble_in(Region::kEast, vault_.bucket()), "");
  east_.forget();
  const Outcome again = vault_.run(backup_words());
  EXPECT_EQ(again.code, 0) << again.err;
  // What was stored is not sent again; a third of the tree is as it was in the first backup.
  EXPECT_LT(before + pack_bytes(east_, "PUT"), vault_.tree_bytes());
  vault_.keep_newest();
  vault_.expect_everything();
}

TEST_F(LabOutage, ACopyWaitsForItsDestination) {
  expect_goes_on(Region::kWest, west_, "PUT", {"copy", "--to", "west"});
  vault_.expect_copy();
  vault_.expect_everything();
}

TEST_F(LabOutage, ACopyWaitsForItsSource) {
  expect_goes_on(Region::kEast, east_, "GET", {"copy", "--to", "west"});
  vault_.expect_copy();
  vault_.expect_everything();
}

TEST_F(LabOutage, ACopyThatGaveUpGoesOnInTheNextRun) {
  expect_gives_up(Region::kWest, west_, "PUT", {"copy", "--to", "west"},
                  [&] { EXPECT_EQ(vault_.backup_trouble_in(Region::kEast, vault_.bucket()), ""); });
  const std::uint64_t before = pack_bytes(west_, "PUT");
  EXPECT_GT(before, 0u);
  west_.forget();
  const Outcome again = vault_.run({"copy", "--to", "west", "--json"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_GT(again.document().at("copies").at(0).at("present"), 0);
  EXPECT_GT(pack_bytes(west_, "PUT"), 0u);
  // No pack goes twice.
  EXPECT_LT(before + pack_bytes(west_, "PUT"), vault_.tree_bytes() * 11 / 10);
  vault_.expect_copy();
  vault_.expect_everything();
}

TEST_F(LabOutage, ARestoreWaitsForItsRegion) {
  expect_goes_on(Region::kEast, east_, "GET", vault_.restore_words("back"));
  EXPECT_EQ(vault_.restored_trouble("back"), "");
  vault_.expect_everything();
}

TEST_F(LabOutage, ARestoreThatGaveUpGoesOnAndTheOtherRegionRestoresMeanwhile) {
  wait_sync();
  expect_gives_up(Region::kEast, east_, "GET", vault_.restore_words("back"), [&] {
    vault_.configure(lab().west_url, west_.url());
    const Outcome other = vault_.run(vault_.restore_words("from-the-west"));
    EXPECT_EQ(other.code, 0) << other.err;
    EXPECT_EQ(vault_.restored_trouble("from-the-west"), "");
  });
  EXPECT_NE(vault_.restored_trouble("back"), "") << "it was not in the middle";
  EXPECT_GT(pack_bytes(east_, "GET"), 0u);
  vault_.configure(east_.url(), west_.url());
  east_.forget();
  const Outcome again = vault_.run(vault_.restore_words("back"));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(vault_.restored_trouble("back"), "");
  // What was in place is not read again.
  EXPECT_LT(pack_bytes(east_, "GET"), vault_.tree_bytes());
  vault_.expect_everything();
}

}  // namespace
}  // namespace holdfast::test
