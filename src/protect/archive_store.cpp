#include "protect/archive_store.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kPart = 4u << 20;

}  // namespace

ArchiveWriter::ArchiveWriter(ObjectStore& store, ArchiveName name,
                             const ArchiveWriterOptions& options)
    : name_(std::move(name)) {
  if (name_.sealed == options.recipients.empty()) {
    throw Error(Code::kInternal, "the name of an archive does not tell whether it is sealed");
  }
  if (store.stat(name_.key())) {
    throw Error(Code::kConflict, name_.key() + " exists already");
  }
  object_ = store.stage();
  const ArchiveEncoding encoding{name_.format, options.recipients, options.level, options.threads};
  encoder_ = make_archive_encoder(encoding, [this](ByteView data) {
    object_->append(data);
    bytes_out_ += data.size();
  });
}

void ArchiveWriter::write(ByteView plain) {
  encoder_->write(plain);
  bytes_in_ += plain.size();
}

void ArchiveWriter::finish() {
  encoder_->finish();
  encoder_.reset();
}

void ArchiveWriter::commit() {
  if (encoder_) finish();
  if (object_->commit(name_.key())) return;
  throw Error(Code::kConflict, name_.key() + " exists already",
              "two backups of a source cannot have the same second; run it again");
}

ArchiveContent read_archive(ObjectStore& store, const ArchiveName& name,
                            const std::vector<Key>& identities, const ByteSink& sink,
                            std::stop_token stop) {
  const std::string key = name.key();
  const auto info = store.stat(key);
  if (!info) throw Error(Code::kNotFound, "there is no " + key + " in " + store.traits().url);
  ArchiveContent content;
  content.stored_bytes = info->size;
  const auto decoder =
      make_archive_decoder(name.format, name.sealed, identities, [&](ByteView plain) {
        content.bytes += plain.size();
        sink(plain);
      });
  Bytes part;
  for (std::uint64_t at = 0; at < info->size; at += part.size()) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    part.resize(static_cast<std::size_t>(std::min(kPart, info->size - at)));
    store.read(key, at, part);
    decoder->write(part);
  }
  decoder->finish();
  return content;
}

}  // namespace holdfast
