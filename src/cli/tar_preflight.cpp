#include "cli/tar_preflight.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <unordered_map>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"

namespace holdfast {
namespace {

constexpr std::size_t kFieldsBeforeName = 5;  // mode, owner, size, date, time

template <typename Number>
Number number_in(std::string_view text, int base = 10) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

// "2025-11-10" and "12:00:00.123456789"
std::int64_t seconds_of(std::string_view date, std::string_view time) {
  using namespace std::chrono;
  const std::size_t day = date.rfind('-');
  const std::size_t month = date.rfind('-', day - 1);
  if (day == std::string_view::npos || month == std::string_view::npos || time.size() < 8) return 0;
  const sys_days days{year{number_in<int>(date.substr(0, month))} /
                      number_in<int>(date.substr(month + 1)) /
                      number_in<int>(date.substr(day + 1))};
  return days.time_since_epoch() / seconds{1} + number_in<int>(time.substr(0, 2)) * 3600 +
         number_in<int>(time.substr(3, 2)) * 60 + number_in<int>(time.substr(6, 2));
}

// A character behind a backslash, as C has it.
char unescaped(char c) {
  constexpr std::string_view kLetters = "abfnrtv";
  constexpr std::string_view kMeant = "\a\b\f\n\r\t\v";
  const std::size_t found = kLetters.find(c);
  return found == std::string_view::npos ? c : kMeant[found];
}

// Takes what stands between quotes from the beginning of `text`.
std::string take_quoted(std::string_view& text) {
  constexpr std::size_t kOctal = 3;
  std::string name;
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      name += text[i];
    } else if (text[i + 1] >= '0' && text[i + 1] <= '7') {
      name += static_cast<char>(number_in<unsigned>(text.substr(i + 1, kOctal), 8));
      i += kOctal;
    } else {
      name += unescaped(text[++i]);
    }
  }
  text.remove_prefix(std::min(i + 1, text.size()));
  return name;
}

// As it is called below the target.
std::string below(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  while (path.starts_with('/')) path.erase(0, 1);
  while (path.starts_with("./")) path.erase(0, 2);
  return path;
}

std::vector<std::string> list_command(const std::string& file,
                                      const std::vector<std::string>& selection) {
  std::vector<std::string> command = {"tar",
                                      "--list",
                                      "--verbose",
                                      "--full-time",
                                      "--numeric-owner",
                                      "--quoting-style=c",
                                      "--show-transformed-names",
                                      "--file=-",
                                      "--index-file=" + file};
  command.insert(command.end(), selection.begin(), selection.end());
  return command;
}

ProcessOptions in_utc(std::vector<std::string> command) {
  ProcessOptions options;
  options.argv = std::move(command);
  options.environment = {{"LC_ALL", "C"}, {"TZ", "UTC"}};
  return options;
}

class Meeting {
 public:
  explicit Meeting(const std::string& target) : target_(target) {}

  // Whether something else is where the member goes.
  bool differs(const ListedMember& member) {
    if (!is_directory(std::string(parent_path(member.path)))) return false;
    struct stat status {};
    if (::lstat(at(member.path).c_str(), &status) != 0) return false;
    switch (member.type) {
      case 'd':
        return !S_ISDIR(status.st_mode);
      case 'l':
        return !S_ISLNK(status.st_mode) || link_at(member.path) != member.link;
      case 'h':
        return !is_same(status, below(member.link));
      case '-':
        return !S_ISREG(status.st_mode) || status.st_mtim.tv_sec != member.time ||
               static_cast<std::uint64_t>(status.st_size) != member.size;
      default:  // fifos and devices
        return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode);
    }
  }

 private:
  std::string at(const std::string& path) const {
    return (target_ == "/" ? "" : target_) + "/" + path;
  }

  std::string link_at(const std::string& path) const {
    std::error_code failed;
    return std::filesystem::read_symlink(at(path), failed).string();
  }

  bool is_same(const struct stat& status, const std::string& path) const {
    struct stat other {};
    return ::lstat(at(path).c_str(), &other) == 0 && other.st_ino == status.st_ino &&
           other.st_dev == status.st_dev;
  }

  bool is_directory(const std::string& path) {
    if (path.empty()) return true;
    if (const auto known = directories_.find(path); known != directories_.end()) {
      return known->second;
    }
    bool found = is_directory(std::string(parent_path(path)));
    struct stat status {};
    found = found && ::lstat(at(path).c_str(), &status) == 0;
    if (found && S_ISLNK(status.st_mode)) {
      throw Error(Code::kConflict,
                  printable(at(path)) + " is a symlink, and could lead out of " +
                      printable(target_) + ": nothing was written",
                  "remove it, leave it out with --exclude, or restore to another --target");
    }
    found = found && S_ISDIR(status.st_mode);
    directories_.emplace(path, found);
    return found;
  }

  const std::string& target_;
  std::unordered_map<std::string, bool> directories_;
};

}  // namespace

