// Large objects, read from front to back while the store fails.
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>

#include "base/error.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

constexpr std::size_t kRange = 16u << 20;
constexpr std::size_t kSize = (kRange * 2) + 12'345;

class ReadThrough : public ::testing::Test {
 protected:
  void SetUp() override {
    std::iota(words_.begin(), words_.end(), 0u);
    store_.put("object", content());
  }

  static S3Options options_for(const std::string& endpoint) {
    S3Options options;
    options.endpoint = endpoint;
    options.region = "lab";
    return options;
  }

  ByteView content() const {
    return ByteView(reinterpret_cast<const std::uint8_t*>(words_.data()), kSize);
  }

  std::string text(std::size_t offset, std::size_t size) const {
    return {reinterpret_cast<const char*>(content().data()) + offset, size};
  }

  // The answer to the `number`th request.
  void answer(unsigned number, const MiniS3::Reply& reply) {
    server_.set_plan([=](const MiniS3::Received&, unsigned n) -> std::optional<MiniS3::Fault> {
      if (n != number) return std::nullopt;
      return MiniS3::Fault{reply};
    });
  }

  Bytes read_all(std::uint64_t size = kSize) {
    Bytes out;
    store_.read_through("object", size,
                        [&](ByteView part) { out.insert(out.end(), part.begin(), part.end()); });
    return out;
  }

  bool is_content(const Bytes& bytes) const {
    return bytes.size() == kSize && std::equal(bytes.begin(), bytes.end(), content().begin());
  }

  std::vector<std::uint32_t> words_ = std::vector<std::uint32_t>((kSize / 4) + 1);
  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  S3Store store_{"s3://bucket", options_for(server_.url()), clock_};
};

TEST_F(ReadThrough, TakesOneRequestForSixteenMebibytes) {
  server_.set_plan({});
  EXPECT_TRUE(is_content(read_all()));
  EXPECT_EQ(server_.requests(), 3u);
}

TEST_F(ReadThrough, AnAnswerThatBreaksOffIsContinuedWithoutABytePassedTwice) {
  answer(2, {.status = 206, .body = text(kRange, kRange), .cut_body_after = 5'000'001});
  EXPECT_TRUE(is_content(read_all()));
  EXPECT_EQ(server_.requests(), 4u);
}

TEST_F(ReadThrough, AnAnswerThatBreaksOffTwiceTheSecondTimeEarlier) {
  const auto cut = [&](std::size_t after) {
    return MiniS3::Fault{{.status = 206, .body = text(0, kRange), .cut_body_after = after}};
  };
  server_.set_plan([&](const MiniS3::Received&, unsigned n) -> std::optional<MiniS3::Fault> {
    if (n == 1) return cut(9'000'000);
    if (n == 2) return cut(4'000'000);
    return std::nullopt;
  });
  EXPECT_TRUE(is_content(read_all()));
}

TEST_F(ReadThrough, WhatTheReaderThrowsEndsItAtOnceAndIsNotTakenForTheStoresTrouble) {
  server_.set_plan({});
  std::size_t calls = 0;
  const auto error = error_of([&] {
    store_.read_through("object", kSize, [&](ByteView) {
      ++calls;
      throw Error(Code::kUnavailable, "the disk is away");
    });
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message(), "the disk is away");
  EXPECT_EQ(calls, 1u);
  EXPECT_EQ(server_.requests(), 1u);
}

TEST_F(ReadThrough, AStoreThatKnowsNoRangesIsRefusedBeforeItsBytesPass) {
  answer(2, {.status = 200, .body = text(0, 100)});
  Bytes seen;
  expect_error(Code::kUnsupported, [&] {
    store_.read_through("object", kSize,
                        [&](ByteView part) { seen.insert(seen.end(), part.begin(), part.end()); });
  });
  EXPECT_EQ(seen.size(), kRange);
}

TEST_F(ReadThrough, AnObjectThatEndsBeforeIsDamaged) {
  server_.set_plan({});
  expect_error(Code::kCorrupt, [&] { read_all(kSize + 1); });
}

TEST_F(ReadThrough, AnAnswerThatIsLongerThanTheRangeIsRefused) {
  answer(1, {.status = 206, .body = text(0, kRange + 1)});
  expect_error(Code::kCorrupt, [&] { read_all(); });
}

TEST_F(ReadThrough, AnObjectThatIsGoneIsNamed) {
  store_.remove("object");
  const auto error = error_of([&] { read_all(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kNotFound);
  EXPECT_NE(error->message().find("object"), std::string::npos) << error->what();
}

}  // namespace
}  // namespace holdfast
