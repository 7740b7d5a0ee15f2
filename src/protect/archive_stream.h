// From plain bytes to the bytes of an archive file, and back: compressing, then sealing.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/age.h"
#include "codec/byte_stream.h"
#include "protect/archive_name.h"

namespace holdfast {

struct ArchiveEncoding {
  ArchiveFormat format = ArchiveFormat::kTarZst;  // only its compression matters here
  std::vector<Key> recipients;                    // age; empty: not sealed
  std::optional<int> level;                       // of the compressor; nothing: its default
  unsigned threads = 0;                           // 0: one for each processor
};

// A tar stream or a dump in, the archive out.
std::unique_ptr<ByteStream> make_archive_encoder(const ArchiveEncoding& encoding, ByteSink sink);

// The archive in, the tar stream or dump out. `identities` are needed for a sealed one: Error
// (kDenied) without. Throws from write() and finish() what damage there is: kCorrupt.
std::unique_ptr<ByteStream> make_archive_decoder(ArchiveFormat format, bool sealed,
                                                 const std::vector<Key>& identities, ByteSink sink);

}  // namespace holdfast
