#include "source/mariadb/replica.h"

#include <charconv>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/human.h"
#include "codec/kdf.h"
#include "source/mariadb/binlog_stream.h"
#include "source/mariadb/gtid.h"
#include "source/mariadb/libmariadb.h"
#include "source/mariadb/restore.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {
namespace {

constexpr unsigned kMostPort = 65535;
// Two replicas with one number end each other; people give small ones to their servers.
constexpr std::uint32_t kNobodysId = 0x80000000U;
constexpr const char* kRelayLog = "holdfast-relay";

Error usage(const std::string& message) {
  return {Code::kUsage, message,
          "--primary 'host=db1 port=3306 user=repl defaults_file=/etc/mysql/repl.cnf', the "
          "password under [client] in that file"};
}

unsigned parse_port(const std::string& text) {
  unsigned port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed == std::errc{} && end == text.data() + text.size() && port > 0 && port <= kMostPort) {
    return port;
  }
  throw usage("'" + printable(text) + "' is no port");
}

void set_key(MariadbPrimary& primary, const std::string& key, const std::string& value) {
  if (key == "host") {
    primary.host = value;
  } else if (key == "port") {
    primary.port = parse_port(value);
  } else if (key == "user") {
    primary.user = value;
  } else if (key == "defaults_file") {
    primary.defaults_file = value;
  } else if (key == "ssl" && (value == "0" || value == "1")) {
    primary.ssl = value == "1";
  } else if (key == "password") {
    throw usage("a password in the command line can be read by everybody on this host");
  } else {
    throw usage("'" + printable(key + "=" + value) + "' is not known of a primary");
  }
}

MariadbSettings settings_of(const MariadbPrimary& primary) {
  MariadbSettings settings;
  settings.host = primary.host;
  settings.port = primary.port;
  settings.user = primary.user;
  settings.defaults_file = primary.defaults_file;
  return settings;
}

std::string change_master(MariadbConnection& connection, const MariadbPrimary& primary,
                          const std::string& password) {
  return "CHANGE MASTER TO MASTER_HOST = " + connection.quoted(primary.host) +
         ", MASTER_PORT = " + std::to_string(primary.port) +
         ", MASTER_USER = " + connection.quoted(primary.user) +
         ", MASTER_PASSWORD = " + connection.quoted(password) +
         ", MASTER_SSL = " + (primary.ssl ? "1" : "0") +
         ", MASTER_CONNECT_RETRY = 10, MASTER_USE_GTID = slave_pos";
}

// The sandbox's own names for its empty relay log: another server looks for its own.
void remove_relay_log(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kRelayLog) || name == "relay-log.info") found.push_back(entry.path());
  }
  for (const fs::path& path : found) fs::remove(path);
}

}  // namespace

MariadbPrimary parse_mariadb_primary(const std::string& text) {
  MariadbPrimary primary;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) throw usage("'" + printable(word) + "' has no '='");
    set_key(primary, word.substr(0, equals), word.substr(equals + 1));
  }
  if (primary.host.empty()) throw usage("the primary has no host");
  if (primary.user.empty()) throw usage("there is no user to replicate as");
  return primary;
}

std::string check_mariadb_primary(const MariadbPrimary& primary, std::stop_token stop) {
  MariadbConnection connection(settings_of(primary), std::move(stop));
  bool may_replicate = false;
  for (const MariadbRow& row : connection.query("SHOW GRANTS")) {
    const std::string line = row.at(0).value_or("");
    may_replicate = may_replicate || line.find("REPLICATION SLAVE") != std::string::npos ||
                    line.starts_with("GRANT ALL PRIVILEGES ON *.*");
  }
  if (!may_replicate) {
    throw Error(Code::kDenied, "the account " + connection.name() + " may not replicate",
                "on the primary: GRANT REPLICATION SLAVE ON *.* TO '" + primary.user + "'@'...'");
  }
  if (connection.value("SELECT @@log_bin") != "1") {
    throw Error(Code::kConflict, connection.name() + " writes no binary log to replicate from",
                "write 'log_bin = binlog' under [mariadbd] there and restart it");
  }
  const char* const password = connection.handle()->passwd;
  return password == nullptr ? "" : password;
}

void check_primary_log(const MariadbPrimary& primary, const std::string& gtid,
                       std::stop_token stop) {
  MariadbConnection connection(settings_of(primary), stop);
  const auto chance = random_array<sizeof(std::uint32_t)>();
  std::uint32_t id = 0;
  for (const std::uint8_t byte : chance) id = id << 8 | byte;
  try {
    require_binlog_from(connection, GtidPosition(gtid), id | kNobodysId, std::move(stop));
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    throw Error(Code::kNotFound,
                "the primary " + connection.name() + " cannot go on from GTID " + gtid +
                    ", the state that would be restored: " + error.message(),
                "when it has purged its log: make a new backup of it and restore that one, or keep "
                "its log in the vault (holdfast stream), which the restore goes on with. When it "
                "has other transactions than the backup, it is another server, or was set back");
  }
}

void make_mariadb_replica(const MariadbSettings& settings, const MariadbPrimary& primary,
                          const std::string& password, const std::string& directory,
                          const std::string& gtid, const std::string& scratch,
                          std::stop_token stop) {
  if (gtid.empty()) {
    throw Error(Code::kConflict, "the backup has no GTID: its server wrote no binary log",
                "turn log_bin on at the primary, make a backup, and restore that one");
  }
  MariadbSandbox sandbox(settings, directory, scratch, std::move(stop),
                         {{std::string("relay-log = ") + kRelayLog}, ""});
  {
    MariadbConnection connection = sandbox.connect();
    const GtidPosition reached(connection.value("SELECT @@gtid_slave_pos"));
    if (!reached.contains(GtidPosition(gtid))) set_mariadb_gtid(connection, gtid);
    connection.query(change_master(connection, primary, password));
  }
  sandbox.shut_down();
  remove_relay_log(directory);
}

}  // namespace holdfast
