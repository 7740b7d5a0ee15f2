#include "os/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "base/error.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwn = "/var/tmp/holdfast";
// What there is work for: see ScratchDirectory.
constexpr std::array<std::string_view, 2> kPurposes = {kRestoreTest, kDump};
constexpr std::string_view kSockets = "/tmp/holdfast-";
constexpr std::size_t kRandom = 6;  // characters that mkdtemp chooses
constexpr const char* kSocketNote = "socket-directory";
constexpr int kPatience = 10'000;  // milliseconds, for a server to end
// What may be running there. An administrator who looks around in it is none of these.
constexpr std::array<std::string_view, 6> kPrograms = {"postgres",       "mariadbd", "mysqld",
                                                       "mariadb-backup", "pg_dump",  "pg_restore"};

Fd open_directory(const std::string& path) {
  return Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool lock(const Fd& fd, int how) {
  while (::flock(fd.get(), how) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

bool is_scratch(const std::string& name) {
  return std::any_of(kPurposes.begin(), kPurposes.end(), [&](std::string_view purpose) {
    return name.starts_with(std::string(purpose) + "-");
  });
}

std::string make_unique(std::string path) {
  path += "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) throw system_error(errno, "cannot create " + path);
  return path;
}

bool is_ours(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid();
}

std::string first_line(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::string text(256, '\0');
  const ssize_t size = file.valid() ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return text.substr(0, text.find('\n'));
}

// A process that may have to be ended. Its descriptor stays its own when the number is given to
// another one.
struct Resident {
  Fd fd;
  bool postgres = false;
};

bool works_in(const std::string& process, const std::string& directory) {
  std::error_code failed;
  const std::string cwd = fs::read_symlink(process + "/cwd", failed).string();
  return !failed && cwd.starts_with(directory + "/");
}

std::vector<Resident> residents_of(const std::string& directory) {
  std::vector<Resident> residents;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string process = entry.path().string();
    const std::string number = entry.path().filename().string();
    if (!std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isdigit(c); }))
      continue;
    const std::string program = first_line(process + "/comm");
    if (std::find(kPrograms.begin(), kPrograms.end(), program) == kPrograms.end()) continue;
    if (!works_in(process, directory)) continue;
    Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(number), 0)));
    // Once more, now that it cannot become another one.
    if (!fd.valid() || !works_in(process, directory)) continue;
    residents.push_back({std::move(fd), program == "postgres"});
  }
  return residents;
}

bool send(const Resident& resident, int signal) {
  return ::syscall(SYS_pidfd_send_signal, resident.fd.get(), signal, nullptr, 0) == 0 ||
         errno == ESRCH;
}

bool ended(const Resident& resident) {
  pollfd event{resident.fd.get(), POLLIN, 0};
  return ::poll(&event, 1, kPatience) > 0;
}

void end_servers_in(const std::string& directory) {
  const std::vector<Resident> residents = residents_of(directory);
  for (const Resident& resident : residents) {
    // PostgreSQL's immediate shutdown takes its shared memory away.
    if (send(resident, resident.postgres ? SIGQUIT : SIGKILL)) continue;
    throw system_error(errno, "cannot end a server that a killed run has left in " + directory);
  }
  for (const Resident& resident : residents) {
    if (!ended(resident)) send(resident, SIGKILL);
    ended(resident);
  }
}

// The note lies where the server's user can write, too: it must not lead us astray.
bool is_socket_directory(const std::string& path) {
  struct stat status {};
  if (!path.starts_with(kSockets) || path.size() != kSockets.size() + kRandom) return false;
  const std::string_view chosen = std::string_view(path).substr(kSockets.size());
  return std::all_of(chosen.begin(), chosen.end(),
                     [](unsigned char c) { return std::isalnum(c); }) &&
         ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void remove_sockets_of(const std::string& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    const std::string sockets = first_line(entry.path().string() + "/" + kSocketNote);
    if (is_socket_directory(sockets)) fs::remove_all(sockets, ignored);
  }
}

// True when it was abandoned, and is gone now.
bool remove_if_abandoned(const std::string& path) {
  if (!is_ours(path)) return false;
  const Fd fd = open_directory(path);
  if (!fd.valid() || !lock(fd, LOCK_EX | LOCK_NB)) return false;
  end_servers_in(fs::canonical(path).string());
  remove_sockets_of(path);
  std::error_code failed;
  fs::remove_all(path, failed);
  return !failed;
}

}  // namespace

// Everybody may write beside it, so it must not be somebody else's.
std::string own_scratch() {
  make_directories(kOwn, 0711);
  struct stat status {};
  if (::lstat(kOwn, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
    throw Error(Code::kDenied, std::string(kOwn) + " belongs to somebody else",
                "choose another place: --scratch DIR, or 'scratch' of the source");
  }
  if (::chmod(kOwn, 0711) != 0) throw system_error(errno, "cannot set the mode of the scratch");
  return kOwn;
}

ScratchDirectory::ScratchDirectory(const std::string& parent, std::string_view purpose) {
  // The user of a server must get through it; what is in it is closed to others.
  make_directories(parent, 0711);
  // Until the new one is locked as well, nobody looks for abandoned ones.
  const Fd guard = open_directory(parent);
  if (guard.valid()) lock(guard, LOCK_EX);
  path_ = make_unique(parent + "/" + std::string(purpose) + "-");
  lock_ = open_directory(path_);
  lock(lock_, LOCK_EX);
  if (::fchmod(lock_.get(), 0711) != 0)
    throw system_error(errno, "cannot set the mode of " + path_);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> remove_abandoned_scratch(const std::string& parent) {
  std::vector<std::string> removed;
  const Fd guard = open_directory(parent);
  if (!guard.valid() || !lock(guard, LOCK_EX)) return removed;
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (is_scratch(entry.path().filename().string())) found.push_back(entry.path());
  }
  for (const std::string& path : found) {
    if (remove_if_abandoned(path)) removed.push_back(path);
  }
  return removed;
}

std::string make_socket_directory(const std::string& scratch) {
  std::string path = make_unique(std::string(kSockets));
  write_file_atomic(scratch + "/" + kSocketNote, as_bytes(path + "\n"), 0600);
  return path;
}

}  // namespace holdfast
