#include "support/fault_store.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace holdfast {
namespace {

Error unavailable(std::string_view key) {
  return {Code::kUnavailable, "injected fault: no answer for " + std::string(key)};
}

Error no_space(std::string_view key) {
  return {Code::kExhausted, "injected fault: no space for " + std::string(key)};
}

// Does `action` the way `fault` wants it; `cut_off` does what is left of it when it is truncated.
template <typename Action, typename CutOff>
auto suffer(std::optional<Fault> fault, std::string_view key, const Action& action,
            const CutOff& cut_off) -> decltype(action()) {
  if (!fault) return action();
  switch (*fault) {
    case Fault::kErrorBefore:
      throw unavailable(key);
    case Fault::kErrorAfter:
      action();
      throw unavailable(key);
    case Fault::kTruncate:
      cut_off();
      throw unavailable(key);
    case Fault::kNoSpace:
      throw no_space(key);
    case Fault::kDuplicate:
      action();
      return action();
  }
  throw Error(Code::kInternal, "unknown fault");
}

void nothing() {}

ByteView half(ByteView data) { return data.first(data.size() / 2); }

void abandon_half(ObjectStore& store, ByteView data) { store.stage()->append(half(data)); }

class FaultStaged final : public StagedObject {
 public:
  FaultStaged(ObjectStore& store, std::unique_ptr<StagedObject> inner,
              std::shared_ptr<FaultPlan> plan)
      : store_(store), inner_(std::move(inner)), plan_(std::move(plan)) {}

  void append(ByteView data) override {
    const auto fault = plan_->next(Operation::kAppend, "");
    suffer(
        fault, "a staged object", [&] { inner_->append(data); },
        [&] { inner_->append(half(data)); });
  }

  bool commit(std::string_view key, std::string_view sha256) override {
    const auto fault = plan_->next(Operation::kCommit, key);
    bool first = true;
    const auto commit_once = [&] {
      if (std::exchange(first, false)) return inner_->commit(key, sha256);
      // A staged object can be committed once, so the second time it is a copy.
      return store_.put_new(key, store_.get(key));
    };
    return suffer(fault, key, commit_once, [&] { inner_.reset(); });
  }

 private:
  ObjectStore& store_;
  std::unique_ptr<StagedObject> inner_;
  std::shared_ptr<FaultPlan> plan_;
};

bool is_write(Operation operation) {
  switch (operation) {
    case Operation::kPut:
    case Operation::kPutNew:
    case Operation::kReplace:
    case Operation::kAppend:
    case Operation::kCommit:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool applies(Fault fault, Operation operation) {
  switch (fault) {
    case Fault::kErrorBefore:
    case Fault::kErrorAfter:
      return true;
    case Fault::kTruncate:
      return operation != Operation::kStat && operation != Operation::kRemove;
    case Fault::kNoSpace:
      return is_write(operation);
    case Fault::kDuplicate:
      // Appending twice would be another object; stores that retry know the position.
      return operation != Operation::kAppend;
  }
  return false;
}

void FaultPlan::arm(std::uint64_t at, Fault fault, bool ever_after) {
  const std::lock_guard lock(mutex_);
  at_ = at;
  fault_ = fault;
  ever_after_ = ever_after;
  fired_ = false;
}

void FaultPlan::disarm() {
  const std::lock_guard lock(mutex_);
  fault_.reset();
}

void FaultPlan::on_operation(OnOperation callback) {
  const std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
}

std::uint64_t FaultPlan::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool FaultPlan::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

std::optional<Fault> FaultPlan::next(Operation operation, std::string_view key) {
  std::optional<Fault> fault;
  OnOperation callback;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++operations_;
    callback = callback_;
    if (fault_ && number >= at_ && applies(*fault_, operation)) {
      fault = fault_;
      fired_ = true;
      if (!ever_after_) fault_.reset();
    }
  }
  if (callback) callback(number, operation, key);
  return fault;
}

FaultStore::FaultStore(ObjectStore& inner, std::shared_ptr<FaultPlan> plan)
    : ForwardingStore(inner), plan_(std::move(plan)) {}

void FaultStore::put(std::string_view key, ByteView data) {
  suffer(
      plan_->next(Operation::kPut, key), key, [&] { inner().put(key, data); },
      [&] { abandon_half(inner(), data); });
}

bool FaultStore::put_new(std::string_view key, ByteView data) {
  return suffer(
      plan_->next(Operation::kPutNew, key), key, [&] { return inner().put_new(key, data); },
      [&] { abandon_half(inner(), data); });
}

bool FaultStore::replace(std::string_view key, ByteView data, std::string_view etag) {
  return suffer(
      plan_->next(Operation::kReplace, key), key, [&] { return inner().replace(key, data, etag); },
      [&] { abandon_half(inner(), data); });
}

std::unique_ptr<StagedObject> FaultStore::stage() {
  return std::make_unique<FaultStaged>(inner(), inner().stage(), plan_);
}

Bytes FaultStore::get(std::string_view key) {
  return suffer(
      plan_->next(Operation::kGet, key), key, [&] { return inner().get(key); },
      [&] { throw Error(Code::kCorrupt, "injected fault: half of " + std::string(key)); });
}

void FaultStore::read(std::string_view key, std::uint64_t offset, MutableBytes out) {
  suffer(
      plan_->next(Operation::kRead, key), key, [&] { inner().read(key, offset, out); },
      [&] {
        inner().read(key, offset, out.first(out.size() / 2));
        throw Error(Code::kCorrupt, "injected fault: half of " + std::string(key));
      });
}

std::optional<ObjectInfo> FaultStore::stat(std::string_view key) {
  return suffer(
      plan_->next(Operation::kStat, key), key, [&] { return inner().stat(key); }, nothing);
}

void FaultStore::list(std::string_view prefix,
                      const std::function<void(const ObjectInfo&)>& visit) {
  const auto fault = plan_->next(Operation::kList, prefix);
  if (fault == Fault::kDuplicate) list_objects(inner(), prefix);
  suffer(
      fault == Fault::kDuplicate ? std::nullopt : fault, prefix,
      [&] { inner().list(prefix, visit); },
      [&] {
        const auto objects = list_objects(inner(), prefix);
        for (std::size_t i = 0; i < objects.size() / 2; ++i) visit(objects[i]);
      });
}

void FaultStore::remove(std::string_view key) {
  suffer(
      plan_->next(Operation::kRemove, key), key, [&] { inner().remove(key); }, nothing);
}

}  // namespace holdfast
