// A store that fails on demand, for fault and crash sweeps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "store/wrappers.h"

namespace holdfast {

enum class Operation {
  kPut,
  kPutNew,
  kReplace,
  kAppend,
  kCommit,
  kGet,
  kRead,
  kStat,
  kList,
  kRemove,
};

enum class Fault {
  kErrorBefore,  // kUnavailable, nothing was done
  kErrorAfter,   // kUnavailable although it was done: the acknowledgement got lost
  kTruncate,     // cut off half-way: writes are kUnavailable and leave nothing, get and read are
                 // kCorrupt, list is kUnavailable after half of its objects
  kNoSpace,      // kExhausted, nothing was done; writes only
  kDuplicate,    // done twice, the caller gets the second answer
};

// Whether `fault` can happen to `operation` at all.
bool applies(Fault fault, Operation operation);

// Which operation fails and how; shared by the stores that take part. Operations are counted from 1
// in one order over all of them. Thread-safe.
class FaultPlan {
 public:
  // Called before every operation with its number and key ("" while it is not known), outside of
  // any lock. What it throws comes out of the operation.
  using OnOperation = std::function<void(std::uint64_t number, Operation, std::string_view key)>;

  // Arms `fault` for operation number `at`. An operation that the fault cannot happen to is passed
  // over for the next one. With `ever_after`, all later operations fail as well.
  void arm(std::uint64_t at, Fault fault, bool ever_after = false);
  void disarm();
  void on_operation(OnOperation callback);

  std::uint64_t operations() const;
  // True when an armed fault has happened, since the last arm().
  bool fired() const;

  // For FaultStore: counts an operation and says whether it has to fail.
  std::optional<Fault> next(Operation operation, std::string_view key);

 private:
  mutable std::mutex mutex_;  // guards all below
  std::uint64_t operations_ = 0;
  std::uint64_t at_ = 0;
  std::optional<Fault> fault_;
  bool ever_after_ = false;
  bool fired_ = false;
  OnOperation callback_;
};

class FaultStore final : public ForwardingStore {
 public:
  FaultStore(ObjectStore& inner, std::shared_ptr<FaultPlan> plan);

  void put(std::string_view key, ByteView data) override;
  bool put_new(std::string_view key, ByteView data) override;
  bool replace(std::string_view key, ByteView data, std::string_view etag) override;
  std::unique_ptr<StagedObject> stage() override;
  Bytes get(std::string_view key) override;
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override;
  std::optional<ObjectInfo> stat(std::string_view key) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;

 private:
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace holdfast
