#include "os/host_trouble.h"

#include <algorithm>
#include <array>

namespace holdfast {

bool names_host_trouble(std::string_view line) {
  // strerror's words, and those of the servers themselves.
  constexpr auto kWords = std::to_array<std::string_view>(
      {"No space left on device", "Disk quota exceeded", "Disk full", "Disk is full",
       "Cannot allocate memory", "ut of memory", "shared memory segment", "create semaphores",
       "Too many open files", "Resource temporarily unavailable", "any Unix-domain sockets",
       "on unix socket", "File size limit exceeded", "File too large"});
  return std::any_of(kWords.begin(), kWords.end(), [line](std::string_view words) {
    return line.find(words) != std::string_view::npos;
  });
}

}  // namespace holdfast
