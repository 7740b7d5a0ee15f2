// How objects go up: whole or in parts, and which of the requests wait for the store's word before
// they send their bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "codec/hash.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using ::testing::UnorderedElementsAre;
using Received = MiniS3::Received;

constexpr std::size_t kPart = 2u << 20;

class Upload : public ::testing::Test {
 protected:
  S3Store& store() {
    if (!store_) {
      S3Options options;
      options.endpoint = server_.url();
      options.region = "lab";
      options.upload_part = kPart;
      store_ = std::make_unique<S3Store>("s3://bucket", options, clock_);
    }
    return *store_;
  }
  void send(std::size_t size) {
    const auto staged = store().stage();
    staged->append(Bytes(size, 7));
    EXPECT_TRUE(staged->commit("object"));
  }
  // Of all requests with bytes that asked, the number of the part; "" for whole objects.
  std::vector<std::string> asked() const {
    std::vector<std::string> parts;
    for (const Received& received : server_.received()) {
      if (received.header("expect").empty()) continue;
      const std::size_t at = received.target.find("partNumber=");
      parts.push_back(at == std::string::npos ? "" : received.target.substr(at + 11, 1));
    }
    return parts;
  }
  std::size_t parts_sent() const {
    const auto all = server_.received();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& one) {
      return one.target.find("partNumber=") != std::string::npos;
    }));
  }

  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  std::unique_ptr<S3Store> store_;
};

TEST_F(Upload, WhatHasAKnownHashGoesWithOneRequest) {
  const Bytes content((kPart * 4) + 5, 7);
  const auto staged = store().stage();
  staged->append(content);
  EXPECT_TRUE(staged->commit("object", to_hex(sha256(content))));
  ASSERT_EQ(server_.received().size(), 1u);
  EXPECT_EQ(server_.received()[0].header("x-amz-content-sha256"), to_hex(sha256(content)));
  EXPECT_EQ(server_.received()[0].header("if-none-match"), "*");
  EXPECT_EQ(store().get("object"), content);
}

TEST_F(Upload, WhatIsThereStaysWhenItIsSentWhole) {
  store().put("object", as_bytes("old"));
  const Bytes content(kPart + 1, 7);
  const auto staged = store().stage();
  staged->append(content);
  EXPECT_FALSE(staged->commit("object", to_hex(sha256(content))));
  EXPECT_EQ(as_text(store().get("object")), "old");
}

// A network that lets no long transfer through.
TEST_F(Upload, WhatDoesNotGetThroughWholeGoesInParts) {
  const Bytes content((kPart * 2) + 5, 7);
  std::atomic<unsigned> whole{0};
  server_.set_plan([&](const Received& received, unsigned) -> std::optional<MiniS3::Fault> {
    if (received.method != "PUT" || received.body.size() <= kPart) return std::nullopt;
    ++whole;
    return MiniS3::Fault{{.close_before_answer = true}};
  });
  const auto staged = store().stage();
  staged->append(content);
  EXPECT_TRUE(staged->commit("object", to_hex(sha256(content))));
  EXPECT_EQ(whole, 3u);
  EXPECT_EQ(parts_sent(), 3u);
  EXPECT_EQ(store().get("object"), content);
}

// Parts would be more requests still.
TEST_F(Upload, WhatIsThrottledGoesWholeLater) {
  const Bytes content((kPart * 2) + 5, 7);
  std::atomic<unsigned> throttled{0};
  server_.set_plan([&](const Received& received, unsigned) -> std::optional<MiniS3::Fault> {
    if (received.method != "PUT" || ++throttled > 5) return std::nullopt;
    return MiniS3::Fault{{.status = 503, .body = "<Error><Code>SlowDown</Code></Error>"}};
  });
  const auto staged = store().stage();
  staged->append(content);
  EXPECT_TRUE(staged->commit("object", to_hex(sha256(content))));
  EXPECT_EQ(throttled, 6u);
  EXPECT_EQ(parts_sent(), 0u);
}

// The store has it, and all its answers are lost.
TEST_F(Upload, WhatArrivedWholeWithoutAnAnswerIsNotSentAgain) {
  const Bytes content((kPart * 2) + 5, 7);
  server_.set_plan([&](const Received& received, unsigned) -> std::optional<MiniS3::Fault> {
    if (received.method != "PUT") return std::nullopt;
    return MiniS3::Fault{{.close_before_answer = true}, true};
  });
  const auto staged = store().stage();
  staged->append(content);
  EXPECT_TRUE(staged->commit("object", to_hex(sha256(content))));
  EXPECT_EQ(parts_sent(), 0u);
}

TEST_F(Upload, AWrongHashIsRefused) {
  const auto staged = store().stage();
  staged->append(Bytes(kPart + 1, 7));
  EXPECT_THROW(staged->commit("object", to_hex(sha256(Bytes(kPart, 7)))), Error);
  EXPECT_FALSE(store().stat("object"));
}

TEST_F(Upload, OnlyTheFirstPartAsks) {
  send((kPart * 4) + 5);
  EXPECT_EQ(parts_sent(), 5u);
  EXPECT_THAT(asked(), UnorderedElementsAre("1"));
}

TEST_F(Upload, APartThatFailedAsksWhenItIsSentAgain) {
  std::atomic<bool> failed{false};
  server_.set_plan([&](const Received& received, unsigned) -> std::optional<MiniS3::Fault> {
    if (received.target.find("partNumber=3&") == std::string::npos) return std::nullopt;
    if (failed.exchange(true)) return std::nullopt;
    return MiniS3::Fault{{.status = 503}};
  });
  send((kPart * 4) + 5);
  EXPECT_EQ(parts_sent(), 6u);
  EXPECT_THAT(asked(), UnorderedElementsAre("1", "3"));
}

TEST_F(Upload, AWholeObjectOverAMebibyteAsks) {
  send(kPart);
  store().put("small", Bytes(1u << 20));
  EXPECT_THAT(asked(), UnorderedElementsAre(""));
}

}  // namespace
}  // namespace holdfast