ListedMember parse_listed_member(std::string_view line) {
  const std::string_view whole = line;
  std::string_view fields[kFieldsBeforeName];
  for (std::string_view& field : fields) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    field = line.substr(0, line.find(' '));
    line.remove_prefix(field.size());
  }
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (!line.starts_with('"')) {
    throw Error(Code::kInvalid, "tar lists what is no member: " + printable(whole),
                "nothing was written; unpack it by hand: holdfast cat ARCHIVE | tar -x");
  }
  ListedMember member;
  member.type = fields[0].front();
  member.size = number_in<std::uint64_t>(fields[2]);
  member.time = seconds_of(fields[3], fields[4]);
  member.path = below(take_quoted(line));
  line.remove_prefix(std::min(line.find('"'), line.size()));
  member.link = take_quoted(line);
  return member;
}

TarPreflight::TarPreflight(const std::string& target, const std::vector<std::string>& selection,
                           std::stop_token stop)
    : target_(target) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error(errno, "cannot make a pipe");
  lines_ = Fd(ends[0]);
  listing_ = Fd(ends[1]);
  const std::string file = fmt::format("/proc/{}/fd/{}", ::getpid(), listing_.get());
  tar_.emplace(in_utc(list_command(file, selection)), ProcessStream::Direction::kInput,
               std::move(stop));
  looking_ = std::thread([this] { look(); });
}

TarPreflight::~TarPreflight() { end(); }

// All lines, also behind a failure: tar waits for them to be read.
void TarPreflight::look() {
  Meeting meeting(target_);
  const auto see = [&](std::string_view line) {
    try {
      if (failure_) return;
      const ListedMember member = parse_listed_member(line);
      if (!member.path.empty() && meeting.differs(member)) differing_.push_back(member.path);
    } catch (...) {
      failure_ = std::current_exception();
    }
  };
  std::string kept;
  Bytes buffer(std::size_t{64} << 10);
  for (;;) {
    const ssize_t n = ::read(lines_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    kept += as_text(ByteView(buffer).first(static_cast<std::size_t>(n)));
    std::size_t begin = 0;
    for (std::size_t end; (end = kept.find('\n', begin)) != std::string::npos; begin = end + 1) {
      see(std::string_view(kept).substr(begin, end - begin));
    }
    kept.erase(0, begin);
  }
}

void TarPreflight::end() {
  tar_.reset();
  listing_ = Fd();
  if (looking_.joinable()) looking_.join();
}

void TarPreflight::write(ByteView plain) { reading_ = reading_ && tar_->write(plain); }

std::vector<std::string> TarPreflight::finish() {
  const ProcessResult result = tar_->finish();
  end();
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code != 0) {
    throw Error(Code::kInvalid, "tar cannot read all that was asked for: " + complaint(result),
                "nothing was written; holdfast cat ARCHIVE | tar -tz shows what it has");
  }
  if (failure_) std::rethrow_exception(failure_);
  return std::move(differing_);
}

}  // namespace holdfast
