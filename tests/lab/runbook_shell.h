// The commands of a runbook (tests/lab/runbook), run as people run them: with bash, the aws of the
// system and the east of the lab.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/lab.h"
#include "support/temp_dir.h"

namespace holdfast {

class RunbookShell {
 public:
  explicit RunbookShell(std::string bucket);

  // What the scripts need to find the bucket, and the program too.
  std::map<std::string, std::string> variables() const;
  // The script of that name. `more` are further variables, among them AHEAD: what "now" is to
  // `date`, when it is not to be now. `names` says what stands in place of the names that the
  // runbook made up.
  ProcessResult run(const std::string& script, const std::map<std::string, std::string>& more = {},
                    const std::vector<std::pair<std::string, std::string>>& names = {}) const;

 private:
  void write_tool(const std::string& name, std::string_view text) const;

  const std::string bucket_;
  const TempDir tools_;
};

}  // namespace holdfast
