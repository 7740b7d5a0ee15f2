#include "source/postgres/base_backup.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>

#include "base/error.h"
#include "base/one_line.h"
#include "source/postgres/base_backup_reader.h"
#include "source/postgres/libpq.h"

namespace holdfast {
namespace {

constexpr int kPollMilliseconds = 200;  // how late a stop may be noticed
constexpr std::size_t kMostWarnings = 20;
constexpr std::string_view kDataCorrupted = "XX001";

void note(void* list, const PGresult* result) {
  auto& warnings = *static_cast<std::vector<std::string>*>(list);
  const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  // A notice tells that the log is not archived, which is not asked for.
  if (text == nullptr || severity == nullptr || std::string_view(severity) != "WARNING") return;
  if (warnings.size() < kMostWarnings) warnings.push_back(one_line(text));
}

}  // namespace

// One of the answers to a command.
class PgBaseBackup::Answer {
 public:
  explicit Answer(PGresult* result) : result_(result) {}

  ExecStatusType status() const { return PQresultStatus(result_.get()); }
  bool is_end() const { return !result_; }
  int rows() const { return PQntuples(result_.get()); }
  std::string cell(int row, int column) const {
    if (row >= rows() || column >= PQnfields(result_.get())) return {};
    return PQgetvalue(result_.get(), row, column);
  }
  std::string_view state() const {
    const char* state = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
    return state == nullptr ? "" : state;
  }
  std::string message() const { return one_line(PQresultErrorMessage(result_.get())); }

