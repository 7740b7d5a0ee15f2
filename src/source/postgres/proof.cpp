#include "source/postgres/proof.h"

#include "base/error.h"
#include "base/one_line.h"
#include "os/process.h"
#include "source/postgres/dump.h"
#include "source/postgres/tools.h"

namespace holdfast {
namespace {

constexpr int kPerMajor = 10000;

std::string findings_of(const ProcessOptions& options, std::stop_token stop) {
  const ProcessResult result = run_process(options, std::move(stop));
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return {};
  const std::string said = one_line(result.output + result.error_output);
  return said.empty() ? options.argv.at(0) + " ended with " + std::to_string(result.exit_code) +
                            " and said nothing"
                      : said;
}

// Of one database: every index, and that it has all rows of its table.
std::string index_findings(PgConnection& connection) {
  connection.query("create extension if not exists amcheck");
  std::string findings;
  for (const PgRow& index : connection.query(
           "select c.oid::regclass::text from pg_class c join pg_am a on a.oid = c.relam "
           "join pg_index i on i.indexrelid = c.oid where a.amname = 'btree' "
           "and i.indisready and i.indisvalid and c.relpersistence <> 't' order by c.oid")) {
    try {
      connection.query("select bt_index_check($1::regclass, true)", {index[0].value_or("")});
    } catch (const Error& error) {
      if (error.code() != Code::kInvalid) throw;
      findings += (findings.empty() ? "" : "; ") + error.message();
    }
  }
  return findings;
}

std::string all_index_findings(const PgSandbox& sandbox, const std::stop_token& stop) {
  PgConnection first(sandbox.settings(), "postgres", stop);
  std::string findings;
  for (const PgRow& database :
       first.query("select datname from pg_database where datallowconn order by datname")) {
    PgConnection connection(sandbox.settings(), database[0].value_or(""), stop);
    const std::string found = index_findings(connection);
    if (found.empty()) continue;
    findings += (findings.empty() ? "" : "; ") + database[0].value_or("") + ": " + found;
  }
  return findings;
}

void require_amcheck(const PgSandbox& sandbox, const std::stop_token& stop) {
  PgConnection connection(sandbox.settings(), "postgres", stop);
  if (connection.value("select count(*) from pg_available_extensions where name = 'amcheck'") !=
      "0") {
    return;
  }
  throw Error(Code::kUnsupported, "the server here lacks the extension amcheck",
              "install the additional modules of its version (postgresql" +
                  std::to_string(sandbox.major_version()) +
                  "-contrib on Red Hat and its like) and run the test again: nothing was noted");
}

}  // namespace

std::string pg_amcheck_findings(const PgSandbox& sandbox, std::stop_token stop) {
  require_amcheck(sandbox, stop);
  if (sandbox.major_version() < kFirstWithPgAmcheck) return all_index_findings(sandbox, stop);
  ProcessOptions options;
  options.argv = pg_command(sandbox.settings(), "pg_amcheck", sandbox.major_version() * kPerMajor);
  options.argv.insert(options.argv.end(), {"--all", "--install-missing", "--no-password"});
  options.environment = pg_environment(sandbox.settings(), "postgres");
  options.working_directory = "/";
  return findings_of(options, std::move(stop));
}

std::string pg_checksum_findings(const PgSandbox& sandbox, const std::string& data_directory,
                                 std::stop_token stop) {
  const int version = sandbox.major_version() * kPerMajor;
  ProcessOptions options;
  options.argv = pg_command(sandbox.settings(), "pg_checksums", version);
  options.argv.insert(options.argv.end(), {"--check", "-D", data_directory});
  options.environment = {{"LC_ALL", "C"}};
  options.working_directory = "/";
  return findings_of(options, std::move(stop));
}

PgLoadPlan plan_pg_load(const PostgresSettings& settings, int version,
                        const std::string& stored_path) {
  PgLoadPlan plan;
  plan.environment = pg_environment(settings, "postgres");
  if (format_of_dump(stored_path) == PgDumpFormat::kCustom) {
    plan.command = pg_command(settings, "pg_restore", version);
    plan.command.insert(plan.command.end(),
                        {"--dbname=postgres", "--no-password", "--exit-on-error"});
    // The database that every server has is not created again: see plan_pg_dumps.
    if (stored_path != "postgres.dump") plan.command.push_back("--create");
    return plan;
  }
  plan.may_complain = stored_path == kPgGlobals;
  plan.command = pg_command(settings, "psql", version);
  plan.command.insert(
      plan.command.end(),
      {"--no-psqlrc", "--quiet", "--no-password", "--output", "/dev/null", "--dbname=postgres",
       "--set", plan.may_complain ? "ON_ERROR_STOP=0" : "ON_ERROR_STOP=1"});
  return plan;
}

std::string without_tablespace_places(const std::string& globals) {
  constexpr std::string_view kCreate = "CREATE TABLESPACE ";
  constexpr std::string_view kPlace = " LOCATION '";
  std::string text;
  std::string_view rest = globals;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const auto place = line.rfind(kPlace);
    if (line.starts_with(kCreate) && place != std::string_view::npos) {
      text += std::string(line.substr(0, place)) + " LOCATION '';";
    } else {
      text += line;
    }
    text += '\n';
  }
  return text;
}

}  // namespace holdfast
