// backup_manifest, which a PostgreSQL server writes for each base backup (versions 1 and 2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "codec/hash.h"
#include "source/postgres/lsn.h"

namespace holdfast {

enum class FileChecksum { kNone, kCrc32c, kSha224, kSha256, kSha384, kSha512 };

struct ManifestFile {
  std::string path;  // relative to the data directory; no "..", no empty component
  std::uint64_t size = 0;
  Timestamp modified{};
  FileChecksum algorithm = FileChecksum::kNone;
  Bytes checksum = {};  // as the manifest has it: CRC-32C in little-endian
};

// The log that the backup needs.
struct ManifestWalRange {
  std::uint32_t timeline = 0;
  Lsn start = 0;
  Lsn end = 0;
};

struct BackupManifest {
  int version = 0;
  std::optional<std::uint64_t> system_id = {};  // since version 2
  std::vector<ManifestFile> files = {};         // sorted by path
  std::vector<ManifestWalRange> wal_ranges = {};
};

// Verifies the manifest's own checksum and parses it. Throws Error(kCorrupt) for a manifest that is
// damaged, malformed or has something that neither version has, Error(kUnsupported) for a later
// version.
BackupManifest parse_backup_manifest(std::string_view text);

// What the manifest's own checksum must be: SHA-256 of all bytes before its last line. Throws
// Error(kCorrupt) when there is no such line.
Digest manifest_checksum(std::string_view text);

// The file at `path`, or nullptr.
const ManifestFile* find_file(const BackupManifest& manifest, std::string_view path);

}  // namespace holdfast
