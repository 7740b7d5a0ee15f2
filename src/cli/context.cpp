#include "cli/context.h"

#include "base/error.h"

namespace holdfast {

void Context::check_stop() const {
  if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
}

}  // namespace holdfast
