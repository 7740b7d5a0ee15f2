#include "net/resolve.h"

#include <netdb.h>

namespace holdfast {

bool is_unknown_host(const std::string& name) {
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(name.c_str(), nullptr, nullptr, &found);
  if (found != nullptr) ::freeaddrinfo(found);
  return result == EAI_NONAME || result == EAI_NODATA;
}

}  // namespace holdfast
