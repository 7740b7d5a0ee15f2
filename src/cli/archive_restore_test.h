// The restore test of an archive: into a sandbox, started and questioned.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/session.h"
#include "protect/archive_name.h"

namespace holdfast {

// `scratch` is an empty directory of our own, which the user of a server can reach. Returns the
// exit code; prints the steps and the document, and notes the result in the vault, if there is one
// and `record` is set. Throws what kept the test from being made or passed.
int test_archive(Context& context, ObjectStore& store, const StoredArchive& archive,
                 const std::string& scratch, const std::string& identity, bool record);

}  // namespace holdfast
