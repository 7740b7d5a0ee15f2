#include "protect/mariadb_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "os/process_stream.h"
#include "protect/database_job.h"
#include "protect/dump_recovery.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/mbstream.h"
#include "source/mariadb/mysql_accounts.h"
#include "source/mariadb/mysql_gtid.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/named_zones.h"
#include "source/mariadb/physical.h"
#include "source/mariadb/system_zone.h"

namespace holdfast {
namespace {

constexpr std::size_t kReadSize = std::size_t{256} << 10;
constexpr std::size_t kMaxPositionFile = std::size_t{1} << 20;

// What the part that reads finds out for the ending.
struct Found {
  MariadbPosition position;
  Timestamp consistent{};
};

BackupEnding ending_of(const MariadbServer& server, const char* method, const Found& found) {
  BackupEnding ending;
  DatabaseFacts facts;
  facts.engine = engine_key(server.engine);
  facts.version = server.version;
  facts.method = method;
  facts.system = server.uid;
  facts.start = found.position.text();
  facts.stop = found.position.gtid;
  facts.settings = server.settings;
  ending.database = facts;
  ending.consistent = found.consistent;
  return ending;
}

ProcessOptions in_utc(const std::vector<std::string>& command) {
  ProcessOptions options;
  options.argv = command;
  options.environment = {{"TZ", "UTC"}};
  return options;
}

// Splits what mariadb-backup writes into the files of the tree.
class BackupSplitter {
 public:
  explicit BackupSplitter(FileSink& sink)
      : sink_(sink),
        reader_({[this](const std::string& path, ByteView content) { take(path, content); },
                 [this](const std::string& path) { sink_.close(path); }}) {}

  void feed(ByteView bytes) { reader_.feed(bytes); }
  MariadbPosition finish() const {
    reader_.finish();
    return position_.empty() ? MariadbPosition{} : parse_position_file(position_);
  }

 private:
  void take(const std::string& path, ByteView content) {
    if (opened_.insert(path).second) sink_.open(path, {0660, has_pages(path) ? kPageChunk : 0});
    if (is_position_file(path) && position_.size() < kMaxPositionFile)
      position_ += as_text(content);
    if (!content.empty()) sink_.write(path, content);
  }

