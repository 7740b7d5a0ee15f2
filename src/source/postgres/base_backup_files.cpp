#include "source/postgres/base_backup_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "base/wire.h"
#include "source/postgres/crc32c.h"
#include "source/postgres/data_files.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

constexpr std::string_view kWal = "pg_wal";

[[noreturn]] void fail(const std::string& reason) {
  throw Error(Code::kCorrupt, "the base backup is not whole: " + reason,
              "nothing was stored as a backup; run it again, and look at the network and at the "
              "server's log when it happens again");
}

std::string extra(std::string_view name) { return join_path(std::string(kPgExtras), name); }

}  // namespace

// Where the backup keeps it; "?" for what it does not keep.
std::string BaseBackupFiles::stored_path_of(const std::string& path) const {
  if (path == "backup_label" || path == "tablespace_map") return extra(path);
  if (path == "global/pg_control") return extra("pg_control");
  if (is_within(path, kWal) && path != kWal) {
    const auto kind = wal_file_kind(base_name(path));
    const bool wanted = kind == WalFileKind::kSegment || kind == WalFileKind::kHistory;
    return wanted && parent_path(path) == kWal ? extra("wal/" + std::string(base_name(path))) : "?";
  }
  return is_left_out(path) ? "?" : path;
}

void BaseBackupFiles::begin(const std::string& tablespace, const TarMember& member) {
  path_ = tablespace.empty() ? member.path : "pg_tblspc/" + tablespace + "/" + member.path;
  if (!tablespace.empty()) tablespaces_.try_emplace(tablespace, member);
  now_ = {};
  is_directory_ = member.type == TarType::kDirectory;
  is_wal_ = false;
  if (member.type == TarType::kSymlink) {
    fail(printable(path_) + " is a link, which no backup with a tablespace map has");
  }
  PgStreamFile file{stored_path_of(path_), false, member};
  kept_ = file.stored_path != "?";
  if (is_directory_) {
    if (path_ == "base") base_ = member;
    if (kept_) taker_.directory(file);
    return;
  }
  if (arrived_.contains(path_)) fail(printable(path_) + " came twice");
  is_wal_ = kept_ && is_within(path_, kWal) && parse_wal_segment(base_name(path_), segment_size_);
  wal_header_.clear();
  file.pages = is_page_file(path_);
  if (kept_) taker_.begin(file);
}

void BaseBackupFiles::content(ByteView content) {
  now_.size += content.size();
  now_.crc = crc32c(now_.crc, content);
  if (is_wal_ && wal_header_.size() < kWalHeaderSize) {
    append(wal_header_, content.first(std::min(content.size(), kWalHeaderSize)));
  }
  if (kept_) taker_.content(content);
}

void BaseBackupFiles::end() {
  if (is_directory_) return;
  if (kept_) taker_.end();
  if (is_wal_) check_wal_header();
  arrived_.emplace(path_, now_);
}

// The server sends WAL without a checksum: what can be known of a segment is in its beginning.
void BaseBackupFiles::check_wal_header() {
  const WalSegment segment = parse_wal_segment(base_name(path_), segment_size_).value();
  if (now_.size != segment_size_) fail(printable(path_) + " is not as long as a segment");
  const WalHeader header = parse_wal_header(wal_header_);
  if (header.start != segment.start(segment_size_) || header.system_identifier != system_) {
    fail(printable(path_) + " is of another place in the log, or of another cluster");
  }
  std::uint32_t& timeline = wal_[segment.number];
  timeline = std::max(timeline, segment.timeline);
}

void BaseBackupFiles::check_files(const BackupManifest& manifest) const {
  for (const ManifestFile& file : manifest.files) {
    const auto found = arrived_.find(file.path);
    if (found == arrived_.end()) fail(printable(file.path) + " did not come");
    Bytes crc;
    WireWriter(crc).fixed(found->second.crc);
    if (file.algorithm != FileChecksum::kCrc32c) fail("the manifest has no CRC-32C");
    if (found->second.size != file.size || crc != file.checksum) {
      fail(fmt::format("{} came with {} bytes and checksum {}; the manifest says {} and {}",
                       printable(file.path), found->second.size, to_hex(crc), file.size,
                       to_hex(file.checksum)));
    }
  }
  for (const auto& [path, arrived] : arrived_) {
    if (find_file(manifest, path) == nullptr && !is_within(path, kWal)) {
      fail(printable(path) + " is not in the manifest");
    }
  }
}

void BaseBackupFiles::check_wal(const PgBackupSpan& span, const BackupManifest& manifest) const {
  if (span.stop <= span.start) fail("it stops before it starts");
  if (manifest.wal_ranges.empty()) fail("the manifest names no WAL");
  for (const ManifestWalRange& range : manifest.wal_ranges) {
    if (range.start < span.start || range.end > span.stop) {
      fail("the manifest names other WAL than the server");
    }
  }
  const std::uint64_t first = span.start / segment_size_;
  const std::uint64_t last = (span.stop - 1) / segment_size_;
  for (std::uint64_t number = first; number <= last; ++number) {
    if (wal_.contains(number)) continue;
    fail("the segment " + WalSegment{span.timeline, number}.name(segment_size_) +
         " of the log did not come");
  }
}

// What a reader on the host finds and the server does not send: the directory itself, and those
// that tablespaces are in. They have the owner and the rights of those below them.
void BaseBackupFiles::give_directories() {
  const auto give = [this](const std::string& path, const TarMember& like) {
    PgStreamFile directory{path, false, like};
    directory.member.mode |= 0700u;
    taker_.directory(directory);
  };
  if (base_.path.empty()) fail("the directory base did not come");
  give("", base_);
  give(std::string(kPgExtras), base_);
  give(extra("wal"), base_);
  for (const auto& [oid, first] : tablespaces_) give("pg_tblspc/" + oid, first);
}

void BaseBackupFiles::finish(const PgBackupSpan& span, const BackupManifest& manifest) {
  check_files(manifest);
  check_wal(span, manifest);
  for (const char* needed : {"backup_label", "global/pg_control"}) {
    if (!arrived_.contains(needed)) fail(std::string(needed) + " did not come");
  }
  give_directories();
}

}  // namespace holdfast
