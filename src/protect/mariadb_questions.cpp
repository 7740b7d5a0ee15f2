#include "protect/mariadb_questions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "source/mariadb/mysqld.h"
#include "source/mariadb/question.h"

namespace holdfast {
namespace {

constexpr std::size_t kShown = 20;  // findings

struct Version {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const Version&) const = default;
};

Version parse_version(const std::string& text) {
  const auto dot = text.find('.');
  if (dot == std::string::npos) throw Error(Code::kInvalid, "'" + text + "' is no version");
  return {static_cast<unsigned>(std::stoul(text)),
          static_cast<unsigned>(std::stoul(text.substr(dot + 1)))};
}

}  // namespace

void require_mariadb_for(const std::string& version, bool files, const MariadbSettings& settings,
                         MariadbEngine engine) {
  const bool mysql = engine == MariadbEngine::kMysql;
  const std::string installed =
      mysql ? find_mysqld(settings, {}).version : mariadbd_version(settings);
  const Version here = parse_version(installed);
  const Version wanted = parse_version(version);
  if (files ? here == wanted : here >= wanted) return;
  throw Error(Code::kUnsupported,
              fmt::format("the backup is of {} {}, the server on this host is {}",
                          engine_title(engine), version, installed),
              fmt::format("install {} {}.{} here, or set bin_directory to where it is",
                          mysql ? "MySQL's server" : "mariadb-server", wanted.major, wanted.minor));
}

bool is_older_mariadb(const std::string& server, const std::string& dump) {
  return !dump.empty() && parse_version(server) < parse_version(dump);
}

std::string ask_mariadb(const MariadbSandbox& sandbox, const Assertion& assertion,
                        const std::string& database, Timestamp now) {
  try {
    MariadbConnection connection = sandbox.connect();
    // Its author tried it on the server that the sandbox stands for.
    connection.query("SET SESSION sql_mode = @@GLOBAL.sql_mode");
    if (!database.empty()) connection.query("USE " + mariadb_identifier(database));
    const AnswerRows answer = read_mariadb(connection, assertion.query);
    if (const auto failure = assertion_failure(assertion.expect, answer, now)) {
      throw ProofFailure(assertion.query + ": " + *failure);
    }
    return assertion.query + ": " + answer_text(answer);
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kExhausted ||
        error.code() == Code::kUnavailable) {
      throw;
    }
    // A table that is missing: the backup is to blame, nobody else is here.
    throw ProofFailure(assertion.query + ": " + error.message());
  }
}

std::string judged(const MariadbFindings& findings, std::string_view noun) {
  if (findings.bad.empty()) return "nothing found in " + plural(findings.looked_at, noun);
  std::string text;
  for (std::size_t i = 0; i < std::min(findings.bad.size(), kShown); ++i) {
    text += (text.empty() ? "" : "\n") + findings.bad[i];
  }
  if (findings.bad.size() > kShown) {
    text += "\nand " + std::to_string(findings.bad.size() - kShown) + " more";
  }
  throw ProofFailure(text);
}

}  // namespace holdfast
