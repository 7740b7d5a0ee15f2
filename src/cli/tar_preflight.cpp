#include "cli/tar_preflight.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
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

// What stands between the quotes that `text` begins with.
std::string unquoted(std::string_view text) {
  constexpr std::size_t kOctal = 3;
  std::string name;
  for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      name += text[i];
    } else if (text[i + 1] >= '0' && text[i + 1] <= '7') {
      name += static_cast<char>(number_in<unsigned>(text.substr(i + 1, kOctal), 8));
      i += kOctal;
    } else {
      name += unescaped(text[++i]);
    }
  }
  return name;
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
        return !S_ISLNK(status.st_mode);
      case '-':
        return !S_ISREG(status.st_mode) || status.st_mtim.tv_sec != member.time ||
               static_cast<std::uint64_t>(status.st_size) != member.size;
      default:
        return S_ISDIR(status.st_mode);
    }
  }

 private:
  std::string at(const std::string& path) const {
    return (target_ == "/" ? "" : target_) + "/" + path;
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

std::optional<ListedMember> parse_listed_member(std::string_view line) {
  std::string_view fields[kFieldsBeforeName];
  for (std::string_view& field : fields) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    field = line.substr(0, line.find(' '));
    line.remove_prefix(field.size());
  }
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (!line.starts_with('"')) return std::nullopt;
  ListedMember member;
  member.type = fields[0].front();
  member.size = number_in<std::uint64_t>(fields[2]);
  member.time = seconds_of(fields[3], fields[4]);
  member.path = unquoted(line);
  while (member.path.ends_with('/')) member.path.pop_back();
  while (member.path.starts_with('/')) member.path.erase(0, 1);
  while (member.path.starts_with("./")) member.path.erase(0, 2);
  return member;
}

TarListing::TarListing(const std::string& file, const std::vector<std::string>& selection,
                       std::stop_token stop)
    : tar_(in_utc(list_command(file, selection)), ProcessStream::Direction::kInput,
           std::move(stop)) {}

void TarListing::write(ByteView plain) { reading_ = reading_ && tar_.write(plain); }

void TarListing::finish() {
  const ProcessResult result = tar_.finish();
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw Error(Code::kInvalid, "tar cannot read all that was asked for: " + complaint(result),
              "nothing was written; holdfast cat ARCHIVE | tar -tz shows what it has");
}

std::vector<std::string> differing_members(const std::string& file, const std::string& target) {
  Meeting meeting(target);
  std::vector<std::string> found;
  std::ifstream listing(file, std::ios::binary);
  for (std::string line; std::getline(listing, line);) {
    const auto member = parse_listed_member(line);
    if (member && !member->path.empty() && meeting.differs(*member)) found.push_back(member->path);
  }
  return found;
}

}  // namespace holdfast