 private:
  PqResult result_;
};

PgBaseBackup::PgBaseBackup(const PostgresSettings& settings, const PgWalHold& hold,
                           std::stop_token stop)
    : cluster_(hold.cluster()),
      stop_(std::move(stop)),
      connection_(
          connect(settings, {{"replication", "true"}, {"application_name", "holdfast_backup"}})) {
  PQsetNoticeReceiver(connection_.get(), &note, &warnings_);
  check_same_server(hold);
}

PgBaseBackup::~PgBaseBackup() = default;

void PgBaseBackup::wait() {
  pollfd waiting{PQsocket(connection_.get()), POLLIN, 0};
  for (;;) {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    const int ready = ::poll(&waiting, 1, kPollMilliseconds);
    if (ready < 0 && errno != EINTR) throw system_error(errno, "cannot wait for the server");
    if (ready > 0) break;
  }
  if (PQconsumeInput(connection_.get()) == 0) fail_gone();
}

PgBaseBackup::Answer PgBaseBackup::next() {
  while (PQisBusy(connection_.get()) != 0) wait();
  return Answer(PQgetResult(connection_.get()));
}

void PgBaseBackup::fail_gone() const {
  throw Error(Code::kUnavailable,
              "the server went away in the middle of the backup: " +
                  one_line(PQerrorMessage(connection_.get())),
              "nothing was stored as a backup; run it again when the server answers, what came so "
              "far is not stored twice");
}

void PgBaseBackup::fail(const Answer& answer) const {
  const std::string_view state = answer.state();
  if (PQstatus(connection_.get()) != CONNECTION_OK || state.starts_with("57P")) fail_gone();
  const std::string said = "PostgreSQL: " + answer.message();
  if (state == "55000") {
    throw Error(Code::kConflict, "the backup cannot be used: " + said,
                "a standby was promoted, or the server changed its WAL level: run it again");
  }
  if (state == "42501") {
    throw Error(Code::kDenied, said,
                "a backup needs a role with REPLICATION: ALTER ROLE ... REPLICATION");
  }
  throw Error(Code::kInvalid, "the backup failed: " + said,
              "nothing was stored as a backup; the server's log says more; run it again");
}

PgBaseBackup::Answer PgBaseBackup::expect_rows(const char* what) {
  Answer answer = next();
  if (answer.is_end() || answer.status() == PGRES_COMMAND_OK) {
    throw Error(Code::kCorrupt, std::string("the server does not say ") + what);
  }
  if (answer.status() != PGRES_TUPLES_OK) fail(answer);
  return answer;
}

// A name or a list of hosts may lead to one server now and to another one the next time.
void PgBaseBackup::check_same_server(const PgWalHold& hold) {
  const auto ask = [this](const std::string& command) {
    if (PQsendQuery(connection_.get(), command.c_str()) == 0) fail(Answer(nullptr));
    Answer answer = expect_rows("who it is");
    while (!next().is_end()) {
    }
    return answer;
  };
  bool same = ask("IDENTIFY_SYSTEM").cell(0, 0) == cluster_.system_identifier;
  if (same && cluster_.version_number >= 150000) {
    same = !ask("READ_REPLICATION_SLOT " + hold.slot()).cell(0, 0).empty();
  }
  if (same) return;
  throw Error(Code::kConflict, "two connections led to two different servers",
              "name one server in 'connection'; with several hosts, target_session_attrs chooses");
}

// fast: a backup does not wait for the next checkpoint. WAL: all of it comes at the end of the data
// directory, as the slot keeps it. The manifest's checksum is the one that costs next to nothing.
std::string PgBaseBackup::command() const {
  if (cluster_.version_number >= 150000) {
    return "BASE_BACKUP (LABEL 'holdfast', PROGRESS true, CHECKPOINT 'fast', WAL true, WAIT false, "
           "TABLESPACE_MAP true, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', TARGET 'client')";
  }
  return "BASE_BACKUP LABEL 'holdfast' PROGRESS FAST WAL NOWAIT TABLESPACE_MAP MANIFEST 'yes' "
         "MANIFEST_CHECKSUMS 'CRC32C'";
}

void PgBaseBackup::copy(const std::function<void(ByteView bytes)>& each) {
  for (;;) {
    char* raw = nullptr;
    const int size = PQgetCopyData(connection_.get(), &raw, 1);
    const PqBuffer owner(raw);
    if (size == 0) {
      wait();
    } else if (size > 0) {
      if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      each({reinterpret_cast<const std::uint8_t*>(raw), static_cast<std::size_t>(size)});
    } else if (size == -1) {
      return;
    } else {
      fail(next());
    }
  }
}

void PgBaseBackup::stream(BaseBackupReader& reader) {
  const Answer answer = next();
  if (answer.is_end() || answer.status() != PGRES_COPY_OUT) fail(answer);
  copy([&](ByteView bytes) { reader.message(bytes); });
}

// Before 15: one COPY for each of them and one for the manifest.
void PgBaseBackup::stream_archives(BaseBackupReader& reader,
                                   const std::vector<std::string>& tablespaces) {
  const auto one = [&] {
    const Answer answer = next();
    if (answer.is_end() || answer.status() != PGRES_COPY_OUT) fail(answer);
    copy([&](ByteView bytes) { reader.data(bytes); });
  };
  for (const std::string& tablespace : tablespaces) {
    reader.begin_archive(tablespace);
    one();
  }
  reader.begin_manifest();
  one();
}

// The server says at the very end that it found damaged pages, which it sent as they are.
void PgBaseBackup::end() {
  for (;;) {
    const Answer answer = next();
    if (answer.is_end()) return;
    if (answer.status() == PGRES_COMMAND_OK) continue;
    if (answer.state() != kDataCorrupted) fail(answer);
    damage_ = true;
  }
}

PgBackupSpan PgBaseBackup::run(PgFileTaker& taker, const Beginning& begin) {
  if (PQsendQuery(connection_.get(), command().c_str()) == 0) fail(Answer(nullptr));
  PgBackupSpan span;
  const Answer start = expect_rows("where the backup starts");
  span.start = parse_lsn(start.cell(0, 0));
  span.timeline = static_cast<std::uint32_t>(std::stoul(start.cell(0, 1)));
  const Answer spaces = expect_rows("which tablespaces there are");
  std::vector<std::string> tablespaces;
  std::uint64_t kilobytes = 0;
  for (int row = 0; row < spaces.rows(); ++row) {
    tablespaces.push_back(spaces.cell(row, 0));
    if (const std::string size = spaces.cell(row, 2); !size.empty()) kilobytes += std::stoull(size);
  }
  begin(span.start, kilobytes << 10);
  BaseBackupFiles files(std::stoull(cluster_.system_identifier),
                        static_cast<std::uint32_t>(cluster_.segment_size), taker);
  BaseBackupReader reader({[&files](const std::string& tablespace, const TarMember& member) {
                             files.begin(tablespace, member);
                           },
                           [&files](ByteView content) { files.content(content); },
                           [&files] { files.end(); }});
  if (cluster_.version_number >= 150000) {
    stream(reader);
  } else {
    stream_archives(reader, tablespaces);
  }
  span.stop = parse_lsn(expect_rows("where the backup stops").cell(0, 0));
  end();
  reader.finish();
  files.finish(span, parse_backup_manifest(reader.manifest()));
  return span;
}

}  // namespace holdfast
