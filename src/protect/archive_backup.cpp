#include "protect/archive_backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/human.h"
#include "codec/hash.h"
#include "os/process_stream.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/mysql_accounts.h"
#include "source/mariadb/mysql_tools.h"
#include "source/postgres/dump.h"
#include "source/postgres/tools.h"

namespace holdfast {
namespace {

constexpr std::size_t kReadSize = std::size_t{256} << 10;
constexpr std::size_t kLongestName = 63;
constexpr std::size_t kHashDigits = 6;
constexpr const char* kNothingStored =
    "nothing was stored as an archive; mend it and run the backup again";

// Gives all that a command prints to `sink`; its exit code decides.
void run_dump(const ProcessOptions& options, const std::stop_token& stop, const ByteSink& sink) {
  ProcessStream stream(options, ProcessStream::Direction::kOutput, stop);
  Bytes buffer(kReadSize);
  while (const std::size_t n = stream.read(buffer)) sink(ByteView(buffer).first(n));
  const ProcessResult result = stream.finish();
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw Error(Code::kInvalid, "the dump failed: " + complaint(result), kNothingStored);
}

ArchiveFormat format_of(const SourceSettings& source) {
  const bool tar = source.backup_class != "database";
  if (source.archive.zstd) return tar ? ArchiveFormat::kTarZst : ArchiveFormat::kSqlZst;
  return tar ? ArchiveFormat::kTarGz : ArchiveFormat::kSqlGz;
}

ArchiveName name_of(const SourceSettings& source, const std::string& name, Timestamp now) {
  return {source.backup_class, now, name, format_of(source), !source.archive.recipients.empty()};
}

std::vector<ArchivePart> postgres_archives(const SourceSettings& source, Timestamp now,
                                           const std::stop_token& stop) {
  const PostgresSettings& settings = *source.postgresql;
  PgConnection connection(settings, "", stop);
  const bool sealed = !source.archive.recipients.empty();
  const bool one = settings.databases.size() == 1;
  require_pg_dump(settings, connection.server_version(), !one, stop);
  std::vector<ArchivePart> parts;
  for (const PgDumpPlan& plan : plan_pg_archives(settings, connection, sealed)) {
    const std::string part = plan.database.empty() ? std::string(kGlobalsPart) : plan.database;
    const std::string name = one ? source.name : archive_source(source.name, part);
    ProcessOptions options;
    options.argv = plan.command;
    options.environment = plan.environment;
    parts.push_back({name_of(source, name, now),
                     [options, stop](const ByteSink& sink) { run_dump(options, stop, sink); }});
  }
  return parts;
}

void warn_of_tables(const std::vector<std::string>& tables, Warnings& warnings) {
  if (tables.empty()) return;
  warnings.add(fmt::format(
      "{} (first: {}) without transactions: the dump holds each as it was when it was read, not of "
      "one moment; convert them to InnoDB",
      plural(tables.size(), "table"), printable(tables.front())));
}

ArchivePart mariadb_part(const SourceSettings& source, const MariadbDumpPlan& plan,
                         const std::string& name, Timestamp now, const std::stop_token& stop) {
  ProcessOptions options;
  options.argv = plan.command;
  options.environment = {{"TZ", "UTC"}};
  const bool filtered = plan.of_mariadb_dump;
  return {name_of(source, name, now), [options, stop, filtered](const ByteSink& sink) {
            MariadbDumpWatch watch;
            SandboxLineFilter filter;
            run_dump(options, stop, [&](ByteView bytes) {
              watch.see(bytes);
              sink(filtered ? filter.pass(bytes) : bytes);
            });
            sink(filter.finish());
            watch.check_complete();
          }};
}

// One dump of all databases, and when it is sealed one of the accounts: what those hold of
// passwords is not for everybody's eyes.
std::vector<ArchivePart> mysql_archives(const SourceSettings& source, const MariadbServer& server,
                                        const std::vector<std::string>& databases, Timestamp now,
                                        const std::stop_token& stop) {
  const MariadbSettings& settings = *source.mariadb;
  const bool several = settings.databases.size() != 1;
  const MariadbTool tool = find_mysql_dump(settings, server, stop);
  std::vector<ArchivePart> parts{mariadb_part(
      source, plan_mysql_dump(settings, server, tool, databases, several), source.name, now, stop)};
  if (!several || source.archive.recipients.empty()) return parts;
  const std::string name = archive_source(source.name, std::string(kGlobalsPart));
  parts.push_back({name_of(source, name, now), [settings, databases, stop](const ByteSink& sink) {
                     MariadbConnection connection(settings, stop);
                     sink(as_bytes(mysql_accounts_dump(connection, databases)));
                   }});
  return parts;
}

std::vector<ArchivePart> mariadb_archives(const SourceSettings& source, Timestamp now,
                                          Warnings& warnings, const std::stop_token& stop) {
  const MariadbSettings& settings = *source.mariadb;
  MariadbConnection connection(settings, stop);
  MariadbServer server = read_mariadb_server(connection);
  const std::vector<std::string> databases = chosen_databases(settings, connection);
  if (databases.empty()) {
    throw Error(Code::kNotFound, "the server has no database to dump", kNothingStored);
  }
  warn_of_tables(tables_without_transactions(connection, databases), warnings);
  if (server.engine == MariadbEngine::kMysql) {
    return mysql_archives(source, server, databases, now, stop);
  }
  const std::string lost = include_history(connection, settings, databases, server, stop);
  if (!lost.empty()) warnings.add(lost);
  std::vector<ArchivePart> parts{mariadb_part(
      source, plan_mariadb_archive(settings, server, databases), source.name, now, stop)};
  // Accounts are little but the hashes of their passwords: not for everybody's eyes.
  if (settings.databases.size() == 1 || source.archive.recipients.empty()) return parts;
  const MariadbDumpPlan accounts = plan_mariadb_dumps(settings, server, {}).back();
  parts.push_back(mariadb_part(source, accounts,
                               archive_source(source.name, std::string(kGlobalsPart)), now, stop));
  return parts;
}

}  // namespace

std::string archive_source(const std::string& source, const std::string& database) {
  std::string name = source + "-";
  for (const char c : database) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    name += plain ? c : '-';
  }
  if (name == source + "-" + database && name.size() <= kLongestName) return name;
  const std::string hash = to_hex(sha256(as_bytes(database))).substr(0, kHashDigits);
  name.resize(std::min(name.size(), kLongestName - kHashDigits - 1));
  return name + "-" + hash;
}

