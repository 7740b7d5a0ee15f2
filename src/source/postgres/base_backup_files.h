// From the members of a base backup to the files that a physical backup stores, at the same places
// as a reader on the database host puts them; and whether they are all there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "source/postgres/backup_manifest.h"
#include "source/postgres/lsn.h"
#include "source/postgres/tar_reader.h"

namespace holdfast {

struct PgStreamFile {
  std::string stored_path;  // in the data directory; "" is that directory itself
  bool pages = false;       // consists of data pages
  TarMember member;         // rights, owner, time, size
};

// Takes the files of a streamed backup, one after the other.
class PgFileTaker {
 public:
  virtual ~PgFileTaker() = default;
  virtual void directory(const PgStreamFile& directory) = 0;
  virtual void begin(const PgStreamFile& file) = 0;
  virtual void content(ByteView content) = 0;
  virtual void end() = 0;
};

// What the server says of a backup that ended.
struct PgBackupSpan {
  std::uint32_t timeline = 0;  // where it started
  Lsn start = 0;
  Lsn stop = 0;
};

// Fed with the members in the order of the stream. One thread.
class BaseBackupFiles {
 public:
  BaseBackupFiles(std::uint64_t system, std::uint32_t segment_size, PgFileTaker& taker)
      : system_(system), segment_size_(segment_size), taker_(taker) {}

  // `tablespace`: its OID; empty: the data directory.
  void begin(const std::string& tablespace, const TarMember& member);
  void content(ByteView content);
  void end();

  // To be called at the end of the stream. Every file of the manifest arrived with that size and
  // checksum and no other did, and so did every segment of the log from start to stop. Gives the
  // directories that the server does not send. Throws Error(kCorrupt).
  void finish(const PgBackupSpan& span, const BackupManifest& manifest);

 private:
  struct Arrived {
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
  };

  std::string stored_path_of(const std::string& path) const;
  void check_wal_header();
  void check_files(const BackupManifest& manifest) const;
  void check_wal(const PgBackupSpan& span, const BackupManifest& manifest) const;
  void give_directories();

  const std::uint64_t system_;
  const std::uint32_t segment_size_;
  PgFileTaker& taker_;

  // Of the member that is coming.
  std::string path_;  // as in the manifest
  bool kept_ = false;
  bool is_directory_ = false;
  bool is_wal_ = false;
  Arrived now_;
  Bytes wal_header_;

  std::unordered_map<std::string, Arrived> arrived_;  // by path_
  std::map<std::uint64_t, std::uint32_t> wal_;        // segments: number to the last timeline
  std::map<std::string, TarMember> tablespaces_;      // OID to its first member
  TarMember base_;                                    // the directory "base", for its owner
};

}  // namespace holdfast
