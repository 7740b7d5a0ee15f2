#include "codec/compress.h"

#include <zstd.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace holdfast {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  return context.get();
}

}  // namespace

bool compress(ByteView plain, int level, Bytes& out) {
  out.resize(ZSTD_compressBound(plain.size()));
  const std::size_t size = ZSTD_compressCCtx(compressor(), out.data(), out.size(), plain.data(),
                                             plain.size(), level);
  if (ZSTD_isError(size) != 0) {
    throw Error(Code::kInternal, std::string("zstd: ") + ZSTD_getErrorName(size));
  }
  out.resize(size);
  return size + plain.size() / 64 < plain.size();
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
