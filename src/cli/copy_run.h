// One copy with its progress, log and result.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/copies.h"
#include "cli/output.h"
#include "cli/thaw.h"
#include "protect/copy.h"
#include "vault/vault.h"

namespace holdfast {

// The vault that is copied, for when its damage asks for a key: opened once, with the key that was
// given, without a prompt.
class CopySource {
 public:
  CopySource(Context& context, ObjectStore& store) : context_(context), store_(store) {}

  // nullptr: no key was given, or it does not open the vault; trouble() says why.
  const Vault* vault();
  const std::string& trouble() const { return trouble_; }
  ObjectStore& store() const { return store_; }

 private:
  Context& context_;
  ObjectStore& store_;
  bool tried_ = false;
  std::unique_ptr<Vault> vault_;
  std::string trouble_ = "no key was given";
};

struct CopyOutcome {
  Json json;
  int code = 0;  // corrupt: what is damaged at the source and what needs it was left out
};

// Copies `from` to the place, what is archived after it was asked for, and says what was done.
// Throws what copy_vault, bring_from_archive and the store throw.
CopyOutcome copy_to(Context& context, CopySource& from, const CopyPlace& to, CopyJob job,
                    const ThawOptions& thaw);

}  // namespace holdfast
