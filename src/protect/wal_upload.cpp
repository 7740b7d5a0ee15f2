#include "protect/wal_upload.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "source/postgres/commit_index.h"

namespace holdfast {
namespace {

class WalFacts : public LogFileFacts {
 public:
  WalFacts(const WalSegment& segment, std::uint32_t size)
      : facts_(segment.start(size), segment.timeline, size) {}

  void feed(ByteView bytes) override { facts_.feed(bytes); }
  std::string json() override { return facts_.json().dump(); }

 private:
  SegmentFacts facts_;
};

}  // namespace

void WalUpload::begin(std::uint32_t timeline, Lsn start, std::uint32_t stored,
                      std::stop_token stop) {
  const WalSegment segment{timeline, start / segment_size_};
  uploader_.begin({segment.name(segment_size_), start, stored,
                   std::make_unique<WalFacts>(segment, segment_size_)},
                  std::move(stop));
  timeline_ = timeline;
  end_ = start;
  open_ = true;
}

void WalUpload::add(ByteView data, const std::stop_token& stop) {
  while (!data.empty()) {
    if (timeline_ == 0) throw Error(Code::kInternal, "log bytes before their segment");
    if (!open_) begin(timeline_, end_, 0, stop);
    const ByteView part = data.first(static_cast<std::size_t>(
        std::min<std::uint64_t>(data.size(), segment_size_ - end_ % segment_size_)));
    uploader_.add(part);
    end_ += part.size();
    data = data.subspan(part.size());
    if (end_ % segment_size_ != 0) continue;
    uploader_.complete();
    open_ = false;
  }
}

}  // namespace holdfast
