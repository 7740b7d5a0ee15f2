#include "protect/archive_stream.h"

#include "base/error.h"
#include "codec/gzip.h"
#include "codec/zstd_stream.h"

namespace holdfast {
namespace {

// One stream that feeds another.
class Chain final : public ByteStream {
 public:
  Chain(std::unique_ptr<ByteStream> first, std::unique_ptr<ByteStream> second)
      : second_(std::move(second)), first_(std::move(first)) {}
  void write(ByteView data) override { first_->write(data); }
  void finish() override {
    first_->finish();
    second_->finish();
  }

 private:
  std::unique_ptr<ByteStream> second_;  // outlives the one that writes to it
  std::unique_ptr<ByteStream> first_;
};

ByteSink sink_to(ByteStream& stream) {
  return [&stream](ByteView data) { stream.write(data); };
}

std::unique_ptr<ByteStream> compressor(const ArchiveEncoding& encoding, ByteSink sink) {
  if (is_gzip(encoding.format)) {
    return std::make_unique<GzipWriter>(encoding.level.value_or(kDefaultGzipLevel),
                                        encoding.threads, std::move(sink));
  }
  return std::make_unique<ZstdWriter>(encoding.level.value_or(kDefaultZstdLevel), encoding.threads,
                                      std::move(sink));
}

}  // namespace

std::unique_ptr<ByteStream> make_archive_encoder(const ArchiveEncoding& encoding, ByteSink sink) {
  if (encoding.recipients.empty()) return compressor(encoding, std::move(sink));
  auto sealer = std::make_unique<AgeWriter>(encoding.recipients, std::move(sink));
  auto first = compressor(encoding, sink_to(*sealer));
  return std::make_unique<Chain>(std::move(first), std::move(sealer));
}

std::unique_ptr<ByteStream> make_archive_decoder(ArchiveFormat format, bool sealed,
                                                 const std::vector<Key>& identities,
                                                 ByteSink sink) {
  std::unique_ptr<ByteStream> plain;
  if (is_gzip(format)) {
    plain = std::make_unique<GzipReader>(std::move(sink));
  } else {
    plain = std::make_unique<ZstdReader>(std::move(sink));
  }
  if (!sealed) return plain;
  if (identities.empty()) {
    throw Error(Code::kDenied, "the archive is sealed, and there is no key for it",
                "give the AGE-SECRET-KEY-1... of one of its recipients");
  }
  auto opener = std::make_unique<AgeReader>(identities, sink_to(*plain));
  return std::make_unique<Chain>(std::move(opener), std::move(plain));
}

}  // namespace holdfast
