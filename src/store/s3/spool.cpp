#include "store/s3/spool.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace holdfast {
namespace {

// A pack and what may follow its end; archives can be of any size.
constexpr std::uint64_t kKept = 96u << 20;
constexpr std::size_t kFiles = 16;
constexpr std::size_t kPartsOfASize = 1000;

}  // namespace

Fd SpoolFiles::take() {
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      Fd file = std::move(free_.back());
      free_.pop_back();
      return file;
    }
  }
  return open_unnamed_file(directory_);
}

void SpoolFiles::put_back(Fd file, std::uint64_t size) {
  if (size > kKept && ::ftruncate(file.get(), static_cast<off_t>(kKept)) != 0) return;
  MutexLock lock(mutex_);
  if (free_.size() < kFiles) free_.push_back(std::move(file));
}

Spool::Spool(SpoolFiles& files, std::uint64_t part_bytes)
    : files_(files), fd_(files.take()), part_bytes_(part_bytes) {}

Spool::~Spool() { files_.put_back(std::move(fd_), size_); }

std::uint64_t Spool::part_end() const {
  if (starts_.empty()) return 0;
  return starts_.back() + (part_bytes_ << (starts_.size() - 1) / kPartsOfASize);
}

void Spool::append(ByteView data) {
  while (!data.empty()) {
    if (size_ == part_end()) starts_.push_back(size_);
    const ByteView piece = data.first(std::min<std::uint64_t>(part_end() - size_, data.size()));
    pwrite_full(fd_.get(), piece, size_, files_.directory());
    size_ += piece.size();
    data = data.subspan(piece.size());
  }
}

HttpBody Spool::range(std::uint64_t from, std::uint64_t size) const {
  return {size, [this, from](std::uint64_t offset, MutableBytes out) {
            if (pread_full(fd_.get(), out, from + offset, files_.directory()) != out.size()) {
              throw Error(Code::kInternal,
                          "the spool file in " + files_.directory() + " became shorter");
            }
          }};
}

HttpBody Spool::part(std::size_t index) const {
  const std::uint64_t from = starts_.at(index);
  return range(from, (index + 1 < starts_.size() ? starts_[index + 1] : size_) - from);
}

HttpBody Spool::whole() const { return range(0, size_); }

}  // namespace holdfast
