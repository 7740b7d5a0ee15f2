#include "cli/store_trouble.h"

#include "os/mutex.h"

namespace holdfast {
namespace {

struct Trouble {
  Mutex mutex;
  std::string why GUARDED_BY(mutex);
};

Trouble& trouble() {
  static Trouble one;
  return one;
}

}  // namespace

void note_store_trouble(const std::string& why) {
  Trouble& noted = trouble();
  const MutexLock lock(noted.mutex);
  noted.why = why;
}

std::string store_trouble() {
  Trouble& noted = trouble();
  const MutexLock lock(noted.mutex);
  return noted.why;
}

}  // namespace holdfast
