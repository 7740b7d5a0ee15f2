#include "source/postgres/load.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"
#include "os/file.h"
#include "os/process_stream.h"

namespace holdfast {
namespace {

constexpr const char* kMaintenance = "postgres";
constexpr const char* kMaintenanceOther = "template1";

std::string quoted_name(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + "\"";
}

// The statements that give `fresh` what `database` has besides its content.
std::vector<std::string> properties(PgConnection& connection, const std::string& database,
                                    const std::string& fresh) {
  std::vector<std::string> statements;
  const auto add = [&](const std::string& sql) {
    for (const PgRow& row : connection.query(sql, {database, fresh})) {
      if (row[0]) statements.push_back(*row[0]);
    }
  };
  // The values of settings that are lists are quoted already.
  add("select format('ALTER %s SET %I = %s', case when s.setrole = 0 "
      "then format('DATABASE %I', $2::text) "
      "else format('ROLE %I IN DATABASE %I', r.rolname, $2::text) end, v.name, "
      "case when lower(v.name) in ('search_path', 'temp_tablespaces', "
      "'session_preload_libraries', 'local_preload_libraries') then v.value "
      "else quote_literal(v.value) end) "
      "from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase "
      "left join pg_roles r on r.oid = s.setrole cross join unnest(s.setconfig) c "
      "cross join lateral (select split_part(c, '=', 1) as name, "
      "substr(c, strpos(c, '=') + 1) as value) v where d.datname = $1");
  add("select format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) from pg_database "
      "where datname = $1 and datacl is not null");
  add("select format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text, "
      "case when a.grantee = 0 then 'PUBLIC' else quote_ident(r.rolname) end, "
      "case when a.is_grantable then ' WITH GRANT OPTION' else '' end) "
      "from pg_database d cross join aclexplode(d.datacl) a "
      "left join pg_roles r on r.oid = a.grantee where d.datname = $1 and a.grantee <> d.datdba");
  add("select format('COMMENT ON DATABASE %I IS %L', $2::text, shobj_description(oid, "
      "'pg_database')) from pg_database where datname = $1 "
      "and shobj_description(oid, 'pg_database') is not null");
  return statements;
}

Error load_error(const std::string& program, const std::string& said) {
  const bool version = said.find("unsupported version") != std::string::npos ||
                       said.find("invalid command \\restrict") != std::string::npos;
  if (version) {
    return {Code::kUnsupported,
            program + " is older than the program that made the dump: " + one_line(said),
            "install the newer client tools and name their place: 'bin_directory' of the source"};
  }
  if (said.find("No space left") != std::string::npos) {
    return {Code::kExhausted, "the server has no space left: " + one_line(said),
            "free some, or restore into another server"};
  }
  return {Code::kInvalid, "the server did not take the dump: " + one_line(said)};
}

}  // namespace

PgLoadTarget::PgLoadTarget(const PostgresSettings& settings, std::stop_token stop)
    : settings_(settings) {
  // Nobody can rename the database that he is in.
  const bool busy = pg_database_of(settings.connection) == kMaintenance;
  connection_ = std::make_unique<PgConnection>(settings, busy ? kMaintenanceOther : kMaintenance,
                                               std::move(stop));
}

std::string PgLoadTarget::local_data_directory() {
  // Over a socket, or from this very host.
  const bool local = connection_->value(
                         "select inet_server_addr() is null or host(inet_server_addr()) in "
                         "('127.0.0.1', '::1')") == "t";
  if (!local) return {};
  try {
    std::string directory = connection_->value("select current_setting('data_directory')");
    return path_exists(directory) ? directory : "";
  } catch (const Error& error) {
    if (error.code() != Code::kDenied) throw;
    return {};
  }
}

bool PgLoadTarget::has_database(const std::string& database) {
  return !connection_->query("select 1 from pg_database where datname = $1", {database}).empty();
}

std::uint64_t PgLoadTarget::size_of(const std::string& database) {
  return std::stoull(connection_->value("select pg_database_size($1::name)", {database}));
}

void PgLoadTarget::create_role(const std::string& role) {
  connection_->query("CREATE ROLE " + quoted_name(role));
}

std::vector<std::string> PgLoadTarget::missing_roles(const std::set<std::string>& roles) {
  std::vector<std::string> missing;
  for (const std::string& role : roles) {
    if (connection_->query("select 1 from pg_roles where rolname = $1", {role}).empty()) {
      missing.push_back(role);
    }
  }
  return missing;
}

std::vector<std::string> PgLoadTarget::sessions_in(const std::string& database) {
  std::vector<std::string> sessions;
  for (const PgRow& row : connection_->query(
           "select coalesce(usename, '?') || '@' || coalesce(host(client_addr), 'local') || "
           "case when application_name = '' then '' else ' (' || application_name || ')' end "
           "from pg_stat_activity where datname = $1 and pid <> pg_backend_pid() "
           "and backend_type = 'client backend'",
           {database})) {
    sessions.push_back(printable(row[0].value_or("")));
  }
  return sessions;
}

void PgLoadTarget::end_sessions_in(const std::string& database) {
  connection_->query(
      "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
      "where datname = $1 and pid <> pg_backend_pid()",
      {database});
}

std::vector<std::string> PgLoadTarget::prepared_in(const std::string& database) {
  std::vector<std::string> names;
  for (const PgRow& row : connection_->query(
           "select gid from pg_prepared_xacts where database = $1 order by prepared", {database})) {
    names.push_back(printable(row[0].value_or("")));
  }
  return names;
}

void PgLoadTarget::create(const std::string& database, const std::string& like) {
  std::string sql = "CREATE DATABASE " + quoted_name(database) + " TEMPLATE template0";
  if (!like.empty()) {
    sql += connection_->value(
        // Who names a tablespace needs a right on it, even on the one that everybody has.
        "select format(' OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L', r.rolname, "
        "pg_encoding_to_char(d.encoding), d.datcollate, d.datctype) || "
        "case when t.spcname = 'pg_default' then '' else format(' TABLESPACE %I', t.spcname) end "
        "from pg_database d join pg_roles r on r.oid = d.datdba "
        "join pg_tablespace t on t.oid = d.dattablespace where d.datname = $1",
        {like});
  }
  try {
    connection_->query(sql);
  } catch (Error& error) {
    if (error.message().find("to create database") == std::string::npos) throw;
    const std::string role = connection_->value("select quote_ident(current_user)");
    error.suggest("as a superuser: ALTER ROLE " + role +
                  " CREATEDB; or name another role: --into 'user=... ...'");
    throw;
  }
}

void PgLoadTarget::take_place(const std::string& fresh, const std::string& database,
                              const std::string& aside) {
  for (const std::string& statement : properties(*connection_, database, fresh)) {
    connection_->query(statement);
  }
  connection_->query("BEGIN");
  try {
    rename(database, aside);
    rename(fresh, database);
    connection_->query("COMMIT");
  } catch (const Error&) {
    connection_->query("ROLLBACK");
    throw;
  }
}

void PgLoadTarget::rename(const std::string& database, const std::string& name) {
  connection_->query("ALTER DATABASE " + quoted_name(database) + " RENAME TO " + quoted_name(name));
}

void PgLoadTarget::drop(const std::string& database) {
  connection_->query("DROP DATABASE IF EXISTS " + quoted_name(database) + " WITH (FORCE)");
}

void check_load(const ProcessResult& result, const std::string& program) {
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code != 0) throw load_error(program, result.error_output);
}

