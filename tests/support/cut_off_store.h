// A store that can be cut off for a while.
#pragma once

#include <atomic>

#include "base/error.h"
#include "store/wrappers.h"

namespace holdfast {

// As for somebody who dies before it is written to.
class CutOff final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  bool put_new(std::string_view key, ByteView data) override {
    if (cut) throw Error(Code::kUnavailable, "cut off");
    return ForwardingStore::put_new(key, data);
  }
  std::atomic<bool> cut{false};
};

}  // namespace holdfast
