// One fault at one request after the other of a backup, a copy, a restore and a prune against Ceph:
// cut off before or after its effect, an answer that breaks off or has a changed byte, an overload.
// The run succeeds all the same, and everything that was committed comes back. With a store in
// memory, and more thoroughly: store_s3/vault_sweep_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "base/error.h"
#include "lab/relay.h"
#include "lab/tenants.h"
#include "protect/copy.h"
#include "protect/world.h"

namespace holdfast::test {
namespace {

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

// So many positions of a run, each with one of the faults: every one of them twice.
constexpr unsigned kFaults = 4;
constexpr unsigned kPlaces = 8;

// What happens to one request, and to its answer.
class OneFault {
 public:
  // At the request number `at`, from 1; 0: at none.
  OneFault(Relay& relay, unsigned at, unsigned kind) : relay_(relay), at_(at), kind_(kind) {
    relay_.set_hooks([this](Relay::Received& received) { return before(received); },
                     [this](const Relay::Received& received, Relay::Reply& reply) {
                       if (received.request == victim_) after(received, reply);
                     });
  }
  OneFault(const OneFault&) = delete;
  OneFault& operator=(const OneFault&) = delete;
  ~OneFault() { relay_.set_hooks({}); }

  unsigned requests() const { return requests_; }
  std::string what() const {
    const std::lock_guard lock(mutex_);
    return what_;
  }

 private:
  std::optional<Relay::Reply> before(Relay::Received& received) {
    if (++requests_ != at_) return std::nullopt;
    switch (kind_) {
      case 0:
        say("overload", received);
        return Relay::Reply{.status = 503, .body = "<Error><Code>SlowDown</Code></Error>"};
      case 1:
        say("cut off before", received);
        return Relay::Reply{.close_before_answer = true};
      case 2:
        if (received.method == "PUT" && !received.body.empty()) {
          say("a byte changed in", received);
          received.body[received.body.size() / 2] ^= 1;
          return std::nullopt;
        }
        break;
      default:
        break;
    }
    victim_ = received.request;
    return std::nullopt;
  }
  void after(const Relay::Received& received, Relay::Reply& reply) {
    const bool has_body = received.method == "GET" && reply.body.size() > 1;
    if (has_body && kind_ == 2) {
      say("a byte changed in the answer to", received);
      reply.body[reply.body.size() / 2] ^= 1;
    } else if (has_body) {
      say("the answer breaks off to", received);
      reply.cut_body_after = reply.body.size() / 2;
    } else {
      say("the answer is lost to", received);
      reply.close_before_answer = true;
    }
  }
  void say(const std::string& what, const Relay::Received& received) {
    const std::lock_guard lock(mutex_);
    what_ = what + " " + received.method + " " + received.target;
  }

  Relay& relay_;
  const unsigned at_;
  const unsigned kind_;
  std::atomic<unsigned> requests_{0};
  std::atomic<unsigned> victim_{0};
  mutable std::mutex mutex_;
  std::string what_;
};

class LabSweep : public ::testing::Test {
 protected:
  using Run = std::function<void(ObjectStore& main, ObjectStore& other)>;
  using Check = std::function<std::string(ObjectStore& main, ObjectStore& other)>;

  LabSweep() {
    directory_ = files_ / "src";
    for (int i = 0; i < 4; ++i) {
      write_text(fmt::format("{}/d{}/f{}", directory_, i % 2, i), noise(random_, 6000));
    }
    MemoryStore store(system_clock());
    const auto vault = tiny_vault(store, system_clock(), ring_);
    kept_.push_back(keep_backup(*vault, job_of(directory_), directory_));
    write_text(directory_ + "/d0/f0", noise(random_, 6000));
    kept_.push_back(keep_backup(*vault, job_of(directory_), directory_));
    objects_ = objects_of(store);
  }

