#include "settings/archive.h"

#include <array>

#include "base/error.h"
#include "codec/age.h"
#include "settings/values.h"

namespace holdfast {
namespace {

constexpr auto kFormats = std::to_array<Choice<BackupFormat>>({{"vault", BackupFormat::kVault},
                                                               {"archive", BackupFormat::kArchive},
                                                               {"both", BackupFormat::kBoth}});
constexpr auto kCompressors = std::to_array<Choice<bool>>({{"gzip", false}, {"zstd", true}});
constexpr unsigned kMostGzip = 9;
constexpr unsigned kMostZstd = 19;

std::string read_recipient(const Field& field) {
  std::string text = field.text();
  try {
    parse_age_recipient(text);
  } catch (const Error& error) {
    field.fail(error.message(), "the public key that age-keygen printed: age1...");
  }
  return text;
}

ArchiveSettings read_settings(const Field& field, const std::string& where) {
  const Fields fields(field, " in 'archive'" + where, archive_keys());
  ArchiveSettings archive;
  if (const auto compress = fields.find("compress")) {
    archive.zstd = read_choice(*compress, kCompressors);
  }
  if (const auto level = fields.find("level")) {
    archive.level = level->number(1, archive.zstd ? kMostZstd : kMostGzip);
  }
  if (const auto recipients = fields.find("recipients")) {
    for (const Field& item : recipients->items()) {
      archive.recipients.push_back(read_recipient(item));
    }
  }
  if (const auto identity = fields.find("identity_file")) {
    archive.identity_file = read_path(*identity);
  }
  if (const auto policy = fields.find("retention")) {
    archive.retention = read_policy(*policy, " in 'retention' in 'archive'" + where);
  }
  return archive;
}

bool is_physical(const SourceSettings& source) {
  return source.postgresql ? source.postgresql->method == DatabaseMethod::kPhysical
                           : source.mariadb->method == DatabaseMethod::kPhysical;
}

}  // namespace

void read_archive(const Fields& fields, const std::string& where, SourceSettings& source) {
  const auto format = fields.find("format");
  if (format) source.format = read_choice(*format, kFormats);
  const auto archive = fields.find("archive");
  if (archive) source.archive = read_settings(*archive, where);
  if (archive && source.format == BackupFormat::kVault) {
    archive->fail("the backups of this source go into the vault alone",
                  "write 'format: archive' or 'format: both', or leave 'archive' out");
  }
  if (source.format != BackupFormat::kArchive || source.backup_class != "database") return;
  if (is_physical(source)) {
    format->fail("an archive of a database is made of dumps",
                 "write 'method: logical', or 'format: both' for a physical backup in the vault "
                 "and dumps beside it");
  }
  if (source.postgresql && source.postgresql->format != PgDumpFormat::kPlain) {
    format->fail("the dumps in archives are plain SQL",
                 "leave 'format' of 'postgresql' out, or write 'format: both'");
  }
}

}  // namespace holdfast
