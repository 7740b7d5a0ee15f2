#include "source/postgres/restored.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Code::kCorrupt, what,
              "do not start a server on it: see that nothing else writes there, and run the same "
              "restore again");
}

std::string text_of(const std::string& path) {
  if (!path_exists(path)) refuse(printable(path) + " is missing");
  return std::string(as_text(read_file(path)));
}

// "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)"
std::string first_segment(const std::string& label) {
  constexpr std::string_view kBegin = "START WAL LOCATION: ";
  constexpr std::string_view kFile = "(file ";
  const std::size_t file = label.find(kFile);
  if (!label.starts_with(kBegin) || file == std::string::npos) {
    refuse("backup_label does not say where recovery begins");
  }
  const std::size_t begin = file + kFile.size();
  return label.substr(begin, label.find(')', begin) - begin);
}

// By number: of two timelines, those of the later one.
std::map<std::uint64_t, std::string> segments_in(const std::string& directory,
                                                 std::uint32_t segment_size) {
  std::map<std::uint64_t, std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    const auto segment = parse_wal_segment(name, segment_size);
    if (!segment) continue;
    std::string& file = files[segment->number];
    file = std::max(file, name);
  }
  return files;
}

void check_settings(const std::string& directory, const PgRecovery& recovery) {
  const std::string wanted = recovery_settings(recovery);
  if (!text_of(directory + "/postgresql.auto.conf").ends_with(wanted)) {
    refuse("postgresql.auto.conf does not end with the settings of this recovery");
  }
  for (const auto& [name, is_wanted] : {std::pair("recovery.signal", !recovery.standby),
                                        std::pair("standby.signal", recovery.standby)}) {
    if (path_exists(directory + "/" + name) == is_wanted) continue;
    refuse(std::string(name) + (is_wanted ? " is missing: a server would not recover"
                                          : " is there: a server would wait for a primary"));
  }
}

// Returns how many there are.
std::size_t check_log(const std::string& directory, const PgExpected& expected) {
  const std::string wal = directory + "/pg_wal";
  const std::string first = first_segment(text_of(directory + "/backup_label"));
  if (!path_exists(wal + "/" + first)) refuse(first + ", where recovery begins, is not in pg_wal");
  const std::uint32_t size = read_wal_header(wal + "/" + first).segment_size;
  const auto begin = parse_wal_segment(first, size);
  if (!begin) refuse(first + " says of itself that its segments have another size");
  const auto files = segments_in(wal, size);
  const std::uint64_t last = (expected.end - 1) / size;
  for (std::uint64_t number = begin->number; number <= last; ++number) {
    const auto found = files.find(number);
    if (found == files.end()) {
      refuse(fmt::format("the log in pg_wal is interrupted at {}", format_lsn(number * size)));
    }
    const std::string path = wal + "/" + found->second;
    const WalHeader header = read_wal_header(path);
    if (std::to_string(header.system_identifier) == expected.system &&
        header.start == number * size && fs::file_size(path) == size) {
      continue;
    }
    refuse(printable(path) + " is not the segment that its name says, of this system");
  }
  return last + 1 - begin->number;
}

}  // namespace

std::size_t check_restored_cluster(const std::string& directory, const PgExpected& expected) {
  if (is_unfinished_pg_restore(directory)) refuse(printable(directory) + " is not complete");
  const std::string system = std::to_string(read_system_identifier(directory));
  if (system != expected.system) {
    refuse(
        fmt::format("the control file is of system {}, the backup of {}", system, expected.system));
  }
  check_settings(directory, expected.recovery);
  return check_log(directory, expected);
}

}  // namespace holdfast
