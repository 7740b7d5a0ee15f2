#include "source/postgres/physical.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "source/postgres/lsn.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

constexpr std::size_t kWalNameSize = 24;
constexpr int kFirstWithNewNames = 150000;

// "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)"
std::string first_wal_file(const std::string& label) {
  constexpr std::string_view kBefore = "(file ";
  const auto at = label.find(kBefore);
  if (at == std::string::npos || label.size() < at + kBefore.size() + kWalNameSize) {
    throw Error(Code::kInternal, "the backup label of PostgreSQL is not understood");
  }
  return label.substr(at + kBefore.size(), kWalNameSize);
}

// The file that holds the byte before `lsn`, on the timeline of the file `other`.
std::string wal_file_before(const std::string& lsn, const std::string& other,
                            std::uint64_t segment_size) {
  const auto size = static_cast<std::uint32_t>(segment_size);
  return WalSegment{wal_timeline(other).value(), (parse_lsn(lsn) - 1) / size}.name(size);
}

// The server writes its control file in place: a reading that met a write differs from the next.
Bytes settled_content(const std::string& path) {
  for (Bytes before = read_file(path);;) {
    Bytes again = read_file(path);
    if (again == before) return again;
    before = std::move(again);
  }
}

void write_text(const std::string& path, const std::string& text) {
  write_file_atomic(path, as_bytes(text), 0600);
}

}  // namespace

std::string pg_backup_functions(int version) {
  return version < kFirstWithNewNames
             ? "pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean)"
             : "pg_backup_start(text, boolean), pg_backup_stop(boolean)";
}

PgPhysicalBackup::PgPhysicalBackup(std::unique_ptr<PgWalHold> hold, std::stop_token stop)
    : stop_(std::move(stop)),
      hold_(std::move(hold)),
      connection_(hold_->connection()),
      cluster_(hold_->cluster()) {
  if (cluster_.data_directory.empty()) {
    throw Error(Code::kDenied, "the role may not see where the data directory is",
                "GRANT pg_read_all_settings TO the role, or write 'read: stream' in the source");
  }
  if (!hold_->files_are_here()) {
    throw Error(Code::kNotFound,
                "the data directory " + printable(cluster_.data_directory) +
                    " of the server, or the place of one of its tablespaces, is not readable on "
                    "this host",
                "run Holdfast on the database host, as root or as the server's user, or let "
                "'read: stream' in the source fetch the files from the server");
  }
  start();
}

void PgPhysicalBackup::start() {
  const bool old_names = cluster_.version_number < kFirstWithNewNames;
  try {
    start_lsn_ = connection_.value(old_names ? "select pg_start_backup('holdfast', true, false)"
                                             : "select pg_backup_start('holdfast', true)");
  } catch (Error& error) {
    if (error.code() == Code::kDenied) {
      error.suggest("grant the role what backups need: GRANT EXECUTE ON FUNCTION " +
                    pg_backup_functions(cluster_.version_number) + " TO the role");
    }
    throw;
  }
}

PgBackupEnd PgPhysicalBackup::finish(const std::string& directory) {
  const bool old_names = cluster_.version_number < kFirstWithNewNames;
  // Before the stop: on a standby, recovery has to reach what the control file says, and may only
  // find the log up to the stop.
  const Bytes control = settled_content(cluster_.data_directory + "/global/pg_control");
  PgRow row;
  try {
    // The slot keeps the WAL for us, so an archive need not be waited for.
    row =
        connection_
            .query(old_names ? "select lsn, labelfile, spcmapfile from pg_stop_backup(false, false)"
                             : "select lsn, labelfile, spcmapfile from pg_backup_stop(false)")
            .at(0);
  } catch (Error& error) {
    if (error.code() == Code::kUnavailable) {
      error.suggest("nothing was stored as a backup; run it again when the server answers");
    }
    if (error.code() != Code::kInvalid) throw;
    throw Error(Code::kConflict, "the backup cannot be used: " + error.message(),
                "a standby was promoted, or the server changed its WAL level: run it again");
  }
  PgBackupEnd end;
  end.start_lsn = start_lsn_;
  end.stop_lsn = row[0].value_or("");
  const std::string label = row[1].value_or("");
  end.timeline = wal_timeline(first_wal_file(label)).value();
  const std::string extras(kPgExtras);
  make_directories(directory, 0700);
  const auto add_text = [&](const std::string& name, const std::string& text) {
    write_text(directory + "/" + name, text);
    end.files.push_back({directory + "/" + name, extras + "/" + name, false});
  };
  end.files.push_back({directory, extras, false});
  add_text("backup_label", label);
  add_text(std::string(kPgOrigin), cluster_.data_directory);
  for (const std::string& file : cluster_.outside_files) {
    const std::string name = std::filesystem::path(file).filename().string();
    end.files.push_back({file, extras + "/" + std::string(kPgConfigPrefix) + name, false});
  }
  write_file_atomic(directory + "/pg_control", control, 0600);
  end.files.push_back({directory + "/pg_control", extras + "/pg_control", false});
  if (const std::string map = row[2].value_or(""); !map.empty()) add_text("tablespace_map", map);
  for (PgFile& file : wal_files(first_wal_file(label), end.stop_lsn)) {
    end.files.push_back(std::move(file));
  }
  return end;
}

std::vector<PgFile> PgPhysicalBackup::wal_files(const std::string& first,
                                                const std::string& stop_lsn) const {
  const std::string last = wal_file_before(stop_lsn, first, cluster_.segment_size);
  const std::string source = cluster_.data_directory + "/pg_wal";
  const std::string stored = std::string(kPgExtras) + "/wal";
  std::vector<PgFile> files{{std::filesystem::canonical(source).string(), stored, false}};
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    const bool history = name.size() == 16 && name.ends_with(".history");
    if (history || (name.size() == kWalNameSize && name >= first && name <= last)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    files.push_back({source + "/" + name, stored + "/" + name, false});
  }
  if (names.empty() || !std::binary_search(names.begin(), names.end(), first) ||
      !std::binary_search(names.begin(), names.end(), last)) {
    throw Error(Code::kConflict,
                "the server no longer has the WAL of this backup, " + first + " to " + last,
                "look at max_slot_wal_keep_size and run the backup again");
  }
  return files;
}

}  // namespace holdfast
