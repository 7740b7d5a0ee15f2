#include "source/mariadb/relay_applier.h"

#include <fcntl.h>
#include <strings.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/host_trouble.h"
#include "source/mariadb/failed_statement.h"
#include "source/mariadb/mysql_event.h"
#include "source/mariadb/own_roles.h"
#include "source/mariadb/proof.h"

namespace holdfast {
namespace {

constexpr unsigned kFirstWithWorkerStatus = 50700;  // in performance_schema
constexpr auto kBetweenQuestions = std::chrono::milliseconds{50};
constexpr int kIdleForGood = 100;  // questions
constexpr unsigned kBetweenLooks = 100;

// Columns of SHOW REPLICA STATUS, which only ever grew at the end, and of SHOW PROCESSLIST.
enum StatusColumn : std::size_t { kFile = 7, kOffset = 8, kRunning = 11, kLastError = 19 };
enum ProcessColumn : std::size_t { kUser = 1, kCommand = 4, kState = 6 };

struct ApplierStatus {
  bool running = false;
  std::string error;
  std::string file;  // of the received log, and where in it the next transaction begins
  std::uint64_t offset = 0;
};

std::string worker_error(MariadbConnection& connection) {
  if (connection.engine() != MariadbEngine::kMysql ||
      connection.version() < kFirstWithWorkerStatus) {
    return {};
  }
  return connection.value(
      "SELECT last_error_message FROM performance_schema.replication_applier_status_by_worker "
      "WHERE last_error_number <> 0 LIMIT 1");
}

ApplierStatus status_of(MariadbConnection& connection) {
  const bool replicas = connection.version() >= kFirstWithReplicas;
  const auto rows = connection.query(replicas ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS");
  ApplierStatus status;
  if (rows.empty()) return status;
  status.running = rows[0].at(kRunning) == "Yes";
  status.error = rows[0].at(kLastError).value_or("");
  status.file = rows[0].at(kFile).value_or("");
  status.offset = std::stoull(rows[0].at(kOffset).value_or("0"));
  if (status.running || status.error.empty()) return status;
  const std::string worker = worker_error(connection);
  if (!worker.empty()) status.error = worker;
  return status;
}

// Of MySQL.
bool has_all(MariadbConnection& connection, const GtidPosition& position) {
  return connection.value("SELECT GTID_SUBSET(" + connection.quoted(position.text()) +
                          ", @@GLOBAL.gtid_executed)") == "1";
}

// All of the threads that apply wait for more; in older and newer words.
bool is_idle(MariadbConnection& connection) {
  const bool mysql = connection.engine() == MariadbEngine::kMysql;
  const auto threads = connection.query("SHOW PROCESSLIST");
  return std::none_of(threads.begin(), threads.end(), [&](const MariadbRow& thread) {
    // Of MariaDB other threads may be the system's, too.
    const bool applies = thread.at(kUser) == "system user" &&
                         (mysql || thread.at(kCommand).value_or("").starts_with("Slave"));
    const std::string state = thread.at(kState).value_or("");
    return applies && state.find("has read all relay log") == std::string::npos &&
           state.find("aiting for an event from") == std::string::npos;
  });
}

std::string applier_of(const MariadbConnection& connection) {
  return connection.version() >= kFirstWithReplicas ? "REPLICA" : "SLAVE";
}

void start_applier(MariadbConnection& connection, const std::string& until = "") {
  connection.query("START " + applier_of(connection) + " SQL_THREAD" + until);
}

void stop_applier(MariadbConnection& connection) {
  connection.query("STOP " + applier_of(connection) + " SQL_THREAD");
}

// Between two transactions.
bool is_of_no_transaction(BinlogType type) {
  return type == BinlogType::kFormat || type == BinlogType::kMysqlPreviousGtids ||
         type == BinlogType::kRotate || type == BinlogType::kStop;
}

// Of the first transaction there or, at the end of the file, in the next one; "" when another event
// comes before.
std::string next_gtid(const std::string& directory, std::string name, std::uint64_t offset) {
  for (;;) {
    const std::string path = directory + "/" + name;
    if (!path_exists(path)) return {};
    const Fd file = open_file(path, O_RDONLY);
    Bytes event(kBinlogHeader);
    while (pread_full(file.get(), event, offset, path) == event.size()) {
      const auto type = type_of_binlog_event(event);
      event.resize(binlog_event_size(event));
      if (type == BinlogType::kMysqlGtid || type == BinlogType::kMysqlTaggedGtid) {
        if (pread_full(file.get(), event, offset, path) != event.size()) return {};
        // Its checksum lies behind what is read, and was verified when the log was fetched.
        return to_text(read_mysql_gtid(parse_binlog_event(event, false)));
      }
      if (!is_of_no_transaction(type)) return {};
      offset += event.size();
      event.resize(kBinlogHeader);
    }
    name = next_relay_name(name);
    offset = kBinlogMagic.size();
  }
}

class Applier {
 public:
  Applier(const MariadbSandbox& server, MariadbConnection& connection, const RelayReplay& replay)
      : server_(server), connection_(connection), replay_(replay) {}

  // Its last transaction may have failed after it was counted.
  void require_no_error() {
    const ApplierStatus status = status_of(connection_);
    if (!status.error.empty()) refuse(status.error);
  }

  void await(const std::stop_token& stop) {
    int idle = 0;
    for (unsigned asked = 1; !is_there(); ++asked) {
      // Without room for its log the server waits, and says so in another one only.
      if (asked % kBetweenLooks == 0) server_.require_alive(false);
      const ApplierStatus status = status_of(connection_);
      if (!status.running) {
        if (connection_.engine() == MariadbEngine::kMysql) {
          go_around(status, stop);
        } else {
          pass_over_own_role(status);
        }
        start_applier(connection_);
      }
      // Between two questions it may have begun, or ended, with the last ones.
      idle = is_idle(connection_) ? idle + 1 : 0;
      if (idle == kIdleForGood) break;
      pause(stop);
    }
  }

  const std::vector<std::string>& passed_over() const { return passed_over_; }

 private:
  bool is_there() {
    if (connection_.engine() == MariadbEngine::kMysql) return has_all(connection_, replay_.after);
    return has_replayed(GtidPosition(connection_.value(kMariadbApplied)), replay_);
  }

  static void pause(const std::stop_token& stop) {
    if (!system_clock().sleep_for(kBetweenQuestions, stop))
      throw Error(Code::kCancelled, "interrupted");
  }

  // What is only about a routine, an event or rights in a database that was not chosen is left out.
  // Another statement that needs such a database, as it moves a table there, finds an empty one.
  void go_around(const ApplierStatus& status, const std::stop_token& stop) {
    const auto failed = parse_failed_statement(status.error);
    if (replay_.databases.empty() || !failed) refuse(status.error);
    const std::string gtid = failed->transaction.empty()
                                 ? next_gtid(replay_.received, status.file, status.offset)
                                 : failed->transaction;
    if (gtid.empty() || !seen_.insert(gtid).second) refuse(status.error);
    if (is_left_out(database_of_object(*failed))) {
      pass_over(gtid);
    } else if (const auto lacking = lacking_databases(*failed); !lacking.empty()) {
      apply_with(lacking, gtid, stop);
    } else {
      refuse(status.error);
    }
  }

  // Of MariaDB: what no replica can run.
  void pass_over_own_role(const ApplierStatus& status) {
    const auto failed = parse_failed_statement(status.error);
    const bool again = !seen_.insert(status.file + ":" + std::to_string(status.offset)).second;
    if (!failed || again || names_host_trouble(status.error) || !replay_.own_roles ||
        !is_about_roles(failed->statement)) {
      refuse(status.error);
    }
    connection_.query("SET GLOBAL sql_slave_skip_counter = 1");
    passed_over_.push_back(failed->statement);
  }

  std::set<std::string> lacking_databases(const FailedStatement& failed) {
    std::set<std::string> lacking;
    for (const std::string& database : needed_databases(failed)) {
      if (!is_left_out(database)) continue;
      const bool there =
          !connection_
               .query("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
                      connection_.quoted(database))
               .empty();
      if (!there) lacking.insert(database);
    }
    return lacking;
  }

  [[noreturn]] static void refuse(const std::string& error) {
    // The log of the server may not have it yet.
    if (names_host_trouble(error)) throw host_too_small(": " + printable(error));
    throw Error(Code::kInvalid,
                "the binary log cannot be applied: the server said " + printable(error),
                kReplayNotComplete);
  }

  // However names are compared there: what may be chosen is not left out.
  bool is_left_out(const std::string& database) const {
    return !database.empty() &&
           std::none_of(replay_.databases.begin(), replay_.databases.end(),
                        [&](const std::string& one) {
                          return ::strcasecmp(one.c_str(), database.c_str()) == 0;
                        });
  }

  void pass_over(const std::string& gtid) {
    connection_.query("SET SESSION gtid_next = " + connection_.quoted(gtid));
    connection_.query("BEGIN");
    connection_.query("COMMIT");
    connection_.query("SET SESSION gtid_next = 'AUTOMATIC'");
  }

  // For that transaction alone: a table that has gone there would become stale, and must not come
  // back.
  void apply_with(const std::set<std::string>& databases, const std::string& gtid,
                  const std::stop_token& stop) {
    connection_.query("SET SESSION sql_log_bin = 0");
    connection_.query("SET SESSION foreign_key_checks = 0");
    for (const std::string& database : databases) {
      connection_.query("CREATE DATABASE " + mariadb_identifier(database));
    }
    start_applier(connection_, " UNTIL SQL_AFTER_GTIDS = " + connection_.quoted(gtid));
    ApplierStatus status = status_of(connection_);
    for (unsigned asked = 1; status.running && !has_all(connection_, GtidPosition(gtid)); ++asked) {
      if (asked % kBetweenLooks == 0) server_.require_alive(false);
      pause(stop);
      status = status_of(connection_);
    }
    if (!status.running && !has_all(connection_, GtidPosition(gtid))) refuse(status.error);
    stop_applier(connection_);
    for (const std::string& database : databases) {
      connection_.query("DROP DATABASE " + mariadb_identifier(database));
    }
    connection_.query("SET SESSION foreign_key_checks = 1");
    connection_.query("SET SESSION sql_log_bin = 1");
  }

  const MariadbSandbox& server_;
  MariadbConnection& connection_;
  const RelayReplay& replay_;
  std::set<std::string> seen_;            // transactions that it stopped at
  std::vector<std::string> passed_over_;  // statements
};

}  // namespace

bool has_replayed(const GtidPosition& reached, const RelayReplay& replay) {
  const auto& before = replay.before.domains();
  const auto& at = reached.domains();
  return std::all_of(replay.after.domains().begin(), replay.after.domains().end(),
                     [&](const auto& domain) {
                       // Nothing of it had to be replayed.
                       const auto old = before.find(domain.first);
                       if (old != before.end() && old->second == domain.second) return true;
                       const auto found = at.find(domain.first);
                       return found != at.end() && found->second == domain.second;
                     });
}

std::vector<std::string> run_applier(const MariadbSandbox& server, MariadbConnection& connection,
                                     const RelayReplay& replay, const std::stop_token& stop) {
  start_applier(connection);
  Applier applier(server, connection, replay);
  applier.await(stop);
  stop_applier(connection);
  applier.require_no_error();
  return applier.passed_over();
}

}  // namespace holdfast
