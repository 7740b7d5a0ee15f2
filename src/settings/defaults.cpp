#include "settings/defaults.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

namespace holdfast {
namespace {

std::string absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value == '/' ? value : "";
}

std::string user_directory(const char* variable, const std::string& fallback,
                           const std::string& system) {
  const std::string base = ::geteuid() == 0 ? "" : xdg_directory(variable, fallback);
  // A user without any home has no better place either.
  return base.empty() ? system : base + "/holdfast";
}

}  // namespace

std::string home_directory() {
  if (std::string home = absolute_variable("HOME"); !home.empty()) return home;
  std::vector<char> buffer(16384);
  struct passwd user {};
  struct passwd* found = nullptr;
  ::getpwuid_r(::geteuid(), &user, buffer.data(), buffer.size(), &found);
  return found != nullptr && found->pw_dir != nullptr && *found->pw_dir == '/' ? found->pw_dir : "";
}

std::string xdg_directory(const char* variable, const std::string& fallback) {
  if (std::string given = absolute_variable(variable); !given.empty()) return given;
  const std::string home = home_directory();
  return home.empty() ? "" : home + "/" + fallback;
}

std::string default_state_directory() {
  return user_directory("XDG_STATE_HOME", ".local/state", "/var/lib/holdfast");
}

std::string default_cache_directory() {
  return user_directory("XDG_CACHE_HOME", ".cache", "/var/cache/holdfast");
}

}  // namespace holdfast
