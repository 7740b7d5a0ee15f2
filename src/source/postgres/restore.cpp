#include "source/postgres/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "source/postgres/data_files.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigDirectory = "restored_config";

// '...' as postgresql.conf quotes.
std::string quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    if (c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string target_setting(PgTargetKind kind) {
  switch (kind) {
    case PgTargetKind::kTime:
      return "recovery_target_time";
    case PgTargetKind::kXid:
      return "recovery_target_xid";
    case PgTargetKind::kLsn:
      return "recovery_target_lsn";
    case PgTargetKind::kName:
      return "recovery_target_name";
    case PgTargetKind::kImmediate:
      break;
  }
  return "recovery_target";
}

// Lines that an earlier recovery of the same cluster may have left.
bool belongs_to_recovery(std::string_view line) {
  return line.starts_with("recovery_target") || line.starts_with("restore_command") ||
         line.starts_with("primary_conninfo") || line.starts_with("primary_slot_name") ||
         line.starts_with("# holdfast:");
}

class Finish {
 public:
  Finish(const std::string& directory, const PgRecovery& recovery)
      : directory_(directory),
        extras_(directory + "/" + std::string(kPgExtras)),
        recovery_(recovery) {
    // The owner and mode that the server's own directories have, "base" for one.
    if (::stat((directory + "/base").c_str(), &owner_) != 0) {
      throw system_error(errno, "cannot stat " + printable(directory) + "/base");
    }
  }

  void run(const std::map<std::string, std::string>& tablespaces) {
    if (!path_exists(extras_ + "/pg_control")) {
      throw Error(Code::kCorrupt, printable(extras_) + " holds no pg_control",
                  "run the restore again; if that does not help: holdfast validate");
    }
    own_directory(directory_);
    place_wal();
    place_config();
    link(tablespaces);
    write_settings();
    if (path_exists(extras_ + "/backup_label")) {
      move(extras_ + "/backup_label", directory_ + "/backup_label");
    }
    // From here on a server can start: what it starts on must outlive a loss of power.
    sync_file_system(directory_);
    for (const auto& [oid, place] : tablespaces) sync_file_system(place);
    move(extras_ + "/pg_control", directory_ + "/global/pg_control");
    sync_directory(directory_ + "/global");
    fs::remove_all(extras_);
  }

 private:
  void own(const std::string& path) const {
    if (::geteuid() != 0) return;
    if (::lchown(path.c_str(), owner_.st_uid, owner_.st_gid) != 0) {
      throw system_error(errno, "cannot set the owner of " + printable(path));
    }
  }

  // A server refuses a directory that others may enter.
  void own_directory(const std::string& path) const {
    own(path);
    if (::chmod(path.c_str(), owner_.st_mode & 07777) != 0) {
      throw system_error(errno, "cannot set the mode of " + printable(path));
    }
  }

  void move(const std::string& from, const std::string& to) const {
    own(from);
    sync_file(open_file(from, O_RDONLY).get(), from);
    if (::rename(from.c_str(), to.c_str()) != 0) {
      throw system_error(errno, "cannot rename to " + printable(to));
    }
  }

  void make_directory(const std::string& path) const {
    if (path_exists(path)) return;
    make_directories(path, 0700);
    own(path);
  }

  void place_wal() const {
    make_directory(directory_ + "/pg_wal");
    make_directory(directory_ + "/pg_wal/archive_status");
    const std::string wal = extras_ + "/wal";
    if (!path_exists(wal)) return;
    for (const auto& entry : fs::directory_iterator(wal)) {
      move(entry.path().string(), directory_ + "/pg_wal/" + entry.path().filename().string());
    }
    sync_directory(directory_ + "/pg_wal");
  }

  // Configuration that lay outside is handed over, not put anywhere: it names places of the old
  // host.
  void place_config() const {
    for (const auto& entry : fs::directory_iterator(extras_)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(kPgConfigPrefix)) continue;
      make_directory(directory_ + "/" + kConfigDirectory);
      move(entry.path().string(),
           directory_ + "/" + kConfigDirectory + "/" + name.substr(kPgConfigPrefix.size()));
    }
  }

  // The links themselves instead of a tablespace_map, from which the server would make them anew
  // for the places of the old host.
  void link(const std::map<std::string, std::string>& tablespaces) const {
    for (const auto& [oid, place] : tablespaces) {
      own_directory(place);
      const std::string link = directory_ + "/pg_tblspc/" + oid;
      struct stat status {};
      if (::lstat(link.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) ::unlink(link.c_str());
      if (::symlink(place.c_str(), link.c_str()) != 0) {
        throw system_error(errno, "cannot create the link " + printable(link));
      }
      own(link);
    }
    ::unlink((extras_ + "/tablespace_map").c_str());
  }

  void write_settings() const {
    const std::string file = directory_ + "/postgresql.auto.conf";
    std::string text;
    if (path_exists(file)) {
      const Bytes before = read_file(file);
      std::string_view rest = as_text(before);
      while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (belongs_to_recovery(line)) continue;
        if (!recovery_.archiving && line.starts_with("archive_mode")) continue;
        text += std::string(line) + "\n";
      }
    }
    text += recovery_settings(recovery_);
    write_file_atomic(file, as_bytes(text), 0600);
    own(file);
    // A primary too, whatever it restores: after a mere crash recovery it would go on on the
    // timeline of the server that was backed up, and its log would be taken for that server's.
    signal("recovery.signal", !recovery_.standby);
    signal("standby.signal", recovery_.standby);
  }

  void signal(const std::string& name, bool wanted) const {
    const std::string file = directory_ + "/" + name;
    if (!wanted) {
      ::unlink(file.c_str());
      return;
    }
    write_file_atomic(file, {}, 0600);
    own(file);
  }

  std::string directory_;
  std::string extras_;
  const PgRecovery& recovery_;
  struct stat owner_ {};
};

}  // namespace

