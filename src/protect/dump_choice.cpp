#include "protect/dump_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/human.h"
#include "protect/archive_backup.h"
#include "protect/backup_content.h"
#include "protect/database_restore.h"
#include "protect/directory_dump.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/dump_filter.h"
#include "source/postgres/dump.h"

namespace holdfast {
namespace {

constexpr int kPerMajor = 10000;

std::string path_of(const Vault& vault, const BackupName& backup, const std::string& database) {
  std::vector<std::string> databases;
  std::vector<std::string> paths;
  for (const std::string& path : top_paths_of(vault, backup)) {
    const std::string of = database_of_dump(path);
    if (of.empty()) continue;
    if (of == database) return path;
    databases.push_back(of);
    paths.push_back(path);
  }
  if (database.empty() && paths.size() == 1) return paths.front();
  const std::string list = fmt::format("it has {}", fmt::join(databases, ", "));
  if (!database.empty()) {
    throw Error(Code::kNotFound, backup.id() + " has no database '" + printable(database) + "'",
                list);
  }
  throw Error(Code::kInvalid, backup.id() + " has " + plural(paths.size(), "database"),
              "choose one with --database: " + list);
}

// Of an archive that the configuration does not know.
bool begins_as_mariadb(ObjectStore& store, const ArchiveName& name,
                       const std::vector<Key>& identities, const std::stop_token& stop) {
  struct Enough {};
  DumpWatch watch;
  try {
    read_archive(
        store, name, identities,
        [&watch](ByteView content) {
          watch.see(content);
          throw Enough();
        },
        stop);
  } catch (const Enough&) {
    return watch.is_mariadb();
  }
  return false;
}

// Which database an archive is of, by its name.
std::string database_of_archive(const ArchiveName& name, const SourceSettings* source) {
  if (source == nullptr) return {};
  const std::vector<std::string>& databases =
      source->postgresql ? source->postgresql->databases : source->mariadb->databases;
  if (name.source == source->name) return databases.size() == 1 ? databases.front() : "";
  for (const std::string& database : databases) {
    if (archive_source(source->name, database) == name.source) return database;
  }
  std::string rest = name.source.substr(source->name.size() + 1);
  // Only a name that was not changed says what it was.
  return archive_source(source->name, rest) == name.source ? rest : "";
}

}  // namespace

ChosenDump dump_of_backup(const Vault& vault, const BackupName& backup,
                          const std::string& database) {
  const auto facts = database_of(vault, backup);
  if (!facts || facts->method != "logical") {
    throw Error(Code::kInvalid,
                backup.id() + (facts ? " holds the files of a server, not dumps"
                                     : " is no backup of a database"),
                "restore it into a directory: --target DIR");
  }
  ChosenDump dump;
  dump.id = backup.id();
  dump.mariadb = facts->engine == kMariadbKey || facts->engine == kMysqlKey;
  std::string path = kDatabasesDump;
  if (dump.mariadb) {
    dump.database = database;
    dump.mariadb_version = facts->version;
    dump.mariadb_engine = engine_of_key(facts->engine);
  } else {
    path = path_of(vault, backup, database);
    dump.database = database_of_dump(path);
    dump.format = format_of_dump(path);
    dump.server_version = std::stoi(facts->version) * kPerMajor;
  }
  dump.what = dump.id + " (" + printable(path) + ")";
  dump.read = [&vault, backup, path](const ByteSink& sink) {
    read_backup_files(vault, backup, path, sink);
  };
  if (dump.format == PgDumpFormat::kDirectory) {
    dump.unpack = [&vault, backup, path](const std::string& directory, const std::string& user,
                                         std::stop_token stop) {
      return unpack_directory_dump(vault, backup, path, directory, user, std::move(stop));
    };
  }
  return dump;
}

ChosenDump dump_of_archive(ObjectStore& store, const StoredArchive& archive,
                           const SourceSettings* source, const std::vector<Key>& identities,
                           std::stop_token stop) {
  const ArchiveName& name = archive.name;
  if (is_tar(name.format)) {
    throw Error(Code::kInvalid, name.file() + " holds files, not a dump",
                "restore it into a directory: --target DIR");
  }
  ChosenDump dump;
  dump.id = name.file();
  dump.what = name.file();
  dump.mariadb = source != nullptr ? source->mariadb.has_value()
                                   : begins_as_mariadb(store, name, identities, stop);
  dump.database = database_of_archive(name, source);
  dump.read = [&store, name, identities, stop](const ByteSink& sink) {
    read_archive(store, name, identities, sink, stop);
  };
  return dump;
}

CheckedDump check_dump(ChosenDump& dump, std::atomic<std::uint64_t>& bytes) {
  DumpWatch watch;
  // Goes by the parts of the dump, so that a database it lacks is found before anything is dropped.
  MariadbDatabaseFilter databases(dump.database, [](ByteView) {});
  dump.read([&](ByteView content) {
    if (dump.format == PgDumpFormat::kPlain) watch.see(content);
    if (watch.is_mariadb()) databases.write(content);
    bytes += content.size();
  });
  if (!watch.is_complete()) {
    throw Error(Code::kCorrupt, dump.what + " stops before its end",
                "restore an older one: holdfast list");
  }
  if (watch.is_mariadb()) dump.mariadb = true;
  if (databases.ambiguous() || !databases.found()) {
    throw Error(databases.ambiguous() ? Code::kInvalid : Code::kNotFound,
                databases.ambiguous()
                    ? dump.what + " has several databases"
                    : dump.what + " has no database '" + printable(dump.database) + "'",
                "choose one that it has: --database NAME");
  }
  if (dump.server_version == 0) dump.server_version = watch.server_version();
  if (dump.mariadb_version.empty()) {
    dump.mariadb_version = watch.mariadb_version();
    dump.mariadb_engine = watch.mariadb_engine();
  }
  return {bytes.load(), watch.roles()};
}

}  // namespace holdfast
