#include "store/locks.h"

#include "os/mutex.h"
#include "store/at_once.h"

namespace holdfast {

Locks find_locks(ObjectStore& store, const std::vector<std::string>& keys, std::stop_token stop) {
  Locks locks;
  Mutex mutex;
  const auto ask = [&](std::size_t i) {
    const auto until = store.locked_until(keys[i]);
    if (!until) return;
    MutexLock lock(mutex);
    locks.emplace(keys[i], *until);
  };
  at_once(store, keys.size(), ask, std::move(stop));
  return locks;
}

}  // namespace holdfast