struct PgLoad::State {
  State(const ProcessOptions& options, std::string name, std::stop_token stop)
      : program(std::move(name)),
        stream(options, ProcessStream::Direction::kInput, std::move(stop)) {}

  void finish() { check_load(stream.finish(), program); }

  std::string program;
  ProcessStream stream;
};

PgLoad::PgLoad(const PostgresSettings& settings, int server_version, const std::string& database,
               bool custom, std::stop_token stop) {
  const std::string program = custom ? "pg_restore" : "psql";
  ProcessOptions options;
  options.argv = pg_command(settings, program, server_version);
  options.environment = pg_environment(settings, database);
  options.working_directory = "/";
  if (custom) {
    options.argv.insert(options.argv.end(), {"--no-password", "--exit-on-error", "--dbname",
                                             "dbname=" + conninfo_value(database)});
  } else {
    options.argv.insert(options.argv.end(), {"--no-psqlrc", "--quiet", "--no-password", "--output",
                                             "/dev/null", "--set", "ON_ERROR_STOP=1"});
  }
  state_ = std::make_unique<State>(options, program, std::move(stop));
}

PgLoad::~PgLoad() = default;

void PgLoad::write(ByteView content) {
  if (state_->stream.write(content)) return;
  state_->finish();
  throw Error(Code::kInvalid, state_->program + " stopped reading the dump");
}

void PgLoad::finish() { state_->finish(); }

bool PgDatabaseFilter::passes(std::string_view line) {
  if (in_rows_) {
    in_rows_ = line != "\\.";
    return true;
  }
  if (line.starts_with("COPY ") && line.ends_with(" FROM stdin;")) {
    in_rows_ = true;
    return true;
  }
  const bool header = line.starts_with("-- Name: ") || line.starts_with("-- Data for Name: ") ||
                      line.starts_with("-- PostgreSQL database dump complete");
  if (header) {
    const bool whole = line.find("; Type: DATABASE; ") != std::string_view::npos ||
                       line.find("; Type: DATABASE PROPERTIES; ") != std::string_view::npos ||
                       line.starts_with("-- Name: DATABASE ");
    state_ = whole ? State::kSkip : State::kPass;
    return state_ == State::kPass;
  }
  switch (state_) {
    case State::kPass:
      return true;
    case State::kSkip:
      if (line.starts_with("\\connect ")) state_ = State::kConnected;
      return false;
    case State::kConnected:
      // The session is restricted already: what would have ended that was left out as well.
      state_ = State::kPass;
      return !line.starts_with("\\restrict ");
  }
  return true;
}

}  // namespace holdfast
