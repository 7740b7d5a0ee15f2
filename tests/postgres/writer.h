// Clients outside that insert numbered rows and remember which of them were acknowledged.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "support/postgres_server.h"

namespace holdfast {

// Each session writes rows 1, 2, 3 ... of its own into the table "written", one transaction each,
// until it is stopped or its server goes away. A row holds the position of the log right before it,
// so that the row before was committed by then.
class Writer {
 public:
  static void create_table(const PostgresServer& server);

  // `first` tells the sessions of one writer from another's: first, first + 1 ...
  explicit Writer(const PostgresServer& server, int sessions = 2, int first = 1);
  ~Writer();

  // Returns once `rows` more were acknowledged; throws std::runtime_error after a minute.
  void wait_for(std::uint64_t rows) const;
  // Ends the sessions after what they are at, which the server may never answer. Safe twice.
  void stop();
  std::uint64_t acknowledged() const;

  // How many of the acknowledged rows `server` lacks. Throws std::runtime_error when a row is
  // missing in front of one that is there.
  std::uint64_t missing_in(const PostgresServer& server) const;

 private:
  struct Session {
    int number = 0;
    std::atomic<std::uint64_t> acknowledged{0};
  };
  void write(Session& session, std::stop_token stop) const;

  std::string connection_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::jthread> threads_;
};

// How many rows of `original` were committed before `lsn` for certain, and `restored` lacks.
std::uint64_t missing_before(const std::string& lsn, const PostgresServer& original,
                             const PostgresServer& restored);

// All rows, for a comparison.
std::string written_rows(const PostgresServer& server);

}  // namespace holdfast
