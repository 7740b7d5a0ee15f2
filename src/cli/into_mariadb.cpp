#include "base/error.h"
#include "base/human.h"
#include "cli/into_server.h"
#include "os/file.h"
#include "protect/mariadb_questions.h"
#include "source/mariadb/connection.h"
#include "source/mariadb/dump_filter.h"
#include "source/mariadb/question.h"
#include "source/mariadb/restore.h"
#include "source/mariadb/server.h"
#include "vault/lease.h"

namespace holdfast {
namespace {

std::string quoted_name(const std::string& name) {
  std::string text = "`";
  for (const char c : name) {
    if (c == '`') text += '`';
    text += c;
  }
  return text + "`";
}

// The advice of a connection is about backups.
template <typename Work>
auto with_rights_for(const std::string& database, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.code() != Code::kDenied) throw;
    throw Error(Code::kDenied, error.message(),
                "a restore makes and fills the database: GRANT ALL ON " + quoted_name(database) +
                    ".* TO the user; for views, triggers and routines of other accounts also GRANT "
                    "SET USER, for --disconnect PROCESS, CONNECTION ADMIN ON *.*");
  }
}

// MariaDB and MySQL cannot rename a database: what is there is dropped and made anew.
class IntoMariadb final : public IntoServer {
 public:
  IntoMariadb(const MariadbSettings& settings, const std::string& database, std::stop_token stop)
      : settings_(settings),
        database_(database),
        stop_(stop),
        connection_(settings, std::move(stop)) {}

  std::string name() const override { return connection_.name(); }
  void check(const ChosenDump& dump, const std::set<std::string>&) override {
    const MariadbServer server = read_mariadb_server(connection_);
    if (dump.mariadb_version.empty()) return;
    const std::string both = std::string("the dump is of ") + engine_title(dump.mariadb_engine) +
                             " " + dump.mariadb_version + ", and the server is " +
                             engine_title(server.engine) + " " + server.version;
    if (server.engine != dump.mariadb_engine) {
      throw Error(Code::kUnsupported, both + ": neither understands all of the other's SQL",
                  "restore it into a server of its own kind; or bring the dump to a file "
                  "(holdfast cat, or restore --target DIR) and load what this server takes of it");
    }
    if (!is_older_mariadb(server.version, dump.mariadb_version)) return;
    throw Error(Code::kUnsupported, both + ": an older server does not understand all of it",
                "restore it into a server of the same or a later version");
  }

  std::string local_data_directory() override {
    const std::string directory = read_mariadb_server(connection_).data_directory;
    const bool here = connection_.value("select @@hostname") == host_name();
    return here && path_exists(directory) ? directory : "";
  }

  bool has_database() override {
    return connection_.value(
               "select count(*) from information_schema.schemata where "
               "schema_name = " +
               connection_.quoted(database_)) != "0";
  }
  std::uint64_t size() override {
    const std::string size = connection_.value(
        "select cast(coalesce(sum(data_length + index_length), 0) as unsigned) from "
        "information_schema.tables where table_schema = " +
        connection_.quoted(database_));
    return size.empty() ? 0 : std::stoull(size);
  }

  std::vector<std::string> sessions() override {
    std::vector<std::string> found;
    for (const MariadbRow& row : connection_.query(
             "select concat(user, '@', host) from information_schema.processlist where db = " +
             connection_.quoted(database_) + " and id <> connection_id()")) {
      found.push_back(printable(row[0].value_or("")));
    }
    return found;
  }
  void end_sessions() override {
    for (const MariadbRow& row :
         connection_.query("select id from information_schema.processlist where db = " +
                           connection_.quoted(database_) + " and id <> connection_id()")) {
      connection_.query("kill connection " + row[0].value_or("0"));
    }
  }

  SourceSettings safety_source() const override {
    SourceSettings source;
    source.backup_class = "database";
    source.mariadb = settings_;
    source.mariadb->method = DatabaseMethod::kLogical;
    source.mariadb->databases = {database_};
    return source;
  }

  bool loads_beside() const override { return false; }

  void load(const ChosenDump& dump, std::atomic<std::uint64_t>& bytes) override {
    with_rights_for(database_, [&] { make_and_fill(dump, bytes); });
  }

  AnswerRows ask(const std::string& query) override {
    MariadbConnection connection(settings_, stop_);
    connection.query("use " + quoted_name(database_));
    return read_mariadb(connection, query);
  }

  void take_place() override { taken_ = true; }
  void drop_loaded() override {
    if (!created_ || taken_ || exists_) return;
    MariadbConnection(settings_, {}).query("drop database " + quoted_name(database_));
  }
  void drop_old() override {}
  std::string old_name() const override { return {}; }

 private:
  void make_and_fill(const ChosenDump& dump, std::atomic<std::uint64_t>& bytes) {
    exists_ = has_database();
    const std::string collation =
        exists_ ? connection_.value(
                      "select concat(' character set ', "
                      "default_character_set_name, ' collate ', "
                      "default_collation_name) from information_schema.schemata "
                      "where schema_name = " +
                      connection_.quoted(database_))
                : "";
    if (exists_) connection_.query("drop database " + quoted_name(database_));
    connection_.query("create database " + quoted_name(database_) + collation);
    created_ = true;
    MariadbImport import(settings_, stop_, connection_.engine());
    import.write(as_bytes("USE " + quoted_name(database_) + ";\n"));
    MariadbDatabaseFilter filter(dump.database,
                                 [&import](ByteView content) { import.write(content); });
    dump.read([&](ByteView content) {
      filter.write(content);
      bytes += content.size();
    });
    filter.finish();
    import.finish();
  }

  MariadbSettings settings_;
  std::string database_;
  std::stop_token stop_;
  MariadbConnection connection_;
  bool exists_ = false;
  bool created_ = false;
  bool taken_ = false;
};

}  // namespace

std::unique_ptr<IntoServer> into_mariadb(const MariadbSettings& settings,
                                         const std::string& database, std::stop_token stop) {
  return std::make_unique<IntoMariadb>(settings, database, std::move(stop));
}

}  // namespace holdfast
