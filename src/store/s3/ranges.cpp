#include "store/s3/ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "store/s3/errors.h"

namespace holdfast {
namespace {

// What one connection that breaks off costs at most. A gateway of Ceph reads ahead within it, and
// takes a quarter less processor time than for requests of 4 MiB.
constexpr std::uint64_t kStreamed = 16u << 20;

void ask_for(S3Request& request, std::uint64_t offset, std::uint64_t size) {
  request.headers = {{"range", fmt::format("bytes={}-{}", offset, offset + size - 1)}};
}

void require_range(const HttpResponse& head, std::uint64_t offset) {
  if (head.status != 206 && (head.status != 200 || offset != 0)) {
    throw Error(Code::kUnsupported, "the store does not answer requests for a range",
                "`holdfast store check` tells what else it lacks");
  }
  const std::string_view range = head.header("content-range");
  if (range.empty() || range.starts_with(fmt::format("bytes {}-", offset))) return;
  throw Error(Code::kCorrupt,
              fmt::format("the store answered with the range '{}' when it was asked for byte {}",
                          printable(range), offset),
              "check that no proxy or cache answers for the store");
}

Error wrong_size(const std::string& key, const std::string& problem) {
  return {Code::kCorrupt, key + " " + problem,
          "holdfast validate all --read-data lists what is damaged"};
}

void require_all(const std::string& key, std::uint64_t end, bool complete) {
  if (!complete) throw wrong_size(key, fmt::format("ends before byte {}", end));
}

// The bytes of one range on their way to `visit`, which an answer that begins again repeats.
class RangeStream {
 public:
  RangeStream(std::uint64_t offset, std::uint64_t size, const std::function<void(ByteView)>& visit)
      : offset_(offset), size_(size), visit_(visit) {}

  void send(S3Client& client, S3Request& request) {
    ask_for(request, offset_, size_);
    request.sink_bytes = size_;
    request.sink.begin = [this](const HttpResponse& head) {
      require_range(head, offset_);
      answered_ = 0;
    };
    request.sink.take = [this, &request](ByteView data) { take(request.key, data); };
    const HttpResponse answer = send_for_visitor(client, request);
    reading(answer, [&] { require_all(request.key, offset_ + size_, answered_ == size_); });
  }

 private:
  HttpResponse send_for_visitor(S3Client& client, const S3Request& request) {
    try {
      return client.send(request).http;
    } catch (const Error&) {
      if (visitor_error_) std::rethrow_exception(visitor_error_);
      throw;
    }
  }
  void take(const std::string& key, ByteView data) {
    if (data.size() > size_ - answered_) throw wrong_size(key, "came longer than it was asked for");
    const std::uint64_t known =
        std::min<std::uint64_t>(visited_ - std::min(visited_, answered_), data.size());
    answered_ += data.size();
    if (known == data.size()) return;
    try {
      visit_(data.subspan(static_cast<std::size_t>(known)));
    } catch (...) {
      // Not the store's: to try again would not mend it.
      visitor_error_ = std::current_exception();
      throw Error(Code::kCancelled, "the reader of " + key + " gave up");
    }
    visited_ = answered_;
  }

  const std::uint64_t offset_;
  const std::uint64_t size_;
  const std::function<void(ByteView)>& visit_;
  std::uint64_t visited_ = 0;   // bytes that `visit` had
  std::uint64_t answered_ = 0;  // bytes of this answer
  std::exception_ptr visitor_error_;
};

}  // namespace

void read_range(S3Client& client, S3Request request, std::uint64_t offset, MutableBytes out) {
  ask_for(request, offset, out.size());
  request.into = out;
  const HttpResponse answer = client.send(request).http;
  reading(answer, [&] {
    require_range(answer, offset);
    require_all(request.key, offset + out.size(), answer.body_size == out.size());
  });
}

void stream_ranges(S3Client& client, S3Request request, std::uint64_t size,
                   const std::function<void(ByteView)>& visit) {
  for (std::uint64_t offset = 0; offset < size; offset += kStreamed) {
    RangeStream(offset, std::min(kStreamed, size - offset), visit).send(client, request);
  }
}

}  // namespace holdfast
