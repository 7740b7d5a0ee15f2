// Bytes that are changed on the way over plain HTTP: read again, or an error.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "store/expect_error.h"
#include "store_s3/s3_fixture.h"

namespace holdfast {
namespace {

// What a listing says of each object, a line each.
std::string listed(ObjectStore& store) {
  std::string text;
  for (const ObjectInfo& info : list_objects(store, "")) {
    text += info.key + " " + std::to_string(info.size) + " " + format_rfc3339(info.modified) + " " +
            info.etag + "\n";
  }
  return text;
}

class ChangedBytes : public S3Test {
 protected:
  ChangedBytes() : ChangedBytes(MiniS3::Behaviour{}) {}
  explicit ChangedBytes(const MiniS3::Behaviour& behaviour) : S3Test(behaviour) {}

  // Changes bits of one byte of the answers to the first `times` of the requests that match.
  void change(std::size_t at, char bits, bool (*matches)(const Received&), int times = 1) {
    auto left = std::make_shared<std::atomic<int>>(times);
    server_.set_plan([=](const Received& received, unsigned) -> std::optional<Fault> {
      if (!matches(received) || left->fetch_sub(1) <= 0) return std::nullopt;
      return Fault{{}, false, at, bits};
    });
  }
  static bool is_list(const Received& received) {
    return received.target.find("list-type=2") != received.target.npos;
  }
  static bool is_get(const Received& received) {
    return received.method == "GET" && !is_list(received);
  }
  void put_some() {
    for (const char* key : {"data/58/58a1", "files/2025-11-10/backup-1.hfb", "lease/8.json"}) {
      store().put(key, as_bytes(key));
    }
  }
};

// A key that becomes another one must not make prune think that a backup or a lease is gone.
TEST_F(ChangedBytes, NoByteOfAListMakesAnObjectVanish) {
  put_some();
  const std::string truth = listed(store());
  const std::size_t size = 700;  // a little more than the list has
  for (std::size_t at = 0; at < size; ++at) {
    for (const char bits : {'\x01', '\x04'}) {
      change(at, bits, is_list);
      ASSERT_EQ(listed(store()), truth) << at << " " << int{bits};
    }
  }
}

TEST_F(ChangedBytes, AListThatIsNeverWhatWasSentIsAnError) {
  put_some();
  change(3, 1, is_list, 1000);  // the root has another name
  expect_error(Code::kCorrupt, [&] { listed(store()); });
}

class ChangedPages : public ChangedBytes {
 protected:
  ChangedPages() : ChangedBytes({.page = 2}) {}
};

// With a page's token changed the rest of that reading is at another place.
TEST_F(ChangedPages, TheTruthOrAnError) {
  put_some();
  store().put("meta/58/58b1", as_bytes("x"));
  store().put("run/1", as_bytes("x"));
  const std::string truth = listed(store());
  unsigned errors = 0;
  for (std::size_t at = 0; at < 600; ++at) {
    change(at, 4, is_list);
    try {
      ASSERT_EQ(listed(store()), truth) << at;
    } catch (const Error& error) {
      EXPECT_FALSE(error.hint().empty()) << error.what();
      ++errors;
    }
  }
  EXPECT_LT(errors, 60u);
}

TEST_F(ChangedBytes, WhatIsWrittenMeanwhileIsListedOnce) {
  put_some();
  const std::string truth = listed(store());
  bool done = false;
  S3Store other("s3://bucket/pre", options_for(server_.url()), clock_);
  server_.set_plan([&](const Received& received, unsigned number) -> std::optional<Fault> {
    if (is_list(received) && number > 1 && !std::exchange(done, true)) {
      other.put("data/58/58a2", as_bytes("new"));
    }
    return std::nullopt;
  });
  const auto objects = list_objects(store(), "");
  EXPECT_TRUE(done);
  EXPECT_EQ(objects.size(), 4u);
}

TEST_F(ChangedBytes, AnObjectIsReadAgain) {
  store().put("holdfast.json", as_bytes("content"));
  change(3, 1, is_get);
  EXPECT_EQ(text("holdfast.json"), "content");
  EXPECT_EQ(server_.requests(), 2u) << "the ETag told which one was right";
  change(3, 1, is_get, 0);
  EXPECT_EQ(text("holdfast.json"), "content");
  EXPECT_EQ(server_.requests(), 1u);
}

// What lies in the store is for whoever opens it to judge.
TEST_F(ChangedBytes, AnObjectThatIsDamagedInTheStoreIsGivenAsItIs) {
  store().put("holdfast.json", as_bytes("content"));
  change(3, 1, is_get, 1000);
  EXPECT_EQ(text("holdfast.json"), "conuent");
}

TEST_F(ChangedBytes, AnObjectThatIsAnotherEachTimeIsAnError) {
  store().put("holdfast.json", as_bytes("content"));
  server_.set_plan([&](const Received&, unsigned number) -> std::optional<Fault> {
    return Fault{{}, false, number, 1};
  });
  expect_error(Code::kCorrupt, [&] { text("holdfast.json"); });
}

class OtherEtags : public ChangedBytes {
 protected:
  OtherEtags() : ChangedBytes({.etags_are_hashes = false}) {}
};

TEST_F(OtherEtags, TwoReadingsHaveToAgree) {
  store().put("holdfast.json", as_bytes("content"));
  for (const unsigned change_first : {0u, 1u, 1u}) {
    change(3, 1, is_get, static_cast<int>(change_first));
    EXPECT_EQ(text("holdfast.json"), "content");
    EXPECT_EQ(server_.requests(), 2u + change_first);
  }
}

}  // namespace
}  // namespace holdfast