std::vector<ArchivePart> database_archives(const SourceSettings& source, Timestamp now,
                                           Warnings& warnings, std::stop_token stop) {
  return source.mariadb ? mariadb_archives(source, now, warnings, stop)
                        : postgres_archives(source, now, stop);
}

ArchivePart file_archive(const SourceSettings& source, const BackupJob& job, Timestamp now,
                         ArchiveBackupProgress& progress, Warnings& warnings,
                         std::stop_token stop) {
  return {name_of(source, source.name, now),
          [&job, &progress, &warnings, stop](const ByteSink& sink) {
            write_tar_of(job, sink, progress.files, warnings, stop);
          }};
}

std::vector<WrittenArchive> write_archives(ObjectStore& store,
                                           const std::vector<ArchivePart>& parts,
                                           const ArchiveSettings& settings, unsigned threads,
                                           ArchiveBackupProgress& progress) {
  ArchiveWriterOptions options;
  for (const std::string& recipient : settings.recipients) {
    options.recipients.push_back(parse_age_recipient(recipient));
  }
  if (settings.level) options.level = static_cast<int>(*settings.level);
  options.threads = threads;
  std::vector<std::unique_ptr<ArchiveWriter>> writers;
  for (const ArchivePart& part : parts) {
    writers.push_back(std::make_unique<ArchiveWriter>(store, part.name, options));
    ArchiveWriter& writer = *writers.back();
    part.produce([&](ByteView bytes) {
      writer.write(bytes);
      progress.bytes += bytes.size();
    });
    writer.finish();
  }
  std::vector<WrittenArchive> written;
  for (const auto& writer : writers) {
    writer->commit();
    written.push_back({writer->name(), writer->bytes_in(), writer->bytes_out()});
  }
  return written;
}

}  // namespace holdfast
