#include "source/mariadb/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/path.h"
#include "os/process_stream.h"
#include "source/mariadb/tools.h"

namespace holdfast {
namespace {

constexpr std::size_t kReadSize = std::size_t{256} << 10;
constexpr std::string_view kReached = "holdfast reached ";
constexpr const char* kStays =
    "the directory is not complete, and no server starts on it: run the restore again, to a moment "
    "before this statement, or with --to-immediate";

ProcessOptions in_utc(std::vector<std::string> command) {
  ProcessOptions options;
  options.argv = std::move(command);
  options.environment = {{"TZ", "UTC"}};
  return options;
}

std::vector<std::string> reader_command(const MariadbSettings& settings,
                                        const BinlogReplay& replay) {
  // The byte is ours: its own idea of times depends on the time zone.
  std::vector<std::string> command = {
      mariadb_program(settings, "mariadb-binlog"), "--no-defaults", "--verify-binlog-checksum",
      "--local-load=" + std::string(parent_path(replay.files.front())),
      "--start-position=" + std::to_string(replay.start)};
  command.insert(command.end(), replay.files.begin(), replay.files.end());
  return command;
}

std::vector<std::string> client_command(const MariadbSettings& settings) {
  std::vector<std::string> command = mariadb_command(settings, "mariadb");
  // Of LOAD DATA the log has the data, which the reader puts into a file for the client.
  command.insert(command.end(),
                 {"--batch", "--binary-mode", "--local-infile=1", "--max-allowed-packet=1G"});
  return command;
}

// In the session of the replay: when that ends, a temporary table that is left over is dropped,
// which the server counts as one more transaction.
std::string last_words(const MariadbConnection& connection, const BinlogReplay& replay) {
  return fmt::format(
      "\nDELIMITER ;\nSELECT concat('{}', @@GLOBAL.gtid_binlog_pos) AS '';\n"
      "SET GLOBAL gtid_slave_pos = {};\n",
      kReached, connection.quoted(replay.after.text()));
}

GtidPosition reached_of(std::string_view output) {
  const std::size_t at = output.rfind(kReached);
  if (at == std::string_view::npos) return {};
  output.remove_prefix(at + kReached.size());
  return GtidPosition(output.substr(0, output.find('\n')));
}

void check(const ProcessResult& reader, const ProcessResult& client) {
  if (reader.stopped || client.stopped) throw Error(Code::kCancelled, "interrupted");
  // The client first: the reader dies of its end.
  if (client.exit_code != 0) {
    throw Error(
        Code::kInvalid,
        "the binary log cannot be applied: the server said " + end_of_output(client.error_output),
        kStays);
  }
  if (reader.exit_code != 0) {
    throw Error(Code::kCorrupt,
                "mariadb-binlog cannot read the binary log: " + end_of_output(reader.error_output),
                kStays);
  }
}

// Returns what the client printed.
std::string pipe_events(const MariadbSettings& settings, const BinlogReplay& replay,
                        const std::string& last, const std::stop_token& stop) {
  ProcessStream client(in_utc(client_command(settings)), ProcessStream::Direction::kInput, stop);
  ProcessStream reader(in_utc(reader_command(settings, replay)), ProcessStream::Direction::kOutput,
                       stop);
  const auto give_up = [&client] {
    const ProcessResult said = client.finish();
    ProcessResult cut;
    cut.stopped = said.stopped;
    check(cut, said);
    throw Error(Code::kInvalid, "the server's client stopped reading the binary log", kStays);
  };
  Bytes buffer(kReadSize);
  while (const std::size_t n = reader.read(buffer)) {
    if (!client.write(ByteView(buffer).first(n))) give_up();
  }
  const ProcessResult read = reader.finish();
  // What was cut off must not be taken for the end.
  if (read.exit_code == 0 && !client.write(as_bytes(last))) give_up();
  const ProcessResult said = client.finish();
  check(read, said);
  return said.output + said.error_output;
}

// Only domains in which something was replayed: the log of the server has no others.
void check_reached(const GtidPosition& reached, const BinlogReplay& replay) {
  const auto& before = replay.before.domains();
  const auto& at = reached.domains();
  const bool right = std::all_of(replay.after.domains().begin(), replay.after.domains().end(),
                                 [&](const auto& domain) {
                                   const auto old = before.find(domain.first);
                                   if (old != before.end() && old->second == domain.second)
                                     return true;
                                   const auto found = at.find(domain.first);
                                   return found != at.end() && found->second == domain.second;
                                 });
  if (right) return;
  throw Error(Code::kCorrupt,
              fmt::format("after the replay the server is at GTID {}, and should be at {}",
                          reached.empty() ? "(none)" : reached.text(), replay.after.text()),
              kStays);
}

}  // namespace

std::string replay_log_option(const std::string& directory) {
  return "log-bin = \"" + directory + "/replay\"";
}

void replay_binlogs(const MariadbSandbox& server, const BinlogReplay& replay,
                    std::stop_token stop) {
  MariadbConnection connection = server.connect();
  connection.query("SET GLOBAL gtid_binlog_state = " + connection.quoted(replay.before.text()));
  const std::string printed =
      pipe_events(server.settings(), replay, last_words(connection, replay), stop);
  check_reached(reached_of(printed), replay);
}

}  // namespace holdfast
