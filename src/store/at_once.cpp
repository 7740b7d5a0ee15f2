#include "store/at_once.h"

#include "os/parallel.h"

namespace holdfast {

void at_once(const ObjectStore& store, std::size_t count,
             const std::function<void(std::size_t)>& work, std::stop_token stop) {
  const StoreTraits traits = store.traits();
  in_parallel(traits.remote ? traits.parallelism : 1, count, stop, work);
}

}  // namespace holdfast
