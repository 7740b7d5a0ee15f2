// Ordinary archives that lie beside the vault's own objects, one for each backup, under the key
// where the runbook looks: CLASS/YYYY-MM-DD/backup-YYYYMMDD-HHMMSS-SOURCE.sql.gz
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/object_store.h"

namespace holdfast {

enum class ArchiveFormat { kTarZst, kTarGz, kSqlGz, kSqlZst };

// "tar.zst", "tar.gz", "sql.gz", "sql.zst".
std::string_view archive_suffix(ArchiveFormat format);
// The inverse; nothing for anything else.
std::optional<ArchiveFormat> parse_archive_format(std::string_view suffix);
// What a file name ends in, ".age" aside; nothing for anything else.
std::optional<ArchiveFormat> format_of_name(std::string_view file);
bool is_tar(ArchiveFormat format);
bool is_gzip(ArchiveFormat format);

inline constexpr std::string_view kSealedSuffix = ".age";

struct ArchiveName {
  std::string archive_class;  // "database", "files", "config"
  Timestamp time{};
  std::string source;  // may be empty: backup-20251110-120000.sql.gz
  ArchiveFormat format = ArchiveFormat::kSqlGz;
  bool sealed = false;  // in the age format

  std::string file() const;  // "backup-20251110-120000-appdb.sql.gz.age"
  std::string key() const;   // "database/2025-11-10/" and the file
};

// Nothing when `key` is not the key of an archive.
std::optional<ArchiveName> parse_archive_key(std::string_view key);

struct StoredArchive {
  ArchiveName name;
  std::uint64_t size = 0;
  Timestamp modified{};  // by the store's clock
};

// All archives in the store, oldest first. Needs no key.
std::vector<StoredArchive> list_archives(ObjectStore& store);

}  // namespace holdfast
