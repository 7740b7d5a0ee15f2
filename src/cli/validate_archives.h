// Proof that archives can be read to their end.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/output.h"
#include "cli/run_log.h"
#include "protect/archive_name.h"

namespace holdfast {

struct ValidatedArchive {
  StoredArchive archive;
  bool read = false;        // false: sealed, and nothing to open it with
  std::string problem;      // empty: it is whole, as far as it was read
  std::uint64_t bytes = 0;  // plain
};

// Reads each of `archives` through and says what is wrong with it. What is whole is noted in the
// vault, if there is one and `record` is set. `identity` is a file of age identities, or empty:
// that of the configuration. Throws for what keeps it from being read: an absent or archived
// object, no connection.
std::vector<ValidatedArchive> validate_archives(Context& context, ObjectStore& store,
                                                const std::vector<StoredArchive>& archives,
                                                const std::string& identity, bool record,
                                                RunLog& log);

// A line for each that is damaged or could not be opened; how many are whole.
void print_validated(Output& output, const std::vector<ValidatedArchive>& archives);
Json validated_json(const std::vector<ValidatedArchive>& archives);
// 0, 3 when some could not be opened, that of kCorrupt when one is damaged.
int code_of(const std::vector<ValidatedArchive>& archives);

}  // namespace holdfast
