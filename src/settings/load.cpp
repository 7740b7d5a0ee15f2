// Finding and reading the configuration file.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "os/file.h"
#include "settings/defaults.h"
#include "settings/settings.h"

namespace holdfast {
namespace {

// More than parse_settings takes, so that it can refuse what is longer.
constexpr std::size_t kReadLimit = (1 << 20) + 1;

// Hooks run as whoever runs the program, and the search begins in the current directory: a file
// that somebody else may have put there must be named to be used.
void refuse_foreign_file(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(errno, "cannot stat " + path);
  const bool ours = status.st_uid == 0 || status.st_uid == ::geteuid();
  if (ours && (status.st_mode & S_IWOTH) == 0) return;
  throw Error(Code::kDenied,
              fmt::format("{} {}, so that its hooks are not trusted", path,
                          ours ? "can be written by everybody" : "belongs to another user"),
              fmt::format("fix its owner and mode, or name it: --config {}", path));
}

Settings read_settings(const std::string& path, bool searched) {
  const Fd fd = open_file(path, O_RDONLY);
  if (searched) refuse_foreign_file(fd.get(), path);
  // It is short, and read at the start of every command.
  Bytes data;
  for (std::uint8_t part[4096]; data.size() < kReadLimit;) {
    const std::size_t size = read_full(fd.get(), part, path);
    if (size == 0) break;
    append(data, ByteView(part, size));
  }
  Settings settings = parse_settings(std::string(as_text(data)), path);
  settings.file = path;
  return settings;
}

std::vector<std::string> places() {
  std::vector<std::string> places = {"./holdfast.yaml"};
  const std::string user = xdg_directory("XDG_CONFIG_HOME", ".config");
  if (!user.empty()) places.push_back(user + "/holdfast/holdfast.yaml");
  places.emplace_back("/etc/holdfast/holdfast.yaml");
  return places;
}

}  // namespace

Settings load_settings(const std::string& explicit_file) {
  if (!explicit_file.empty()) {
    try {
      return read_settings(explicit_file, false);
    } catch (Error& error) {
      if (error.code() == Code::kNotFound) error.suggest("check the path given with --config");
      throw;
    }
  }
  for (const std::string& place : places()) {
    if (path_exists(place)) return read_settings(place, true);
  }
  Settings settings = parse_settings({}, {});
  settings.file.clear();
  return settings;
}

}  // namespace holdfast
