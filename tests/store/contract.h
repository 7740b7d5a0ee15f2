// What every ObjectStore owes, over every implementation and wrapper: a program with tests of a
// store links contract.cpp and says INSTANTIATE_TEST_SUITE_P(Name, StoreContract,
// Values(backend<...>(..))).
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/object_store.h"

namespace holdfast {

// An empty store and all that it needs to live.
class StoreFixture {
 public:
  virtual ~StoreFixture() = default;
  virtual ObjectStore& store() = 0;
};

struct StoreBackend {
  std::string name;
  std::function<std::unique_ptr<StoreFixture>()> make;
};

template <typename Made>
StoreBackend backend(const std::string& name) {
  return {name, [] { return std::make_unique<Made>(); }};
}

class StoreContract : public ::testing::TestWithParam<StoreBackend> {
 protected:
  ObjectStore& store() { return fixture_->store(); }

  std::vector<std::string> keys(std::string_view prefix) {
    std::vector<std::string> found;
    store().list(prefix, [&](const ObjectInfo& info) { found.push_back(info.key); });
    return found;
  }

  std::string text(std::string_view key) { return std::string(as_text(store().get(key))); }

  std::string range(std::string_view key, std::uint64_t offset, std::size_t size) {
    Bytes out(size);
    store().read(key, offset, out);
    return std::string(as_text(out));
  }

 private:
  std::unique_ptr<StoreFixture> fixture_ = GetParam().make();
};

}  // namespace holdfast
