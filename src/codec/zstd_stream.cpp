#include "codec/zstd_stream.h"

#include <zstd.h>

#include <string>

#include "base/error.h"
#include "os/processors.h"

namespace holdfast {

class ZstdWriter::State {
 public:
  State(int level, unsigned threads) : context_(ZSTD_createCCtx()) {
    if (context_ == nullptr) throw Error(Code::kExhausted, "out of memory");
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    // A library without threads refuses, and then there are none.
    if (threads > 1) {
      ZSTD_CCtx_setParameter(context_, ZSTD_c_nbWorkers, static_cast<int>(threads));
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ZSTD_freeCCtx(context_); }

  // Returns when all of `data` was taken and, at the end, all was given.
  void run(ByteView data, ZSTD_EndDirective directive, Bytes& out, const ByteSink& sink) {
    ZSTD_inBuffer input{data.data(), data.size(), 0};
    for (;;) {
      ZSTD_outBuffer output{out.data(), out.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context_, &output, &input, directive);
      if (ZSTD_isError(left) != 0) {
        throw Error(Code::kInternal, std::string("zstd: ") + ZSTD_getErrorName(left));
      }
      if (output.pos > 0) sink(ByteView(out).first(output.pos));
      if (directive == ZSTD_e_end ? left == 0 : input.pos == input.size) return;
    }
  }

 private:
  ZSTD_CCtx* context_;
};

ZstdWriter::ZstdWriter(int level, unsigned threads, ByteSink sink)
    : sink_(std::move(sink)),
      state_(std::make_unique<State>(level, threads > 0 ? threads : processors())),
      out_(ZSTD_CStreamOutSize()) {}

ZstdWriter::~ZstdWriter() = default;

void ZstdWriter::write(ByteView data) { state_->run(data, ZSTD_e_continue, out_, sink_); }

void ZstdWriter::finish() { state_->run({}, ZSTD_e_end, out_, sink_); }

class ZstdReader::State {
 public:
  State() : context(ZSTD_createDCtx()) {
    if (context == nullptr) throw Error(Code::kExhausted, "out of memory");
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ZSTD_freeDCtx(context); }

  ZSTD_DCtx* const context;
};

ZstdReader::ZstdReader(ByteSink sink)
    : sink_(std::move(sink)), state_(std::make_unique<State>()), out_(ZSTD_DStreamOutSize()) {}

ZstdReader::~ZstdReader() = default;

void ZstdReader::write(ByteView data) {
  ZSTD_inBuffer input{data.data(), data.size(), 0};
  bool full = false;  // what comes out filled the buffer, so there may be more
  while (input.pos < input.size || full) {
    ZSTD_outBuffer output{out_.data(), out_.size(), 0};
    const std::size_t left = ZSTD_decompressStream(state_->context, &output, &input);
    if (ZSTD_isError(left) != 0) throw Error(Code::kCorrupt, "the zstd data is damaged");
    any_ = true;
    in_frame_ = left != 0;
    if (output.pos > 0) sink_(ByteView(out_).first(output.pos));
    full = in_frame_ && output.pos == output.size;
  }
}

void ZstdReader::finish() {
  if (in_frame_ || !any_) throw Error(Code::kCorrupt, "the zstd data ends too early");
}

}  // namespace holdfast
