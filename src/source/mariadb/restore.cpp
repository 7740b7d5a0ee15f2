#include "source/mariadb/restore.h"

#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "os/identity.h"
#include "os/process_stream.h"
#include "source/mariadb/gtid.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/physical.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr auto kStateFiles =
    std::to_array({"xtrabackup_checkpoints", "mariadb_backup_checkpoints"});
constexpr auto kPositionFiles =
    std::to_array({"xtrabackup_binlog_info", "mariadb_backup_binlog_info"});

// The first of `names` that is in `directory`; "" when there is none.
template <typename Names>
std::string first_of(const std::string& directory, const Names& names) {
  for (const char* name : names) {
    if (path_exists(directory + "/" + name)) return directory + "/" + name;
  }
  return {};
}

bool is_prepared(const std::string& state_file) {
  const Bytes state = read_file(state_file);
  const std::string_view text = as_text(state);
  return text.find("backup_type = log-applied") != std::string_view::npos ||
         text.find("backup_type = full-prepared") != std::string_view::npos;
}

void check_files(const std::string& directory) {
  for (const char* name : {"ibdata1", "ib_logfile0", "mysql", "backup-my.cnf"}) {
    if (path_exists(directory + "/" + name)) continue;
    throw Error(Code::kNotFound, printable(directory) + " has no " + name,
                "restore the whole backup into an empty directory");
  }
}

void prepare(const std::string& directory, const MariadbSettings& settings, std::stop_token stop) {
  ProcessOptions options;
  options.argv = {mariadb_program(settings, "mariadb-backup"), "--no-defaults", "--prepare",
                  "--target-dir=" + directory};
  ProcessStream stream(options, ProcessStream::Direction::kOutput, std::move(stop));
  Bytes ignored(4096);
  while (stream.read(ignored) > 0) {
  }
  check_mariadb_backup(stream.finish(), "preparing the restored files");
}

void give_to(const std::string& path, const SystemUser& user) {
  if (::lchown(path.c_str(), user.uid, user.gid) == 0) return;
  throw system_error(errno, "cannot give " + printable(path) + " to the server's user");
}

void give_all_to(const std::string& directory, const std::string& name) {
  if (::geteuid() != 0 || name.empty()) return;
  const SystemUser user = system_user(name);
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    give_to(entry.path().string(), user);
  }
  give_to(directory, user);
}

}  // namespace

bool is_prepared_mariadb(const std::string& directory) {
  const std::string state = first_of(directory, kStateFiles);
  return !state.empty() && is_prepared(state);
}

MariadbPosition finish_mariadb_restore(const std::string& directory,
                                       const MariadbSettings& settings, std::stop_token stop) {
  const std::string state = first_of(directory, kStateFiles);
  if (state.empty()) {
    throw Error(Code::kNotFound,
                printable(directory) + " holds no backup that mariadb-backup has made",
                "restore a physical backup of MariaDB there first");
  }
  check_files(directory);
  if (!is_prepared(state)) prepare(directory, settings, std::move(stop));
  give_all_to(directory, settings.system_user);
  const std::string position = first_of(directory, kPositionFiles);
  if (position.empty()) return {};
  return parse_position_file(as_text(read_file(position)));
}

void set_mariadb_gtid(MariadbConnection& connection, const std::string& gtid) {
  const GtidPosition position(gtid);
  connection.query("SET GLOBAL gtid_slave_pos = " + connection.quoted(position.text()));
}

struct MariadbImport::State {
  State(const ProcessOptions& options, std::stop_token stop)
      : stream(options, ProcessStream::Direction::kInput, std::move(stop)) {}

  void finish() {
    finished = true;
    const ProcessResult result = stream.finish();
    if (result.stopped) throw Error(Code::kCancelled, "interrupted");
    if (result.exit_code == 0) return;
    throw Error(Code::kInvalid, "the server did not take the dump: " + complaint(result),
                "what came before is in the server: mend it, and restore again from the start");
  }

  ProcessStream stream;
  bool finished = false;
};

MariadbImport::MariadbImport(const MariadbSettings& settings, std::stop_token stop,
                             MariadbEngine engine) {
  ProcessOptions options;
  options.argv = mariadb_command(settings, "");
  options.argv.front() = client_program(settings, engine, stop);
  // As text of a file: no interpretation of what rows hold, an end at the first error.
  options.argv.insert(options.argv.end(), {"--batch", "--binary-mode", "--max-allowed-packet=1G"});
  state_ = std::make_unique<State>(options, std::move(stop));
}

MariadbImport::~MariadbImport() = default;

void MariadbImport::write(ByteView sql) {
  if (state_->stream.write(sql)) return;
  state_->finish();
  throw Error(Code::kInvalid, "the server's client stopped reading the dump");
}

void MariadbImport::finish() { state_->finish(); }

}  // namespace holdfast
