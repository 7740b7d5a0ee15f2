#include "source/mariadb/relay_replay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "source/mariadb/binlog_event.h"
#include "source/mariadb/relay_applier.h"

namespace holdfast {
namespace {

constexpr const char* kReceivedLog = "/relay";
// No source has it: a server passes over what it finds to be its own.
constexpr std::uint32_t kServerId = 0xfffffffe;
constexpr unsigned kFirstWithSources = 80023;    // CHANGE REPLICATION SOURCE
constexpr unsigned kFirstWithoutMaster = 80200;  // RESET BINARY LOGS AND GTIDS
std::string relay_name(std::size_t number) { return fmt::format("{}.{:06}", kReceivedLog, number); }

GtidPosition executed_by(MariadbConnection& connection) {
  return GtidPosition(connection.value("SELECT @@GLOBAL.gtid_executed"));
}

// Where the events end that a file begins with: the format, which everything behind is read by, and
// all GTIDs before the file, without which MySQL takes it for damaged.
std::uint64_t end_of_head(int file, const std::string& path) {
  std::uint64_t end = kBinlogMagic.size();
  for (const BinlogType type : {BinlogType::kFormat, BinlogType::kMysqlPreviousGtids}) {
    Bytes header(kBinlogHeader);
    const bool there = pread_full(file, header, end, path) == header.size();
    if (there && type_of_binlog_event(header) == type) {
      end += binlog_event_size(header);
    }
  }
  return end;
}

// What lies before `start` may be a hole, which a server takes for damage. Returns where what lay
// at `start` is now.
std::uint64_t cut_beginning(const std::string& path, std::uint64_t start) {
  const Fd file = open_file(path, O_RDWR);
  const std::uint64_t head = end_of_head(file.get(), path);
  if (start <= head) return head;
  Bytes buffer(std::size_t{1} << 20);
  std::uint64_t to = head;
  for (std::uint64_t from = start;; from += buffer.size(), to += buffer.size()) {
    const std::size_t n = pread_full(file.get(), buffer, from, path);
    pwrite_full(file.get(), ByteView(buffer).first(n), to, path);
    if (n == buffer.size()) continue;
    if (::ftruncate(file.get(), static_cast<off_t>(to + n)) == 0) return head;
    throw system_error(errno, "cannot cut " + printable(path));
  }
}

// For an option file, which takes one of two backslashes.
std::string pattern_of(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (c == '_' || c == '%' || c == '\\') pattern += "\\\\";
    pattern += c;
    if (c == '\\' || c == '"') pattern.insert(pattern.size() - 1, "\\");
  }
  return pattern;
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

void add_received(std::vector<std::string>& lines, const std::string& received) {
  lines.insert(lines.end(), {"relay-log = " + quoted(received + kReceivedLog),
                             "relay-log-index = " + quoted(received + kReceivedLog + ".index"),
                             "relay-log-purge = OFF"});
}

}  // namespace

std::string next_relay_name(const std::string& name) {
  return relay_name(std::stoul(name.substr(name.rfind('.') + 1)) + 1).substr(1);
}

std::vector<std::string> relay_options(const std::string& own, const std::string& received,
                                       const std::vector<std::string>& databases) {
  std::vector<std::string> lines{"log-bin = " + quoted(own + "/log"),
                                 "server-id = " + std::to_string(kServerId),
                                 "gtid-mode = ON",
                                 "enforce-gtid-consistency = ON",
                                 "loose-binlog-format = ROW",
                                 "loose-log-bin-trust-function-creators = ON",
                                 "loose-log-slave-updates",
                                 "loose-log-replica-updates",
                                 "loose-skip-slave-start",
                                 "loose-skip-replica-start"};
  add_received(lines, received);
  if (databases.empty()) return lines;
  for (const std::string& database : databases) {
    lines.push_back("replicate-wild-do-table = " + quoted(pattern_of(database) + ".%"));
  }
  // What is said about accounts and rights goes by this one.
  lines.push_back("replicate-wild-do-table = " + quoted(pattern_of("mysql") + ".user"));
  // So that it stops behind everything before the transaction that it stops at.
  lines.insert(lines.end(),
               {"loose-slave-parallel-workers = 0", "loose-replica-parallel-workers = 1"});
  return lines;
}

std::vector<std::string> mariadb_relay_options(const std::string& own,
                                               const std::string& received) {
  std::vector<std::string> lines{
      "log-bin = " + quoted(own + "/replay"), "server-id = " + std::to_string(kServerId),
      "log-slave-updates", "log-bin-trust-function-creators = ON",
      "master-info-file = " + quoted(own + "/master.info"),
      "relay-log-info-file = " + quoted(own + "/relay-log.info"), "relay-log-recovery = OFF",
      "slave-max-allowed-packet = 1G",
      // Where it would forgive, the directory is not what the log says.
      "slave-exec-mode = STRICT", "slave-ddl-exec-mode = STRICT", "slave-sql-verify-checksum = ON"};
  add_received(lines, received);
  return lines;
}

std::uint64_t place_relay_log(const MariadbSettings& settings, const std::string& received,
                              const std::vector<std::string>& files, std::uint64_t start) {
  std::string index;
  const std::uint64_t begin = cut_beginning(files.at(0), start);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string path = received + relay_name(i + 1);
    if (std::rename(files[i].c_str(), path.c_str()) != 0) {
      throw system_error(errno, "cannot move " + printable(files[i]));
    }
    give_to_server(settings, path);
    index += path + "\n";
  }
  const std::string path = received + kReceivedLog + ".index";
  write_file_atomic(path, as_bytes(index), 0600);
  give_to_server(settings, path);
  give_to_server(settings, received);
  return begin;
}

void set_mysql_gtid(MariadbConnection& connection, const GtidPosition& before) {
  connection.query(connection.version() >= kFirstWithoutMaster ? "RESET BINARY LOGS AND GTIDS"
                                                               : "RESET MASTER");
  connection.query("SET GLOBAL gtid_purged = " + connection.quoted(before.text()));
}

void replay_as_replica(const MariadbSandbox& server, const RelayReplay& replay,
                       const std::stop_token& stop) {
  MariadbConnection connection = server.connect();
  const std::string place = fmt::format("RELAY_LOG_FILE = {}, RELAY_LOG_POS = {}",
                                        connection.quoted(kFirstRelayLog), replay.start);
  connection.query(connection.version() >= kFirstWithSources
                       ? "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'nobody', " + place
                       : "CHANGE MASTER TO MASTER_HOST = 'nobody', " + place);
  run_applier(server, connection, replay, stop);
  const GtidPosition executed = executed_by(connection);
  const bool lacks_some = !replay.databases.empty() && replay.after.contains(executed);
  if (executed != replay.after && !lacks_some) {
    throw Error(Code::kCorrupt,
                fmt::format("after the replay the server is at GTID {}, and should be at {}",
                            executed.text(), replay.after.text()),
                kReplayNotComplete);
  }
  connection.query(connection.version() >= kFirstWithReplicas ? "RESET REPLICA ALL"
                                                              : "RESET SLAVE ALL");
  // 5.6 does not count what it passes over.
  if (executed != replay.after) set_mysql_gtid(connection, replay.after);
}

}  // namespace holdfast
