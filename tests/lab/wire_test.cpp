// Between the program and Ceph connections are cut, bytes change and everything is late: a backup,
// a copy and a restore either heal it or end with an error, and never give back other bytes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>
#include <set>

#include "lab/region_vault.h"
#include "lab/relay.h"
#include "support/tcp_proxy.h"

namespace holdfast::test {
namespace {

constexpr int kCorrupt = 5;  // docs/EXIT_CODES.md

// What kind of object a request is about: the first part of its key.
std::string kind_of(const std::string& key) {
  return key.empty() ? "list" : key.substr(0, key.find('/'));
}

class LabWire : public testing::Test {
 protected:
  LabWire() {
    EXPECT_EQ(vault_.back_up().code, 0);
    vault_.keep_newest();
  }

  static std::unique_ptr<TcpProxy> proxy_of(const std::string& url) {
    EXPECT_EQ(lab().ca_file, "") << "the proxy speaks no TLS: start the lab without LAB_TLS";
    const std::string address = url.substr(url.find("://") + 3);
    const std::size_t colon = address.find(':');
    return std::make_unique<TcpProxy>(
        address.substr(0, colon), static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  }
  // Nothing is known from before, so that everything is read from the store.
  void forget_caches() const { std::filesystem::remove_all(vault_.shop() / "cache"); }
  Outcome restore() {
    forget_caches();
    return vault_.run(vault_.restore_words(fmt::format("back-{}", ++restores_)));
  }
  // The same once more: what came back damaged is still to be done.
  Outcome restore_again() const {
    return vault_.run(vault_.restore_words(fmt::format("back-{}", restores_)));
  }
  std::string restored_trouble() const {
    return vault_.restored_trouble(fmt::format("back-{}", restores_));
  }
  // What the proxy does must not be seen in backup and restore.
  void expect_unharmed() {
    vault_.change_tree();
    const Outcome backup = vault_.back_up();
    EXPECT_EQ(backup.code, 0) << backup.out << backup.err;
    vault_.keep_newest();
    const Outcome back = restore();
    EXPECT_EQ(back.code, 0) << back.out << back.err;
    EXPECT_EQ(restored_trouble(), "");
  }

  RegionVault vault_;
  int restores_ = 0;
};

TEST_F(LabWire, ConnectionsThatBreakAreReplaced) {
  const auto proxy = proxy_of(lab().east_url);
  vault_.configure(proxy->url(), lab().west_url);
  std::uint64_t cut = 0;
  // In the first head, in a small body, in a frame, and after some frames.
  for (const std::uint64_t bytes : {1u, 100u, 600u, 3'000u, 40'000u, 150'000u}) {
    SCOPED_TRACE(bytes);
    proxy->cut_after(bytes, 6);
    expect_unharmed();
    EXPECT_GT(proxy->counters().cut, cut);
    cut = proxy->counters().cut;
  }
  proxy->cut_after(std::nullopt);
  vault_.expect_everything();
}

TEST_F(LabWire, ADistantStoreIsOnlySlower) {
  const auto proxy = proxy_of(lab().east_url);
  vault_.configure(proxy->url(), lab().west_url);
  proxy->delay(std::chrono::milliseconds{30});
  expect_unharmed();
  vault_.expect_everything();
}

TEST_F(LabWire, ALineThatKeepsChangingBytesGivesAnErrorAndNoOtherContent) {
  const auto proxy = proxy_of(lab().east_url);
  vault_.configure(proxy->url(), lab().west_url, "5s");
  // Each object, each frame, now and then a frame.
  for (const std::uint64_t every : {97u, 20'000u, 700'000u}) {
    SCOPED_TRACE(every);
    proxy->corrupt_every(every);
    const Outcome back = restore();
    EXPECT_GT(proxy->counters().corrupted, 0u);
    if (back.code == 0) {
      EXPECT_EQ(restored_trouble(), "");
    } else {
      EXPECT_EQ(back.code, kCorrupt) << back.err;
    }
    proxy->corrupt_every(0);
    const Outcome again = restore_again();
    EXPECT_EQ(again.code, 0) << "the first run: " << back.err << "\nthe second: " << again.err;
    EXPECT_EQ(restored_trouble(), "");
  }
}

// Changes one byte of the first request, or answer, about each of the kinds.
class OneByteEach {
 public:
  OneByteEach(Relay& relay, const std::string& method, std::set<std::string> kinds)
      : relay_(relay), method_(method), left_(std::move(kinds)) {
    relay_.forget();
    if (method == "GET") {
      relay_.set_hooks({}, [this](const Relay::Received& received, Relay::Reply& reply) {
        if (reply.status / 100 == 2) change(received, reply.body);
      });
    } else {
      relay_.set_hooks([this](Relay::Received& received) -> std::optional<Relay::Reply> {
        change(received, received.body);
        return std::nullopt;
      });
    }
  }
  OneByteEach(const OneByteEach&) = delete;
  OneByteEach& operator=(const OneByteEach&) = delete;
  ~OneByteEach() { relay_.set_hooks({}); }

  // The kinds that nobody asked for.
  std::set<std::string> left() const {
    const std::lock_guard lock(mutex_);
    return left_;
  }

 private:
  void change(const Relay::Received& received, std::string& body) {
    if (received.method != method_ || body.empty()) return;
    const std::lock_guard lock(mutex_);
    if (left_.erase(kind_of(key_in(received.target))) == 0) return;
    body[body.size() / 2] = static_cast<char>(body[body.size() / 2] ^ 1);
  }

  Relay& relay_;
  const std::string method_;
  mutable std::mutex mutex_;
  std::set<std::string> left_;
};

TEST_F(LabWire, AnUploadWithAChangedByteIsRefusedAndSentAgain) {
  Relay relay(lab().east_url, lab().ca_file);
  vault_.configure(relay.url(), lab().west_url);
  vault_.change_tree();
  {
    const std::set<std::string> kinds{"data", "files", "index", "lease", "meta"};
    const OneByteEach change(relay, "PUT", kinds);
    const Outcome backup = vault_.back_up();
    EXPECT_EQ(backup.code, 0) << backup.out << backup.err;
    EXPECT_EQ(change.left(), std::set<std::string>());
    std::size_t refused = 0;
    for (const Relay::Passed& passed : relay.passed()) refused += passed.status == 400 ? 1 : 0;
    EXPECT_EQ(refused, kinds.size());
  }
  vault_.keep_newest();
  vault_.expect_everything();
}

TEST_F(LabWire, ADownloadWithAChangedByteIsReadAgain) {
  Relay relay(lab().east_url, lab().ca_file);
  vault_.configure(relay.url(), lab().west_url);
  for (const char* kind : {"data", "meta", "index"}) {
    SCOPED_TRACE(kind);
    const OneByteEach change(relay, "GET", {kind});
    const Outcome back = restore();
    EXPECT_EQ(back.code, 0) << back.out << back.err;
    EXPECT_EQ(change.left(), std::set<std::string>());
    EXPECT_EQ(restored_trouble(), "");
  }
}

TEST_F(LabWire, ADownloadThatIsNotReadAgainEndsWithAnError) {
  Relay relay(lab().east_url, lab().ca_file);
  vault_.configure(relay.url(), lab().west_url);
  for (const char* kind : {"files", "holdfast.json"}) {
    SCOPED_TRACE(kind);
    {
      const OneByteEach change(relay, "GET", {kind});
      const Outcome back = restore();
      EXPECT_EQ(change.left(), std::set<std::string>());
      EXPECT_TRUE(back.code == kCorrupt || (back.code == 0 && restored_trouble().empty()))
          << back.code << back.err;
    }
    EXPECT_EQ(restore_again().code, 0);
    EXPECT_EQ(restored_trouble(), "");
  }
}

TEST_F(LabWire, ACopyOfAChangedByteIsReadAgain) {
  Relay relay(lab().east_url, lab().ca_file);
  vault_.configure(relay.url(), lab().west_url);
  {
    const OneByteEach change(relay, "GET", {"data", "meta", "index", "files"});
    const Outcome copy = vault_.run({"copy", "--to", "west"});
    EXPECT_EQ(copy.code, 0) << copy.out << copy.err;
    EXPECT_EQ(change.left(), std::set<std::string>());
  }
  vault_.expect_copy();
}

}  // namespace
}  // namespace holdfast::test
