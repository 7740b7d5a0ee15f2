// Clients outside that insert numbered rows into a MariaDB server and remember what it promised.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/mariadb_server.h"

namespace holdfast {

// Each session writes rows 1, 2, 3 ... of its own into the table shop.written, one transaction
// each, until it is stopped or its server goes away.
class MariadbWriter {
 public:
  static void create_table(const TestMariadb& server);

  // `first` tells the sessions of one writer from another's: first, first + 1 ...
  explicit MariadbWriter(const TestMariadb& server, int sessions = 2, int first = 1);
  ~MariadbWriter();

  // Returns once `rows` more were acknowledged; throws std::runtime_error after a minute.
  void wait_for(std::uint64_t rows) const;
  // Ends the sessions after what they are at, which the server may never answer. Safe twice.
  void stop();
  std::uint64_t acknowledged() const;

  struct Loss {
    std::uint64_t rows = 0;     // acknowledged, and not there
    std::uint64_t present = 0;  // rows that are there
    Duration age{};             // of the oldest of them, at `death`
  };
  // Throws std::runtime_error when a row is missing in front of one that is there. `death` is a
  // time of the monotonic clock.
  Loss loss_in(const TestMariadb& server, Duration death) const;

 private:
  struct Session {
    int number = 0;
    mutable std::mutex mutex;
    std::vector<Duration> acknowledged;  // when, by row
  };
  void write(Session& session, std::stop_token stop) const;

  MariadbSettings settings_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::jthread> threads_;
};

}  // namespace holdfast
