#include "source/postgres/dump_check.h"

#include <string>

#include "base/error.h"
#include "base/human.h"
#include "source/postgres/dump.h"

namespace holdfast {
namespace {

constexpr int kFirstWithReadAll = 140000;

// Tables and sequences, but for the server's own and temporary ones, and those of extensions, of
// which a dump has only the name.
constexpr const char* kRelations =
    " from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't' "
    "and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' "
    "and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass "
    "and d.objid = c.oid and d.deptype = 'e') ";
constexpr const char* kNames = "select count(*), coalesce(min(n.nspname || '.' || c.relname), '')";

class DumpCheck {
 public:
  DumpCheck(const PostgresSettings& settings, int server_version, const std::stop_token& stop)
      : settings_(settings), server_version_(server_version), stop_(stop) {}

  void check_all(PgConnection& connection, const PgDumpedGlobals& globals) {
    role_ = connection.value("select quote_ident(current_user)");
    const std::vector<std::string> databases = chosen_pg_databases(settings_, connection);
    for (const std::string& database : databases) guarded(database, &DumpCheck::check_database);
    if (globals.roles && globals.passwords) guarded("postgres", &DumpCheck::check_passwords);
    if (!findings_.empty()) return;
    findings_.push_back({Verdict::kGood,
                         "the role " + role_ + " can read " + plural(databases.size(), "database"),
                         ""});
  }

  std::vector<SetupFinding> findings() { return std::move(findings_); }

 private:
  using Part = void (DumpCheck::*)(PgConnection&, const std::string&);

  void bad(std::string what, std::string hint) {
    findings_.push_back({Verdict::kBad, std::move(what), std::move(hint)});
  }

  void guarded(const std::string& database, Part part) {
    try {
      PgConnection connection(settings_, database, stop_);
      (this->*part)(connection, database);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      bad("database " + printable(database) + ": " + error.message(),
          error.hint().empty() ? "see that the role " + role_ + " may connect to it (pg_hba.conf)"
                               : error.hint());
    }
  }

  std::string grant_reading() const {
    return server_version_ >= kFirstWithReadAll
               ? "GRANT pg_read_all_data TO " + role_ + ";"
               : "grant it USAGE on each schema, SELECT on all tables and sequences in it, and the "
                 "same by ALTER DEFAULT PRIVILEGES; or dump as a superuser";
  }

  void check_database(PgConnection& connection, const std::string& database) {
    const std::string where = printable(database);
    const PgRow unread = connection
                             .query(std::string(kNames) + kRelations +
                                    "and not (has_table_privilege(c.oid, 'select') and "
                                    "has_schema_privilege(n.oid, 'usage'))")
                             .at(0);
    if (unread[0] != "0") {
      bad("the role " + role_ + " may not read " + unread[0].value_or("") + " of the tables and " +
              "sequences in " + where + " (first: " + printable(unread[1].value_or("")) +
              "): the dump will fail",
          grant_reading());
    }
    // A dump asks for all rows or none.
    const PgRow filtered =
        connection
            .query(std::string(kNames) + kRelations +
                   "and c.relrowsecurity and has_schema_privilege(n.oid, 'usage') and "
                   "row_security_active(c.oid)")
            .at(0);
    if (filtered[0] != "0") {
      bad("row security hides rows of " + printable(filtered[1].value_or("")) + " in " + where +
              " from the role " + role_ + ": the dump will fail",
          "ALTER ROLE " + role_ + " BYPASSRLS;");
    }
    check_large_objects(connection, where);
  }

  // No right on everything covers them.
  void check_large_objects(PgConnection& connection, const std::string& where) {
    const PgRow row =
        connection
            .query(
                "select count(*), min(oid)::text from pg_largeobject_metadata m where not "
                "current_setting('lo_compat_privileges')::bool and not "
                "(pg_has_role(m.lomowner, 'usage') or exists (select 1 from aclexplode(m.lomacl) a "
                "where a.privilege_type = 'SELECT' and "
                "case when a.grantee = 0 then true else pg_has_role(a.grantee, 'usage') end))")
            .at(0);
    if (row[0] == "0") return;
    bad("the role " + role_ + " may not read " + row[0].value_or("") + " of the large objects in " +
            where + " (first: " + row[1].value_or("") + "): the dump will fail",
        "GRANT SELECT ON LARGE OBJECT " + row[1].value_or("") + " TO " + role_ +
            "; and of each other one; or dump as a superuser");
  }

  void check_passwords(PgConnection& connection, const std::string& /*database*/) {
    if (connection.value("select has_table_privilege('pg_authid', 'select')") == "t") return;
    bad("the role " + role_ +
            " may not read pg_authid in the database postgres: the dump of roles and their "
            "passwords will fail",
        "GRANT SELECT ON pg_authid TO " + role_ + "; -- in the database postgres");
  }

  const PostgresSettings& settings_;
  const int server_version_;
  const std::stop_token& stop_;
  std::string role_;
  std::vector<SetupFinding> findings_;
};

}  // namespace

std::vector<SetupFinding> check_pg_dumps(const PostgresSettings& settings, PgConnection& connection,
                                         const PgDumpedGlobals& globals, int server_version,
                                         const std::stop_token& stop) {
  DumpCheck check(settings, server_version, stop);
  check.check_all(connection, globals);
  return check.findings();
}

}  // namespace holdfast
