#include "os/shared_library.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace holdfast {

void* SharedLibrary::function(const char* name) const {
  void* library = ::dlopen(name_, RTLD_LAZY | RTLD_LOCAL);
  void* found = library == nullptr ? nullptr : ::dlsym(library, name);
  if (found != nullptr) return found;
  const char* reason = ::dlerror();  // names the library
  throw Error(Code::kUnsupported,
              "a library cannot be loaded: " + std::string(reason == nullptr ? name : reason),
              std::string("install the package ") + package_);
}

}  // namespace holdfast
