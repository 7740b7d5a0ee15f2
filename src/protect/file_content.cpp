#include "protect/file_content.h"

#include <algorithm>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {

void FileContent::begin(const Entry& entry) {
  path_ = entry.path;
  extent_ = 0;
  at_ = in_extent_ = 0;
  size_ = entry.type == EntryType::kFile ? entry.size : 0;
  extents_.clear();
  if (entry.sparse) {
    extents_ = entry.extents;
  } else if (size_ > 0) {
    extents_.push_back({0, size_});
  }
}

void FileContent::skip_to(std::uint64_t offset, const ByteSink& sink) {
  static const Bytes zeros(1u << 20);
  while (at_ < offset) {
    const std::uint64_t part = std::min<std::uint64_t>(offset - at_, zeros.size());
    sink(ByteView(zeros).first(static_cast<std::size_t>(part)));
    at_ += part;
  }
}

// Leaves full extents behind.
bool FileContent::all_given() {
  while (extent_ < extents_.size() && in_extent_ == extents_[extent_].length) {
    ++extent_;
    in_extent_ = 0;
  }
  return extent_ == extents_.size();
}

void FileContent::add(ByteView data, const ByteSink& sink) {
  while (!data.empty()) {
    if (all_given()) {
      throw Error(Code::kCorrupt, printable(path_) + ": has more data than its size says");
    }
    const Extent& extent = extents_[extent_];
    skip_to(extent.offset, sink);
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), extent.length - in_extent_));
    sink(data.first(part));
    data = data.subspan(part);
    in_extent_ += part;
    at_ += part;
  }
}

void FileContent::end(const ByteSink& sink) {
  if (!all_given()) {
    throw Error(Code::kCorrupt, printable(path_) + ": has less data than its size says");
  }
  skip_to(size_, sink);
}

}  // namespace holdfast
