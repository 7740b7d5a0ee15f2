#include "source/postgres/data_files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"

namespace holdfast {
namespace {

// As in basebackup.c of PostgreSQL, whose comments give the reason for each.
constexpr std::array<std::string_view, 9> kEmptied = {"pg_wal",      "pg_dynshmem",  "pg_notify",
                                                      "pg_replslot", "pg_serial",    "pg_subtrans",
                                                      "pg_stat_tmp", "pg_snapshots", "pg_tblspc"};
// The last two a restore leaves behind that dies right at its end.
constexpr std::array<std::string_view, 13> kLeftOut = {
    "backup_label",          "backup_label.old",         "tablespace_map",
    "tablespace_map.old",    "postmaster.pid",           "postmaster.opts",
    "backup_manifest",       "standby.signal",           "recovery.signal",
    "current_logfiles.tmp",  "postgresql.auto.conf.tmp", kPgExtras,
    ".holdfast-restore.json"};

bool contains(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "t3_16384": of a session's temporary table.
bool is_temporary_relation(std::string_view name) {
  if (!name.starts_with('t')) return false;
  const auto underscore = name.find('_');
  return underscore != std::string_view::npos && all_digits(name.substr(1, underscore - 1)) &&
         is_relation_file(name.substr(underscore + 1));
}

struct RelationName {
  std::string_view number;
  std::string_view fork;     // "", "fsm", "vm", "init"
  std::string_view segment;  // "", "1"
};

std::optional<RelationName> parse_relation(std::string_view name) {
  RelationName parsed;
  if (const auto dot = name.find('.'); dot != std::string_view::npos) {
    parsed.segment = name.substr(dot + 1);
    if (!all_digits(parsed.segment)) return std::nullopt;
    name = name.substr(0, dot);
  }
  if (const auto underscore = name.find('_'); underscore != std::string_view::npos) {
    parsed.fork = name.substr(underscore + 1);
    if (parsed.fork != "fsm" && parsed.fork != "vm" && parsed.fork != "init") return std::nullopt;
    name = name.substr(0, underscore);
  }
  if (!all_digits(name)) return std::nullopt;
  parsed.number = name;
  return parsed;
}

bool left_out(std::string_view stored_directory, std::string_view name) {
  if (name.starts_with("pgsql_tmp") || name.starts_with("pg_internal.init")) return true;
  if (stored_directory.empty()) return contains(kLeftOut, name);
  if (is_within(stored_directory, kPgExtras)) return true;
  return stored_directory == "global" && name == "pg_control";
}

// Where relations lie.
bool has_relations(std::string_view stored_directory) {
  return stored_directory == "global" || is_within(stored_directory, "base") ||
         is_within(stored_directory, "pg_tblspc");
}

class Collector {
 public:
  Collector(const PgCluster& cluster, std::stop_token stop)
      : cluster_(cluster), stop_(std::move(stop)) {}

  std::vector<PgFile> run() {
    add(cluster_.data_directory, "", false);
    directory(cluster_.data_directory, "");
    for (const PgTablespace& space : cluster_.tablespaces) tablespace(space);
    return std::move(files_);
  }

 private:
  void add(const std::string& file, const std::string& stored, bool pages) {
    files_.push_back({file, stored, pages});
  }

  // The names in a directory; none when it was dropped.
  std::vector<std::string> names_in(const std::string& path) {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    std::vector<std::string> names;
    DIR* handle = ::opendir(path.c_str());
    if (handle == nullptr) {
      if (errno == ENOENT) return names;
      throw system_error(errno, "cannot read " + printable(path))
          .suggest("run as root or as the user that the server runs as");
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(handle, &::closedir);
    errno = 0;
    while (const dirent* entry = ::readdir(handle)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    if (errno != 0) throw system_error(errno, "cannot read " + printable(path));
    return names;
  }

  // Numbers of relations that are emptied after a crash, and so after a restore.
  static std::set<std::string> unlogged_in(const std::vector<std::string>& names) {
    std::set<std::string> unlogged;
    for (const std::string& name : names) {
      const auto relation = parse_relation(name);
      if (relation && relation->fork == "init") unlogged.emplace(relation->number);
    }
    return unlogged;
  }

  void directory(const std::string& path, const std::string& stored) {
    const std::vector<std::string> names = names_in(path);
    const bool relations = has_relations(stored);
    const std::set<std::string> unlogged = relations ? unlogged_in(names) : std::set<std::string>();
    for (const std::string& name : names) {
      if (left_out(stored, name)) continue;
      const auto relation = relations ? parse_relation(name) : std::nullopt;
      if (relations && is_temporary_relation(name)) continue;
      if (relation && relation->fork != "init" &&
          unlogged.contains(std::string(relation->number))) {
        continue;
      }
      object(path + "/" + name, join_path(stored, name), relation.has_value());
    }
  }

  void object(const std::string& path, const std::string& stored, bool pages) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return;
      throw system_error(errno, "cannot stat " + printable(path));
    }
    const bool emptied = parent_path(stored).empty() && contains(kEmptied, stored);
    if (emptied && S_ISLNK(status.st_mode)) {
      // A log on a disk of its own is a plain directory in the backup.
      add(std::filesystem::canonical(path).string(), stored, false);
      return;
    }
    add(path, stored, pages && S_ISREG(status.st_mode));
    if (S_ISDIR(status.st_mode) && !emptied) directory(path, stored);
  }

  void tablespace(const PgTablespace& space) {
    const std::string stored = "pg_tblspc/" + space.oid;
    const std::string path = space.location.starts_with('/')
                                 ? space.location
                                 : cluster_.data_directory + "/" + space.location;
    add(path, stored, false);
    const std::string& name = cluster_.tablespace_part;
    if (!contains(names_in(path), name)) return;
    add(path + "/" + name, stored + "/" + name, false);
    directory(path + "/" + name, stored + "/" + name);
  }

  const PgCluster& cluster_;
  std::stop_token stop_;
  std::vector<PgFile> files_;
};

}  // namespace

bool is_relation_file(std::string_view name) { return parse_relation(name).has_value(); }

bool is_page_file(std::string_view stored_path) {
  return has_relations(parent_path(stored_path)) && is_relation_file(base_name(stored_path));
}

bool is_left_out(std::string_view stored_path) {
  return left_out(parent_path(stored_path), base_name(stored_path));
}

std::uint32_t relation_segment(std::string_view name) {
  const auto relation = parse_relation(name);
  if (!relation || relation->segment.empty()) return 0;
  return static_cast<std::uint32_t>(std::stoul(std::string(relation->segment)));
}

std::vector<PgFile> pg_data_files(const PgCluster& cluster, std::stop_token stop) {
  return Collector(cluster, std::move(stop)).run();
}

}  // namespace holdfast