std::vector<PgTablespace> parse_tablespace_map(std::string_view text) {
  std::vector<PgTablespace> spaces;
  while (!text.empty()) {
    // Newlines and backslashes in a path have a backslash before them.
    std::string line;
    std::size_t at = 0;
    for (; at < text.size() && text[at] != '\n'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      line += text[at];
    }
    text.remove_prefix(std::min(text.size(), at + 1));
    const auto space = line.find(' ');
    if (line.empty()) continue;
    const bool digits =
        space != std::string::npos && space > 0 && line.find_first_not_of("0123456789") == space;
    if (!digits) throw Error(Code::kCorrupt, "the tablespace_map of the backup is not understood");
    spaces.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  return spaces;
}

bool is_unfinished_pg_restore(const std::string& directory) {
  return path_exists(directory + "/" + std::string(kPgExtras)) &&
         !path_exists(directory + "/global/pg_control");
}

std::string recovery_settings(const PgRecovery& recovery) {
  std::string text;
  const auto set = [&](const std::string& name, const std::string& value) {
    text += name + " = " + quoted(value) + "\n";
  };
  // What the server's own postgresql.conf has of an earlier recovery would end this one early, or
  // be a second target. First, since an empty one behind another is taken for that, too.
  for (const char* name : {"recovery_target", "recovery_target_time", "recovery_target_xid",
                           "recovery_target_lsn", "recovery_target_name"}) {
    if (!recovery.target || target_setting(recovery.target->kind) != name) set(name, "");
  }
  if (!recovery.restore_command.empty()) set("restore_command", recovery.restore_command);
  if (recovery.target) {
    const bool immediate = recovery.target->kind == PgTargetKind::kImmediate;
    set(target_setting(recovery.target->kind), immediate ? "immediate" : recovery.target->value);
    set("recovery_target_inclusive", recovery.target->inclusive ? "on" : "off");
    set("recovery_target_action", recovery.action);
  }
  if (!recovery.timeline.empty()) set("recovery_target_timeline", recovery.timeline);
  if (!recovery.primary_conninfo.empty()) set("primary_conninfo", recovery.primary_conninfo);
  if (!recovery.archiving) set("archive_mode", "off");
  return "# holdfast: recovery settings of the last restore\n" + text;
}

void finish_pg_restore(const std::string& directory,
                       const std::map<std::string, std::string>& tablespaces,
                       const PgRecovery& recovery) {
  Finish(directory, recovery).run(tablespaces);
}

}  // namespace holdfast
