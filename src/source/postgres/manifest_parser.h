// The JSON of a backup_manifest; event by event, as there may be millions of files.
#pragma once

#include <string_view>

#include "source/postgres/backup_manifest.h"

namespace holdfast {

struct ParsedManifest {
  BackupManifest manifest;  // files in the manifest's order
  Bytes checksum;           // what it says of itself
};

// Checks all but that checksum and that paths are unique. Throws as parse_backup_manifest() does.
ParsedManifest parse_manifest_text(std::string_view text);

}  // namespace holdfast
