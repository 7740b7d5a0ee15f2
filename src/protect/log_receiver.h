// Receives the WAL of a server and keeps it in the vault: holdfast stream.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "protect/log_uploader.h"
#include "settings/settings.h"
#include "source/postgres/lsn.h"

namespace holdfast {

struct LogReceiverOptions {
  std::string source;
  PostgresSettings server;
  std::string slot;               // made if it is not there
  std::string name = "holdfast";  // for synchronous_standby_names
  Duration interval = std::chrono::milliseconds{200};
  bool new_cluster = false;  // take a server with another system identifier than the log's, too
  bool skip_gap = false;     // go on, once, although the server lost what comes next
  std::vector<const Vault*> others;
  std::vector<LogFollowerPlace> followers;
};

struct LogReceiverStatus {
  bool connected = false;
  std::uint32_t timeline = 0;
  Lsn received = 0;
  Lsn durable = 0;
  Lsn server_end = 0;
  Timestamp heard{};  // when the server last said something
  LogUploadStats uploads;
  std::vector<LogFollowerStatus> followers;
};

// Runs until `stop`, following timelines and connecting again whenever the server was away; what
// was received until then is brought to the store if it answers. `notify` hears of what a person
// should know: connected, disconnected, a store that fails. Throws what no patience mends:
// kConflict when another cluster answers, kNotFound when the server has lost WAL (see skip_gap),
// kDenied, kInvalid. status() may be called by any thread.
class LogReceiver {
 public:
  LogReceiver(const Vault& vault, const LogReceiverOptions& options,
              std::function<void(const std::string&)> notify);
  ~LogReceiver();
  void run(std::stop_token stop);
  LogReceiverStatus status() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
