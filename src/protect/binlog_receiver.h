// Receives the binary log of a MariaDB or MySQL server and keeps it in the vault: holdfast stream.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_uploader.h"
#include "settings/settings.h"

namespace holdfast {

struct BinlogReceiverOptions {
  std::string source;
  MariadbSettings server;
  Duration interval = std::chrono::milliseconds{200};
  bool skip_gap = false;  // go on, once, although the server lost what comes next
  std::vector<const Vault*> others;
  std::vector<LogFollowerPlace> followers;
};

// A place in the log, by its file and by its transactions.
struct BinlogReach {
  std::string file;
  std::uint64_t offset = 0;  // behind the last whole event
  std::string gtid;          // the position behind the last whole transaction
  Timestamp committed{};     // when that one was; zero: not known
};

struct BinlogReceiverStatus {
  bool connected = false;
  std::string stream;
  std::string received_file;
  std::uint64_t received_offset = 0;
  BinlogReach durable;
  std::uint64_t behind = 0;  // bytes that were received and are not durable
  Timestamp heard{};         // when the server last said something
  LogUploadStats uploads;
  std::vector<LogFollowerStatus> followers;
};

// Runs until `stop`, connecting again whenever the server was away; what was received until then is
// brought to the store if it answers. `notify` hears of what a person should know: connected,
// disconnected, a store that fails. Throws what no patience mends: what find_binlog_place() throws,
// kDenied, kInvalid. status() may be called by any thread.
class BinlogReceiver {
 public:
  BinlogReceiver(const Vault& vault, const BinlogReceiverOptions& options,
                 std::function<void(const std::string&)> notify);
  ~BinlogReceiver();
  void run(std::stop_token stop);
  BinlogReceiverStatus status() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
