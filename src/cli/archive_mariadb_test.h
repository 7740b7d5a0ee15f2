// The restore test of an archive of MariaDB or MySQL, step by step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/restore_steps.h"
#include "protect/dump_choice.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {

// A fresh server below `scratch`, loaded and questioned. What a step throws for what it finds is
// kCorrupt or kInvalid.
class MariadbArchiveTest {
 public:
  // `archive` and `dump` are of the same; `source` is what they are of, or null.
  MariadbArchiveTest(Context& context, ObjectStore& store, const StoredArchive& archive,
                     ChosenDump dump, const SourceSettings* source, std::vector<Key> identities,
                     const std::string& scratch);

  std::vector<RestoreStep> steps();

 private:
  bool is_accounts() const;
  std::string validate();
  std::string start();
  std::string load();
  bool is_about(const Assertion& assertion) const;
  std::string check_answers();
  std::string check_tables();

  Context& context_;
  ObjectStore& store_;
  const StoredArchive& archive_;
  const ChosenDump dump_;
  const SourceSettings* const source_;
  const std::vector<Key> identities_;
  const std::string scratch_;
  MariadbSettings settings_;
  MariadbEngine engine_ = MariadbEngine::kMariadb;
  std::unique_ptr<MariadbSandbox> sandbox_;
};

}  // namespace holdfast
