// The contract of contract.h over everything that needs nothing but this machine.
#include "store/contract.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "store/file_store.h"
#include "store/manual_clock.h"
#include "store/memory_store.h"
#include "store/wrappers.h"
#include "support/fault_store.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

class FileFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  TempDir directory_;
  FileStore store_{directory_.path()};
};

class MemoryFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  MemoryStore store_{clock_};
};

class ForwardingFixture : public FileFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  ForwardingStore store_{FileFixture::store()};
};

class CountingFixture : public MemoryFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  StoreCounters counters_;
  CountingStore store_{MemoryFixture::store(), counters_};
};

// With nothing armed, even the saboteur keeps the contract.
class FaultFixture : public FileFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  FaultStore store_{FileFixture::store(), std::make_shared<FaultPlan>()};
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         ::testing::Values(backend<FileFixture>("File"),
                                           backend<MemoryFixture>("Memory"),
                                           backend<ForwardingFixture>("Forwarding"),
                                           backend<CountingFixture>("Counting"),
                                           backend<FaultFixture>("Fault")),
                         [](const auto& parameter) { return parameter.param.name; });

// Stricter than the contract: an etag tells even the same content written twice apart.
template <typename Made>
void etags_are_never_used_again() {
  Made fixture;
  ObjectStore& store = fixture.store();
  std::set<std::string> etags;
  for (int i = 0; i < 200; ++i) {
    if (i % 3 == 0) store.remove("lease");
    store.put("lease", as_bytes("same"));
    EXPECT_TRUE(etags.insert(store.stat("lease").value().etag).second) << i;
  }
}

TEST(StoreEtags, OfFilesAreNeverUsedAgain) { etags_are_never_used_again<FileFixture>(); }
TEST(StoreEtags, OfMemoryAreNeverUsedAgain) { etags_are_never_used_again<MemoryFixture>(); }

}  // namespace
}  // namespace holdfast
