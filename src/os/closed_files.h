// Learning that another program has finished a file, while it goes on with others.
#pragma once

#include <string>
#include <vector>

#include "os/file.h"

namespace holdfast {

// The files right below a directory that were written and then closed. One thread, but for end().
class ClosedFiles {
 public:
  // From now on.
  explicit ClosedFiles(const std::string& directory);

  // Waits for more and gives their names. Nothing: end() was called and all have been given, as far
  // as the system named them: it leaves some out when thousands are closed at once, and all when
  // it has no more watches to give.
  std::vector<std::string> next();
  // No more will come. Any thread.
  void end();

 private:
  std::vector<std::string> read_names();

  std::string directory_;
  Fd events_;
  Fd end_;  // readable once end() was called
};

}  // namespace holdfast
