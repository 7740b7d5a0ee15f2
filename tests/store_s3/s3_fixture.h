// An S3 store over a scripted server.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "support/mini_s3.h"

namespace holdfast {

using Fault = MiniS3::Fault;
using Reply = MiniS3::Reply;
using Received = MiniS3::Received;

inline S3Options options_for(const std::string& endpoint) {
  S3Options options;
  options.endpoint = endpoint;
  options.region = "lab";
  return options;
}

class S3Test : public ::testing::Test {
 protected:
  explicit S3Test(const MiniS3::Behaviour& behaviour = {}) : server_(behaviour) {}

  S3Store& store() {
    if (!store_) {
      store_ = std::make_unique<S3Store>("s3://bucket/pre", options_for(server_.url()), clock_);
    }
    return *store_;
  }
  std::string text(std::string_view key) { return std::string(as_text(store().get(key))); }
  // The first `times` requests that match get the reply.
  void fail_first(unsigned times, const Reply& reply, bool takes_effect = false) {
    auto left = std::make_shared<std::atomic<int>>(static_cast<int>(times));
    server_.set_plan(
        [left, reply, takes_effect](const Received&, unsigned) -> std::optional<Fault> {
          if (left->fetch_sub(1) <= 0) return std::nullopt;
          return Fault{reply, takes_effect};
        });
  }
  static Reply error(int status, const std::string& code = {}) {
    Reply reply;
    reply.status = status;
    if (!code.empty()) {
      reply.body = "<Error><Code>" + code + "</Code><RequestId>r-77</RequestId></Error>";
    }
    return reply;
  }

  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  std::unique_ptr<S3Store> store_;
};

}  // namespace holdfast
