// What a restore does to a server: the same for both engines. Inside the room.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "objective/assertion.h"
#include "protect/dump_choice.h"
#include "settings/settings.h"

namespace holdfast {

// A server and the database in it that a dump goes to. One thread at a time.
class IntoServer {
 public:
  virtual ~IntoServer() = default;

  virtual std::string name() const = 0;  // for messages
  // Throws kUnsupported when the server cannot take the dump, kInvalid when it lacks roles.
  virtual void check(const ChosenDump& dump, const std::set<std::string>& roles) = 0;
  virtual std::string local_data_directory() = 0;  // empty: elsewhere
  virtual bool has_database() = 0;
  virtual std::uint64_t size() = 0;  // of the database that is there, bytes
  virtual std::vector<std::string> sessions() = 0;
  virtual void end_sessions() = 0;
  // A source that backs up the database as it is now.
  virtual SourceSettings safety_source() const = 0;

  // True when loading leaves the database that is there alone until take_place().
  virtual bool loads_beside() const = 0;
  // `bytes` counts what was loaded so far.
  virtual void load(const ChosenDump& dump, std::atomic<std::uint64_t>& bytes) = 0;
  // The answer of a query in what was loaded. It may only read: kInvalid.
  virtual AnswerRows ask(const std::string& query) = 0;
  virtual void take_place() = 0;
  // What was loaded and has not taken its place. Works after an interruption, too.
  virtual void drop_loaded() = 0;
  // What was there and lost its place, and what that is called; "" when there is none.
  virtual void drop_old() = 0;
  virtual std::string old_name() const = 0;
};

// `settings` reach the server. `database` is where the dump is to go.
std::unique_ptr<IntoServer> into_postgres(const PostgresSettings& settings,
                                          const std::string& database, std::stop_token stop);
std::unique_ptr<IntoServer> into_mariadb(const MariadbSettings& settings,
                                         const std::string& database, std::stop_token stop);

}  // namespace holdfast
