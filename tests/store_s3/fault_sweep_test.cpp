// The contract of a store over a scripted server, and every fault at every request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "store/contract.h"
#include "store/s3/upload.h"
#include "store_s3/s3_fixture.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;

// Every fault at every request of a run of operations: each ends as if nothing had happened.
struct FaultKind {
  const char* name;
  Fault fault;
};

class S3FaultSweep : public ::testing::TestWithParam<FaultKind> {};

void run_of_operations(S3Store& store) {
  store.put("a/put", as_bytes("1"));
  EXPECT_TRUE(store.put_new("a/new", as_bytes("2")));
  EXPECT_FALSE(store.put_new("a/new", as_bytes("3")));
  const std::string etag = store.stat("a/new").value().etag;
  EXPECT_TRUE(store.replace("a/new", as_bytes("4"), etag));
  EXPECT_FALSE(store.replace("a/new", as_bytes("5"), etag));
  const Bytes large(S3Options{}.upload_part + 5, 9);
  const auto staged = store.stage();
  staged->append(large);
  EXPECT_TRUE(staged->commit("b/large"));
  const auto again = store.stage();
  again->append(large);
  EXPECT_FALSE(again->commit("b/large"));
  store.remove("a/put");
  EXPECT_FALSE(store.stat("a/put").has_value());
  Bytes tail(10);
  store.read("b/large", S3Options{}.upload_part - 5, tail);
  EXPECT_EQ(tail, Bytes(10, 9));
  std::vector<std::string> keys;
  store.list("", [&](const ObjectInfo& info) { keys.push_back(info.key); });
  EXPECT_THAT(keys, ElementsAre("a/new", "b/large"));
  EXPECT_EQ(as_text(store.get("a/new")), "4");
}

TEST_P(S3FaultSweep, EveryRequest) {
  unsigned requests = 0;
  {
    MiniS3 server;
    ManualClock clock{parse_rfc3339("2025-11-10T12:00:00Z")};
    S3Store store("s3://bucket", options_for(server.url()), clock);
    server.set_plan({});
    run_of_operations(store);
    requests = server.requests();
  }
  ASSERT_GT(requests, 15u);
  for (unsigned at = 1; at <= requests; at += HOLDFAST_SWEEP_STRIDE) {
    SCOPED_TRACE(at);
    MiniS3 server;
    ManualClock clock{parse_rfc3339("2025-11-10T12:00:00Z")};
    S3Store store("s3://bucket", options_for(server.url()), clock);
    server.set_plan([&](const Received&, unsigned number) -> std::optional<Fault> {
      if (number == at) return GetParam().fault;
      return std::nullopt;
    });
    run_of_operations(store);
    EXPECT_GT(server.requests(), requests) << "the fault was not noticed";
    // A lost answer to the begin of an upload leaves one that nobody knows.
    EXPECT_LE(server.pending_uploads(), GetParam().fault.takes_effect ? 1u : 0u);
    store.clean_up();
    EXPECT_EQ(server.pending_uploads(), 0u);
  }
}

void PrintTo(const FaultKind& kind, std::ostream* out) { *out << kind.name; }

INSTANTIATE_TEST_SUITE_P(
    Faults, S3FaultSweep,
    ::testing::Values(FaultKind{"Overload", {{.status = 503}, false}},
                      FaultKind{"Internal", {{.status = 500}, false}},
                      FaultKind{"InternalAfterEffect", {{.status = 500}, true}},
                      FaultKind{"LostAcknowledgement", {{.close_before_answer = true}, true}},
                      FaultKind{"ResetBefore", {{.reset = true}, false}},
                      FaultKind{"ResetAfterEffect", {{.reset = true}, true}}),
    [](const auto& parameter) { return parameter.param.name; });

// The contract over the scripted server, with small pages.
class MiniFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  MiniS3 server_{{.page = 3}};
  S3Store store_{"s3://bucket/some/prefix", options_for(server_.url()), system_clock()};
};

// Ceph takes the quotes of an etag for a part of it.
class BareEtagFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  MiniS3 server_{{.wants_bare_etags = true}};
  S3Store store_{"s3://bucket", options_for(server_.url()), system_clock()};
};

INSTANTIATE_TEST_SUITE_P(Scripted, StoreContract,
                         ::testing::Values(backend<MiniFixture>("S3"),
                                           backend<BareEtagFixture>("S3WithBareEtags")),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace holdfast
