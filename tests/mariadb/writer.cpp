#include "mariadb/writer.h"

#include <stdexcept>

#include "base/error.h"
#include "os/clock.h"

namespace holdfast {
namespace {

constexpr Duration kWriterPatience = std::chrono::minutes{1};
constexpr Duration kWriterPoll = std::chrono::milliseconds{5};

std::uint64_t number(const std::string& text) { return text.empty() ? 0 : std::stoull(text); }

}  // namespace

void MariadbWriter::create_table(const TestMariadb& server) {
  server.run({"CREATE DATABASE IF NOT EXISTS shop",
              "CREATE TABLE shop.written (session INT, n BIGINT, note VARCHAR(100), "
              "PRIMARY KEY (session, n))"});
}

MariadbWriter::MariadbWriter(const TestMariadb& server, int sessions, int first)
    : settings_(server.settings()) {
  for (int i = 0; i < sessions; ++i) {
    sessions_.push_back(std::make_unique<Session>());
    sessions_.back()->number = first + i;
    threads_.emplace_back([this, session = sessions_.back().get()](std::stop_token stop) {
      write(*session, std::move(stop));
    });
  }
}

MariadbWriter::~MariadbWriter() { stop(); }

void MariadbWriter::write(Session& session, std::stop_token stop) const {
  try {
    MariadbConnection connection(settings_, {});
    for (std::uint64_t next = 1; !stop.stop_requested(); ++next) {
      connection.query("INSERT INTO shop.written VALUES (" + std::to_string(session.number) + ", " +
                       std::to_string(next) + ", repeat('x', 80))");
      const std::lock_guard lock(session.mutex);
      session.acknowledged.push_back(system_clock().monotonic());
    }
  } catch (const Error&) {
    // The server went away, which is what many tests are about.
  }
}

std::uint64_t MariadbWriter::acknowledged() const {
  std::uint64_t sum = 0;
  for (const auto& session : sessions_) {
    const std::lock_guard lock(session->mutex);
    sum += session->acknowledged.size();
  }
  return sum;
}

void MariadbWriter::wait_for(std::uint64_t rows) const {
  const std::uint64_t wanted = acknowledged() + rows;
  const Duration end = system_clock().monotonic() + kWriterPatience;
  while (acknowledged() < wanted) {
    if (system_clock().monotonic() > end) throw std::runtime_error("nobody acknowledges rows");
    system_clock().sleep_for(kWriterPoll, {});
  }
}

void MariadbWriter::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

MariadbWriter::Loss MariadbWriter::loss_in(const TestMariadb& server, Duration death) const {
  Loss loss;
  for (const auto& session : sessions_) {
    const std::string of_session =
        " FROM shop.written WHERE session = " + std::to_string(session->number);
    const std::uint64_t count = number(server.sql("SELECT count(*)" + of_session));
    if (number(server.sql("SELECT max(n)" + of_session)) != count) {
      throw std::runtime_error("a row is missing in front of one that is there");
    }
    loss.present += count;
    const std::lock_guard lock(session->mutex);
    if (count >= session->acknowledged.size()) continue;
    loss.rows += session->acknowledged.size() - count;
    loss.age = std::max(loss.age, death - session->acknowledged.at(count));
  }
  return loss;
}

}  // namespace holdfast
