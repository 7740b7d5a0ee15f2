// A mysqld or mariadbd that a test has started.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/time.h"
#include "settings/settings.h"

namespace holdfast {

// To be started by the main thread; killed at the end.
class MysqldProcess {
 public:
  // `patience`: how long a start may take.
  explicit MysqldProcess(Duration patience) : patience_(patience) {}
  ~MysqldProcess();
  MysqldProcess(const MysqldProcess&) = delete;
  MysqldProcess& operator=(const MysqldProcess&) = delete;

  // `program` with `directory`/server.cnf, which names a socket there; what it says goes to
  // `directory`/output. Returns when `settings` lead in; throws Error with `log` when it ends
  // before, or does not answer in time.
  void start(std::string program, const std::string& directory, const MariadbSettings& settings,
             const std::function<std::string()>& log);
  bool running() const { return pid_ > 0; }
  void end(int signal);

 private:
  void wait_until_ready(const std::string& directory, const MariadbSettings& settings,
                        const std::function<std::string()>& log);

  const Duration patience_;
  pid_t pid_ = -1;
};

}  // namespace holdfast
