#include "codec/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "os/processors.h"

namespace holdfast {
namespace {

constexpr std::size_t kBlock = 512u << 10;
constexpr std::size_t kWindow = 32u << 10;
constexpr std::size_t kOut = 128u << 10;
constexpr int kRawBits = -15;
constexpr int kGzipBits = 15 + 16;

class Deflate {
 public:
  explicit Deflate(int level) {
    if (::deflateInit2(&z, level, Z_DEFLATED, kRawBits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw Error(Code::kExhausted, "out of memory");
    }
  }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;
  ~Deflate() { ::deflateEnd(&z); }

  z_stream z{};
};

// zlib takes pointers to what it does not change.
Bytef* unchanged(const std::uint8_t* data) { return const_cast<Bytef*>(data); }

std::array<std::uint8_t, 4> little_endian(std::uint32_t value) {
  std::array<std::uint8_t, 4> bytes;
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  return bytes;
}

}  // namespace

GzipWriter::GzipWriter(int level, unsigned threads, ByteSink sink)
    : level_(level), threads_(threads > 0 ? threads : processors()), sink_(std::move(sink)) {
  data_.reserve(kBlock);
}

void GzipWriter::write(ByteView data) {
  while (!data.empty()) {
    const std::size_t part = std::min(kBlock - data_.size(), data.size());
    append(data_, data.first(part));
    data = data.subspan(part);
    if (data_.size() == kBlock) begin_block(false);
  }
}

// Every block but the last ends at a byte of its own, with nothing in it that says "end".
GzipWriter::Block GzipWriter::compress_block(const Bytes& window, const Bytes& data, int level,
                                             bool last) {
  Deflate deflate(level);
  z_stream& z = deflate.z;
  if (!window.empty()) {
    ::deflateSetDictionary(&z, window.data(), static_cast<uInt>(window.size()));
  }
  Block block;
  block.compressed.resize(::deflateBound(&z, static_cast<uLong>(data.size())) + 64);
  z.next_in = unchanged(data.data());
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = block.compressed.data();
  z.avail_out = static_cast<uInt>(block.compressed.size());
  const int result = ::deflate(&z, last ? Z_FINISH : Z_SYNC_FLUSH);
  if (result != (last ? Z_STREAM_END : Z_OK) || z.avail_in != 0 || z.avail_out == 0) {
    throw Error(Code::kInternal, "zlib did not compress a block at once");
  }
  block.compressed.resize(block.compressed.size() - z.avail_out);
  block.checksum = static_cast<std::uint32_t>(
      ::crc32(::crc32(0, nullptr, 0), data.data(), static_cast<uInt>(data.size())));
  block.size = data.size();
  return block;
}

void GzipWriter::begin_block(bool last) {
  if (!begun_) {
    constexpr std::array<std::uint8_t, 10> kHeader{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    sink_(kHeader);
    begun_ = true;
  }
  while (running_.size() >= threads_) end_block();
  Bytes next_window(data_.end() - static_cast<std::ptrdiff_t>(std::min(kWindow, data_.size())),
                    data_.end());
  running_.push_back(
      std::async(std::launch::async,
                 [window = std::exchange(window_, std::move(next_window)), data = std::move(data_),
                  level = level_, last] { return compress_block(window, data, level, last); }));
  data_ = {};
  data_.reserve(kBlock);
}

void GzipWriter::end_block() {
  const Block block = running_.front().get();
  running_.pop_front();
  sink_(block.compressed);
  checksum_ = static_cast<std::uint32_t>(
      ::crc32_combine(checksum_, block.checksum, static_cast<z_off_t>(block.size)));
  size_ += static_cast<std::uint32_t>(block.size);
}

void GzipWriter::finish() {
  begin_block(true);
  while (!running_.empty()) end_block();
  sink_(little_endian(checksum_));
  sink_(little_endian(size_));
}

class GzipReader::State {
 public:
  State() {
    if (::inflateInit2(&z, kGzipBits) != Z_OK) throw Error(Code::kExhausted, "out of memory");
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ::inflateEnd(&z); }

  z_stream z{};
};

GzipReader::GzipReader(ByteSink sink)
    : sink_(std::move(sink)), state_(std::make_unique<State>()), out_(kOut) {}

GzipReader::~GzipReader() = default;

void GzipReader::write(ByteView data) {
  z_stream& z = state_->z;
  while (!data.empty()) {
    if (!in_member_) {
      ::inflateReset(&z);
      in_member_ = any_ = true;
    }
    const std::size_t part = std::min<std::size_t>(data.size(), 1u << 30);
    z.next_in = unchanged(data.data());
    z.avail_in = static_cast<uInt>(part);
    int result = Z_OK;
    do {
      z.next_out = out_.data();
      z.avail_out = static_cast<uInt>(out_.size());
      result = ::inflate(&z, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        throw Error(Code::kCorrupt, "the gzip data is damaged");
      }
      const std::size_t produced = out_.size() - z.avail_out;
      if (produced > 0) sink_(ByteView(out_).first(produced));
    } while (result == Z_OK && (z.avail_in > 0 || z.avail_out == 0));
    data = data.subspan(part - z.avail_in);
    if (result == Z_STREAM_END) in_member_ = false;
  }
}

void GzipReader::finish() {
  if (in_member_ || !any_) throw Error(Code::kCorrupt, "the gzip data ends too early");
}

}  // namespace holdfast
