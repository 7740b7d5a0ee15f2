#include "codec/compress.h"

#include <zstd.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr int kFrameLog = 22;  // 4 MiB

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeZstd> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
  return context.get();
}

}  // namespace

ByteView compress(ByteView plain, int level) {
  // No vector: it would be filled with zeros, and most of it is never touched.
  thread_local std::unique_ptr<std::uint8_t[]> buffer;
  thread_local std::size_t capacity = 0;
  const std::size_t bound = ZSTD_compressBound(plain.size());
  if (capacity < bound) {
    buffer = std::make_unique_for_overwrite<std::uint8_t[]>(bound);
    capacity = bound;
  }
  ZSTD_CCtx* context = compressor();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  // The fast levels look back 512 KiB only; the whole frame costs them no time and saves 3 %.
  if (level < 3) ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, kFrameLog);
  const std::size_t size =
      ZSTD_compress2(context, buffer.get(), capacity, plain.data(), plain.size());
  if (ZSTD_isError(size) != 0) {
    throw Error(Code::kInternal, std::string("zstd: ") + ZSTD_getErrorName(size));
  }
  return {buffer.get(), size};
}

void decompress_into(ByteView compressed, MutableBytes out) {
  const std::size_t size = ZSTD_decompressDCtx(decompressor(), out.data(), out.size(),
                                               compressed.data(), compressed.size());
  if (ZSTD_isError(size) != 0 || size != out.size()) {
    throw Error(Code::kCorrupt, "compressed data is damaged");
  }
}

Bytes decompress(ByteView compressed, std::size_t limit) {
  const unsigned long long size = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > limit) {
    throw Error(Code::kCorrupt, "compressed data is damaged");
  }
  Bytes out(static_cast<std::size_t>(size));
  decompress_into(compressed, out);
  return out;
}

}  // namespace holdfast
