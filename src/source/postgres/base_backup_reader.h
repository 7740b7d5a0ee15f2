// What BASE_BACKUP sends between the first and the last of its answers, taken apart:
// https://www.postgresql.org/docs/15/protocol-replication.html
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "source/postgres/tar_reader.h"

namespace holdfast {

struct BaseBackupHandler {
  // A member of the data directory (`tablespace` is empty) or of the tablespace with that OID; then
  // its content in order, and its end.
  std::function<void(const std::string& tablespace, const TarMember& member)> begin;
  std::function<void(ByteView content)> content;
  std::function<void()> end;
};

// Throws Error(kCorrupt) for what no server sends. One thread.
class BaseBackupReader {
 public:
  explicit BaseBackupReader(BaseBackupHandler handler);

  // One CopyData message of a server since 15: what it is stands in it.
  void message(ByteView bytes);

  // A server before 15 sends each archive, and the manifest, as a COPY of its own.
  void begin_archive(const std::string& tablespace);
  void begin_manifest();
  void data(ByteView bytes);

  // At the end of the stream: every archive was whole, and there is a manifest.
  void finish();
  // The text of the manifest so far.
  const std::string& manifest() const { return manifest_; }

 private:
  enum class Part { kNone, kArchive, kManifest };

  void end_part();

  BaseBackupHandler handler_;
  Part part_ = Part::kNone;
  bool has_base_ = false;
  std::string tablespace_;
  std::unique_ptr<TarReader> archive_;
  std::string manifest_;
};

}  // namespace holdfast
