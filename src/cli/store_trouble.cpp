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

void note_store_trouble(const std::string& notice) {
  Trouble& noted = trouble();
  const MutexLock lock(noted.mutex);
  const std::size_t end = notice.find("; trying until ");
  if (end != std::string::npos) noted.why = notice.substr(0, end);
  if (notice.ends_with(" answers again")) noted.why.clear();
}

std::string store_trouble() {
  Trouble& noted = trouble();
  const MutexLock lock(noted.mutex);
  return noted.why;
}

}  // namespace holdfast