  S3Store store(const std::string& endpoint, const std::string& place) const {
    S3Options options = lab_options(Region::kEast);
    options.endpoint = endpoint;
    return {"s3://" + bucket_ + "/" + place, options, system_clock()};
  }
  std::unique_ptr<Vault> open(ObjectStore& store) const {
    return Vault::open(store, system_clock(), ring_, "");
  }
  std::string sound(ObjectStore& store) const { return vault_trouble(store, ring_, expected_); }

  // With the fault at request `at`; how many requests there were.
  unsigned one(const Run& run, const Check& check, unsigned at, unsigned kind = 0) {
    const std::string place = fmt::format("{}", ++places_);
    const std::string& direct = lab().east_url;
    {
      S3Store main = store(direct, place + "/main");
      fill(main, objects_);
    }
    S3Store main = store(relay_.url(), place + "/main");
    S3Store other = store(relay_.url(), place + "/other");
    const OneFault fault(relay_, at, kind);
    try {
      run(main, other);
    } catch (const Error& error) {
      ADD_FAILURE() << fault.what() << ": " << error.what();
    }
    EXPECT_EQ(fault.what().empty(), at == 0) << at << " of " << fault.requests();
    // Judged in memory, which is quicker.
    MemoryStore main_copy(system_clock()), other_copy(system_clock());
    S3Store main_there = store(direct, place + "/main");
    S3Store other_there = store(direct, place + "/other");
    fill(main_copy, objects_of(main_there));
    fill(other_copy, objects_of(other_there));
    EXPECT_EQ(check(main_copy, other_copy), "") << fault.what();
    return fault.requests();
  }
  void sweep(const Run& run, const Check& check) {
    expected_.kept = kept_;
    const unsigned requests = one(run, check, 0);
    ASSERT_GE(requests, kPlaces);
    for (unsigned i = 0; i < kPlaces && !HasFailure(); ++i) {
      one(run, check, 1 + i * requests / kPlaces, i % kFaults);
    }
  }

  std::mt19937_64 random_{20251110};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  std::vector<Kept> kept_;
  Expectations expected_;
  Objects objects_;
  const std::string bucket_ = new_bucket();
  Relay relay_{lab().east_url, lab().ca_file};
  int places_ = 0;
};

TEST_F(LabSweep, Backup) {
  write_text(directory_ + "/large", noise(random_, 30'000));
  expected_.other_directory = directory_;
  expected_.other_tree = take_snapshot(directory_);
  sweep([&](ObjectStore& main, ObjectStore&) { back_up(*open(main), job_of(directory_)); },
        [&](ObjectStore& main, ObjectStore&) { return sound(main); });
}

TEST_F(LabSweep, Copy) {
  sweep(
      [&](ObjectStore& main, ObjectStore& other) {
        CopyJob job;
        job.threads = 1;
        CopyProgress progress;
        copy_vault(main, other, job, progress, {});
      },
      [&](ObjectStore& main, ObjectStore& other) { return sound(main) + sound(other); });
}

TEST_F(LabSweep, Restore) {
  sweep(
      [&](ObjectStore& main, ObjectStore&) {
        const TempDir target;
        Warnings warnings;
        const auto result = bring_back(*open(main), kept_.back().name, target / "out", warnings);
        EXPECT_EQ(result.damaged, 0u) << "a failed read is no damage";
        EXPECT_EQ(difference(kept_.back().tree, take_snapshot((target / "out") + directory_)), "");
      },
      [&](ObjectStore& main, ObjectStore&) { return sound(main); });
}

TEST_F(LabSweep, Prune) {
  sweep(
      [&](ObjectStore& main, ObjectStore&) {
        const auto vault = open(main);
        main.remove(kept_.front().name.key());
        const PruneResult result = prune_now(*vault);
        EXPECT_GT(result.removed_packs + result.rewritten_packs, 0u);
      },
      [&](ObjectStore& main, ObjectStore&) {
        Expectations there;
        there.kept = {kept_.back()};
        return vault_trouble(main, ring_, there) + orphans_in(main, ring_);
      });
}

}  // namespace
}  // namespace holdfast::test
