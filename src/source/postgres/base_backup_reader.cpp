#include "source/postgres/base_backup_reader.h"

#include <string_view>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostManifest = std::size_t{4} << 30;
constexpr std::string_view kTar = ".tar";

[[noreturn]] void refuse_stream(const std::string& reason) {
  throw Error(Code::kCorrupt, "the server's base backup is not understood: " + reason);
}

// "base.tar" NUL directory NUL, or "16385.tar" with the directory of that tablespace.
std::string tablespace_of(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  const auto end = text.find('\0');
  if (end == std::string_view::npos || text.find('\0', end + 1) != text.size() - 1) {
    refuse_stream("the name of an archive is malformed");
  }
  std::string_view name = text.substr(0, end);
  if (!name.ends_with(kTar)) refuse_stream("an archive is called " + printable(name));
  name.remove_suffix(kTar.size());
  if (name == "base") return {};
  if (name.empty() || name.find_first_not_of("0123456789") != std::string_view::npos) {
    refuse_stream("an archive is called " + printable(name));
  }
  return std::string(name);
}

}  // namespace

BaseBackupReader::BaseBackupReader(BaseBackupHandler handler) : handler_(std::move(handler)) {}

void BaseBackupReader::message(ByteView bytes) {
  if (bytes.empty()) refuse_stream("a message is empty");
  const ByteView rest = bytes.subspan(1);
  switch (bytes[0]) {
    case 'n':
      return begin_archive(tablespace_of(rest));
    case 'd':
      return data(rest);
    case 'm':
      if (!rest.empty()) refuse_stream("the manifest begins with more than its mark");
      return begin_manifest();
    case 'p':  // how far the server is, which we see ourselves
      if (rest.size() != 8) refuse_stream("a report of progress is malformed");
      return;
    default:
      refuse_stream("a message is of an unknown kind");
  }
}

void BaseBackupReader::begin_archive(const std::string& tablespace) {
  if (part_ == Part::kManifest) refuse_stream("an archive follows the manifest");
  if (has_base_ && tablespace.empty()) refuse_stream("the data directory comes twice");
  end_part();
  part_ = Part::kArchive;
  has_base_ = has_base_ || tablespace.empty();
  tablespace_ = tablespace;
  archive_ = std::make_unique<TarReader>(
      TarHandler{[this](const TarMember& member) { handler_.begin(tablespace_, member); },
                 handler_.content, handler_.end});
}

void BaseBackupReader::begin_manifest() {
  if (part_ == Part::kManifest) refuse_stream("the manifest comes twice");
  end_part();
  part_ = Part::kManifest;
}

void BaseBackupReader::data(ByteView bytes) {
  if (part_ == Part::kNone) refuse_stream("content comes before its archive");
  if (part_ == Part::kArchive) return archive_->feed(bytes);
  if (manifest_.size() + bytes.size() > kMostManifest) refuse_stream("the manifest is too long");
  manifest_ += as_text(bytes);
}

void BaseBackupReader::end_part() {
  if (archive_) archive_->finish();
  archive_.reset();
}

void BaseBackupReader::finish() {
  end_part();
  if (!has_base_) refuse_stream("the data directory is missing");
  if (part_ != Part::kManifest) refuse_stream("the manifest is missing");
}

}  // namespace holdfast