  FileSink& sink_;
  std::set<std::string> opened_;
  std::string position_;
  MbstreamReader reader_;
};

void produce_physical(const std::vector<std::string>& command, FileSink& sink, Found& found,
                      const std::stop_token& stop) {
  ProcessStream stream(in_utc(command), ProcessStream::Direction::kOutput, stop);
  BackupSplitter splitter(sink);
  Bytes buffer(kReadSize);
  while (const std::size_t n = stream.read(buffer)) splitter.feed(ByteView(buffer).first(n));
  const ProcessResult result = stream.finish();
  // What the tool says of its failure is worth more than that its stream stops in the middle.
  check_mariadb_backup(result, "mariadb-backup");
  found.position = splitter.finish();
  if (const auto time = locked_at(result.error_output)) found.consistent = *time;
}

void add_physical(const Vault& vault, const MariadbSettings& settings, const MariadbServer& server,
                  BackupJob& job, std::stop_token stop) {
  const auto found = std::make_shared<Found>();
  const auto command = mariadb_backup_command(settings, server);
  job.trees.push_back({"", [command, found, &vault, stop = std::move(stop)](FileSink& sink) {
                         found->consistent = vault.clock().now();
                         produce_physical(command, sink, *found, stop);
                       }});
  job.end = [found, server] {
    BackupEnding ending = ending_of(server, "physical", *found);
    ending.database->data_directory = server.data_directory;
    return ending;
  };
}

Error dump_error(const std::string& said) {
  Error error(Code::kInvalid, "the dump failed: " + said);
  if (said.find("SHOW CREATE USER") != std::string::npos) {
    error.suggest(
        "with skip_name_resolve the server ignores accounts whose host is a name, and cannot show "
        "them: DROP USER the one named here, or give it an address for a host");
  }
  error.suggest("nothing was stored as a backup; mend it and run the backup again");
  return error;
}

ContentReader without_sandbox_line(const ContentReader& reader) {
  const auto filter = std::make_shared<SandboxLineFilter>();
  const auto kept = std::make_shared<Bytes>();
  return [reader, filter, kept](MutableBytes out) {
    while (kept->empty()) {
      const std::size_t n = reader(out);
      const ByteView passed = n == 0 ? filter->finish() : filter->pass(out.first(n));
      if (n == 0 ? passed.empty() : passed.data() == out.data()) return n;
      kept->assign(passed.begin(), passed.end());
    }
    const std::size_t n = std::min(kept->size(), out.size());
    std::copy_n(kept->begin(), n, out.begin());
    kept->erase(kept->begin(), kept->begin() + static_cast<std::ptrdiff_t>(n));
    return n;
  };
}

ContentReader open_dump(const MariadbDumpPlan& plan, const std::shared_ptr<Found>& found,
                        const Clock& clock, const std::stop_token& stop) {
  // Whatever was committed before is in its snapshot.
  if (plan.stored_path == kDatabasesDump) found->consistent = clock.now();
  const auto stream = std::make_shared<ProcessStream>(in_utc(plan.command),
                                                      ProcessStream::Direction::kOutput, stop);
  const auto watch = std::make_shared<MariadbDumpWatch>();
  const ContentReader reader = [stream, watch, found,
                                has_position = plan.has_position](MutableBytes out) {
    if (const std::size_t n = stream->read(out)) {
      watch->see(out.first(n));
      return n;
    }
    const ProcessResult result = stream->finish();
    if (result.stopped) throw Error(Code::kCancelled, "interrupted");
    if (result.exit_code != 0) throw dump_error(complaint(result));
    watch->check_complete();
    if (has_position) found->position = watch->position();
    return std::size_t{0};
  };
  return plan.of_mariadb_dump ? without_sandbox_line(reader) : reader;
}

// What `make` returns, in pieces. Accounts are few enough for the memory.
ContentReader text_reader(const std::function<std::string()>& make) {
  const auto text = std::make_shared<std::optional<std::string>>();
  const auto at = std::make_shared<std::size_t>(0);
  return [make, text, at](MutableBytes out) {
    if (!*text) *text = make();
    const std::string_view left = std::string_view(**text).substr(*at);
    const std::size_t n = std::min(left.size(), out.size());
    std::copy_n(left.begin(), n, out.begin());
    *at += n;
    return n;
  };
}

// The whole text of `reader`, mended.
ContentReader mended(const ContentReader& reader) {
  return text_reader([reader] {
    std::string all;
    Bytes piece(kReadSize);
    while (const std::size_t n = reader(piece)) all += as_text(ByteView(piece).first(n));
    return mended_users_dump(all);
  });
}

// With a connection of its own, when its turn comes.
StreamedFile text_stream(const char* path, const MariadbSettings& settings,
                         const std::function<std::string(MariadbConnection&)>& dump,
                         const std::stop_token& stop) {
  return {path, 0600, [=] {
            return text_reader([=] {
              MariadbConnection own(settings, stop);
              return dump(own);
            });
          }};
}

void add_zones(const MariadbSettings& settings, MariadbConnection& connection, BackupJob& job,
               Warnings& warnings, const std::stop_token& stop) {
  try {
    if (!has_named_zones(connection)) return;
    job.streams.push_back(text_stream(kZonesDump, settings, named_zones_dump, stop));
  } catch (const Error& error) {
    const Code code = error.code();
    if (code != Code::kDenied && code != Code::kNotFound && code != Code::kInvalid) throw;
    warnings.add(
        "the time zones that the server knows by name are not in this backup, as they cannot be "
        "read: " +
        error.message());
  }
}

void warn_of_tables(const std::vector<std::string>& tables, const MariadbServer& server,
                    Warnings& warnings) {
  if (tables.empty()) return;
  warnings.add(fmt::format(
      "{} (first: {}) without transactions: the dump holds each as it was when it was read, not of "
      "one moment; convert them to InnoDB{}",
      plural(tables.size(), "table"), printable(tables.front()),
      server.engine == MariadbEngine::kMysql ? "" : ", or use 'method: physical'"));
}

void add_logical(const Vault& vault, const MariadbSettings& settings, MariadbServer server,
                 MariadbConnection& connection, BackupJob& job, Warnings& warnings,
                 std::stop_token stop) {
  const std::vector<std::string> databases = chosen_databases(settings, connection);
  warn_of_tables(tables_without_transactions(connection, databases), server, warnings);
  const std::string lost = include_history(connection, settings, databases, server, stop);
  if (!lost.empty()) warnings.add(lost);
  const auto found = std::make_shared<Found>();
  found->consistent = vault.clock().now();
  for (const MariadbDumpPlan& plan : plan_mariadb_dumps(settings, server, databases)) {
    job.streams.push_back({plan.stored_path, 0600, [plan, found, &vault, stop] {
                             const ContentReader dump = open_dump(plan, found, vault.clock(), stop);
                             return plan.stored_path == kUsersDump ? mended(dump) : dump;
                           }});
  }
  add_zones(settings, connection, job, warnings, stop);
  job.end = [found, server] { return ending_of(server, "logical", *found); };
}

// They count as executed, and no dump has their rows.
void warn_of_prepared(MariadbConnection& connection, Warnings& warnings) {
  try {
    const std::size_t prepared = connection.query("XA RECOVER").size();
    if (prepared == 0) return;
    warnings.add(plural(prepared, "XA transaction") +
                 " of the server are prepared and not committed: the log behind this dump cannot "
                 "be applied once they are; commit them or roll them back, and back up again");
  } catch (const Error& error) {
    if (error.code() != Code::kDenied && error.code() != Code::kInvalid) throw;
  }
}

void add_mysql(const Vault& vault, const MariadbSettings& settings, const MariadbServer& server,
               MariadbConnection& connection, BackupJob& job, Warnings& warnings,
               const std::stop_token& stop) {
  const std::vector<std::string> databases = chosen_databases(settings, connection);
  warn_of_tables(tables_without_transactions(connection, databases), server, warnings);
  warn_of_prepared(connection, warnings);
  const auto found = std::make_shared<Found>();
  found->consistent = vault.clock().now();
  if (!databases.empty()) {
    const MariadbTool tool = find_mysql_dump(settings, server, stop);
    const MariadbDumpPlan plan = plan_mysql_dump(settings, server, tool, databases, true);
    job.streams.push_back({plan.stored_path, 0600, [plan, found, &vault, stop] {
                             return open_dump(plan, found, vault.clock(), stop);
                           }});
  }
  job.streams.push_back(text_stream(
      kUsersDump, settings,
      [databases](MariadbConnection& own) { return mysql_accounts_dump(own, databases); }, stop));
  add_zones(settings, connection, job, warnings, stop);
  const MariadbPosition before = server.log_bin ? mariadb_log_end(connection) : MariadbPosition{};
  job.end = [found, server, settings, before, databases, stop] {
    found->position.gtid = mysql_gtid_at(settings, before, found->position, stop);
    BackupEnding ending = ending_of(server, "logical", *found);
    if (!settings.databases.empty()) {
      ending.database->settings[kChosenDatabases] = nlohmann::json(databases).dump();
    }
    return ending;
  };
}

}  // namespace

namespace {

void note_zone(MariadbConnection& connection, MariadbServer& server, Warnings& warnings) {
  try {
    server.settings[kSystemZone] = zone_text(read_system_zone(connection));
  } catch (const Error& error) {
    if (error.code() != Code::kInvalid) throw;
    warnings.add(error.message() + ": statements in its log that mean it will be applied in UTC");
  }
}

}  // namespace

void add_mariadb(const Vault& vault, const MariadbSettings& settings, BackupJob& job,
                 Warnings& warnings, std::stop_token stop) {
  MariadbConnection connection(settings, stop);
  MariadbServer server = read_mariadb_server(connection);
  note_zone(connection, server, warnings);
  if (settings.method == DatabaseMethod::kPhysical) {
    add_physical(vault, settings, server, job, std::move(stop));
  } else if (server.engine == MariadbEngine::kMysql) {
    add_mysql(vault, settings, server, connection, job, warnings, stop);
  } else {
    add_logical(vault, settings, server, connection, job, warnings, std::move(stop));
  }
}

}  // namespace holdfast
