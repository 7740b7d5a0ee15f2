#include "postgres/writer.h"

#include <memory>
#include <stdexcept>

#include "base/error.h"
#include "os/clock.h"
#include "source/postgres/connection.h"

namespace holdfast {
namespace {

constexpr Duration kPatience = std::chrono::minutes{1};
constexpr Duration kPoll = std::chrono::milliseconds{5};

std::uint64_t number(const std::string& text) { return text.empty() ? 0 : std::stoull(text); }

PostgresSettings settings_of(const std::string& connection) {
  PostgresSettings settings;
  settings.connection = connection;
  settings.system_user = "";
  return settings;
}

}  // namespace

void Writer::create_table(const PostgresServer& server) {
  server.query(
      "CREATE TABLE written (session int, n bigint, lsn pg_lsn, note text, PRIMARY KEY (session, "
      "n))");
}

Writer::Writer(const PostgresServer& server, int sessions, int first)
    : connection_("host=" + server.socket_directory() + " user=postgres dbname=postgres") {
  for (int i = 0; i < sessions; ++i) {
    sessions_.push_back(std::make_unique<Session>());
    sessions_.back()->number = first + i;
    threads_.emplace_back([this, session = sessions_.back().get()](std::stop_token stop) {
      write(*session, std::move(stop));
    });
  }
}

Writer::~Writer() { stop(); }

void Writer::write(Session& session, std::stop_token stop) const {
  try {
    // Stopped in between, never in the middle: a cancelled commit is one that nobody knows about.
    PgConnection connection(settings_of(connection_), "", {});
    while (!stop.stop_requested()) {
      const std::uint64_t next = session.acknowledged + 1;
      connection.query(
          "INSERT INTO written VALUES ($1, $2, pg_current_wal_insert_lsn(), repeat('x', 100))",
          {std::to_string(session.number), std::to_string(next)});
      session.acknowledged = next;
    }
  } catch (const Error&) {
    // The server went away, which is what many tests are about.
  }
}

std::uint64_t Writer::acknowledged() const {
  std::uint64_t sum = 0;
  for (const auto& session : sessions_) sum += session->acknowledged;
  return sum;
}

void Writer::wait_for(std::uint64_t rows) const {
  const std::uint64_t wanted = acknowledged() + rows;
  const Duration end = system_clock().monotonic() + kPatience;
  while (acknowledged() < wanted) {
    if (system_clock().monotonic() > end) throw std::runtime_error("nobody acknowledges rows");
    system_clock().sleep_for(kPoll, {});
  }
}

void Writer::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

std::uint64_t Writer::missing_in(const PostgresServer& server) const {
  std::uint64_t missing = 0;
  for (const auto& session : sessions_) {
    const std::string of_session =
        " FROM written WHERE session = " + std::to_string(session->number);
    const std::uint64_t count = number(server.query("SELECT count(*)" + of_session));
    if (number(server.query("SELECT max(n)" + of_session)) != count) {
      throw std::runtime_error("a row is missing in front of one that is there");
    }
    if (count < session->acknowledged) missing += session->acknowledged - count;
  }
  return missing;
}

std::uint64_t missing_before(const std::string& lsn, const PostgresServer& original,
                             const PostgresServer& restored) {
  const std::string newest = original.query(
      "SELECT coalesce(string_agg(format('(%s, %s)', session, n), ', '), '(0, 0)') FROM "
      "(SELECT session, max(n) AS n FROM (SELECT session, n, lead(lsn) OVER (PARTITION BY session "
      "ORDER BY n) AS next FROM written) AS all_rows WHERE next <= '" +
      lsn + "' GROUP BY session) AS newest");
  return number(restored.query(
      "SELECT coalesce(sum(wanted.n - (SELECT count(*) FROM written w WHERE w.session = "
      "wanted.session AND w.n <= wanted.n)), 0) FROM (VALUES " +
      newest + ") AS wanted(session, n)"));
}

std::string written_rows(const PostgresServer& server) {
  return server.query(
      "SELECT count(*) || ' ' || coalesce(md5(string_agg(session || ' ' || n || ' ' || lsn, ',' "
      "ORDER BY session, n)), '') FROM written");
}

}  // namespace holdfast
