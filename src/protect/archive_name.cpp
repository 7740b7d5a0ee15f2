#include "protect/archive_name.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

constexpr std::string_view kPrefix = "backup-";
constexpr std::size_t kTimeSize = 15;
constexpr std::array<std::pair<ArchiveFormat, std::string_view>, 4> kSuffixes{{
    {ArchiveFormat::kTarZst, "tar.zst"},
    {ArchiveFormat::kTarGz, "tar.gz"},
    {ArchiveFormat::kSqlGz, "sql.gz"},
    {ArchiveFormat::kSqlZst, "sql.zst"},
}};

bool is_source_name(std::string_view name) {
  try {
    check_source_name(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool is_class(std::string_view name) {
  return std::find(std::begin(kBackupClasses), std::end(kBackupClasses), name) !=
         std::end(kBackupClasses);
}

}  // namespace

std::string_view archive_suffix(ArchiveFormat format) {
  for (const auto& [known, suffix] : kSuffixes) {
    if (known == format) return suffix;
  }
  throw Error(Code::kInternal, "unknown format of an archive");
}

std::optional<ArchiveFormat> parse_archive_format(std::string_view suffix) {
  for (const auto& [format, known] : kSuffixes) {
    if (known == suffix) return format;
  }
  return std::nullopt;
}

std::optional<ArchiveFormat> format_of_name(std::string_view file) {
  if (file.ends_with(kSealedSuffix)) file.remove_suffix(kSealedSuffix.size());
  for (const auto& [format, suffix] : kSuffixes) {
    const std::size_t dot = file.size() - std::min(file.size(), suffix.size() + 1);
    if (file.ends_with(suffix) && file[dot] == '.') return format;
  }
  return std::nullopt;
}

bool is_tar(ArchiveFormat format) {
  return format == ArchiveFormat::kTarZst || format == ArchiveFormat::kTarGz;
}

bool is_gzip(ArchiveFormat format) {
  return format == ArchiveFormat::kTarGz || format == ArchiveFormat::kSqlGz;
}

std::string ArchiveName::file() const {
  std::string text = std::string(kPrefix) + format_compact(time);
  if (!source.empty()) text += "-" + source;
  text += ".";
  text += archive_suffix(format);
  if (sealed) text += kSealedSuffix;
  return text;
}

std::string ArchiveName::key() const {
  return archive_class + "/" + format_date(time) + "/" + file();
}

std::optional<ArchiveName> parse_archive_key(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos || !is_class(key.substr(0, slash))) return std::nullopt;
  const auto format = format_of_name(key);
  if (!format) return std::nullopt;
  ArchiveName name{std::string(key.substr(0, slash)), {}, {}, *format, false};
  name.sealed = key.ends_with(kSealedSuffix);
  std::string_view file = key.substr(key.find_last_of('/') + 1);
  const std::size_t tail =
      1 + archive_suffix(*format).size() + (name.sealed ? kSealedSuffix.size() : 0);
  if (!file.starts_with(kPrefix) || file.size() < kPrefix.size() + kTimeSize + tail) {
    return std::nullopt;
  }
  const auto time = parse_compact(file.substr(kPrefix.size(), kTimeSize));
  if (!time) return std::nullopt;
  name.time = *time;
  file.remove_prefix(kPrefix.size() + kTimeSize);
  file.remove_suffix(tail);
  if (!file.empty()) {
    if (file.front() != '-' || !is_source_name(file.substr(1))) return std::nullopt;
    name.source = file.substr(1);
  }
  if (name.key() != key) return std::nullopt;
  return name;
}

std::vector<StoredArchive> list_archives(ObjectStore& store) {
  std::vector<StoredArchive> archives;
  for (const std::string_view archive_class : kBackupClasses) {
    store.list(std::string(archive_class) + "/", [&](const ObjectInfo& info) {
      if (auto name = parse_archive_key(info.key)) {
        archives.push_back({std::move(*name), info.size, info.modified});
      }
    });
  }
  std::sort(archives.begin(), archives.end(), [](const StoredArchive& a, const StoredArchive& b) {
    return std::forward_as_tuple(a.name.time, a.name.key()) <
           std::forward_as_tuple(b.name.time, b.name.key());
  });
  return archives;
}

}  // namespace holdfast
