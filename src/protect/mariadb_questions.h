// What a restored server of MariaDB is asked, whatever it was restored from.
#pragma once

#include <string>
#include <string_view>

#include "objective/assertion.h"
#include "protect/proof_steps.h"
#include "settings/settings.h"
#include "source/mariadb/proof.h"

namespace holdfast {

// Throws kUnsupported unless the server of `engine` on this host can take what one of `version`
// ("10.11.19") had: files are for a server of the same series, a dump is also for later ones.
void require_mariadb_for(const std::string& version, bool files, const MariadbSettings& settings,
                         MariadbEngine engine = MariadbEngine::kMariadb);

// Whether a server of version `server` is of an earlier series than a dump of `dump`: it may not
// understand what is in it. Nothing is known of an empty version.
bool is_older_mariadb(const std::string& server, const std::string& dump);

// Asks in `database`, or in none when that is empty; the question and its answer. Throws
// ProofFailure when the answer is another one, or the server cannot give any.
std::string ask_mariadb(const MariadbSandbox& sandbox, const Assertion& assertion,
                        const std::string& database, Timestamp now);

// How much was looked at; throws ProofFailure with what was found.
std::string judged(const MariadbFindings& findings, std::string_view noun);

}  // namespace holdfast
