#include "source/postgres/page_watch.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/file.h"
#include "source/postgres/data_files.h"
#include "source/postgres/page_checksum.h"
#include "source/postgres/timeline_history.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostSuspects = 10'000;
constexpr std::size_t kMostFindings = 20;

std::uint32_t block_of(const std::string& file, std::uint64_t offset) {
  return relation_segment(base_name(file)) * kBlocksPerFile +
         static_cast<std::uint32_t>(offset / kDataPage);
}

const char* text_of(PageVerdict verdict) {
  return verdict == PageVerdict::kBrokenHeader ? "its header is impossible"
                                               : "its checksum does not match";
}

bool is_wrong(PageVerdict verdict) {
  return verdict == PageVerdict::kBadChecksum || verdict == PageVerdict::kBrokenHeader;
}

// Nothing when the file is gone or ends before: it was dropped or truncated.
std::optional<Bytes> read_page(const std::string& file, std::uint64_t offset) {
  try {
    const Fd fd = open_file(file, O_RDONLY);
    Bytes page(kDataPage);
    if (pread_full(fd.get(), page, offset, file) < kDataPage) return std::nullopt;
    return page;
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
}

}  // namespace

bool PgPageWatch::look(const std::string& file, std::uint64_t offset, ByteView content) {
  std::uint64_t pages = 0;
  bool sound = true;
  const std::uint32_t first = block_of(file, offset);
  for (std::size_t at = 0; at + kDataPage <= content.size(); at += kDataPage, ++pages) {
    const ByteView page = content.subspan(at, kDataPage);
    const auto block = static_cast<std::uint32_t>(first + pages);
    const PageVerdict verdict = check_page(page, block, since_, kNoLsnLimit);
    if (verdict == PageVerdict::kNew || verdict == PageVerdict::kOk) continue;
    sound = false;
    MutexLock lock(mutex_);
    if (suspects_.size() < kMostSuspects) {
      suspects_.push_back({file, offset + at, verdict, page_lsn(page)});
    } else {
      ++more_suspects_;
    }
  }
  MutexLock lock(mutex_);
  pages_ += pages;
  return sound;
}

PageVerdict PgPageWatch::judge(const Suspect& suspect, Lsn end) const {
  if (files_are_here_) {
    const auto page = read_page(suspect.file, suspect.offset);
    if (!page) return PageVerdict::kNew;
    return check_page(*page, block_of(suspect.file, suspect.offset), since_, end);
  }
  // No page was changed beyond the end of the log: its header is damaged as well.
  const bool impossible = suspect.verdict == PageVerdict::kNewer && suspect.changed >= end;
  return impossible ? PageVerdict::kBadChecksum : suspect.verdict;
}

PgPageFindings PgPageWatch::findings(Lsn end) const {
  MutexLock lock(mutex_);
  PgPageFindings findings;
  findings.count = more_suspects_;
  for (const Suspect& suspect : suspects_) {
    const PageVerdict verdict = judge(suspect, end);
    if (!is_wrong(verdict)) continue;
    ++findings.count;
    if (findings.texts.size() == kMostFindings) continue;
    findings.texts.push_back(fmt::format("{} block {}: {}", printable(suspect.file),
                                         block_of(suspect.file, suspect.offset), text_of(verdict)));
  }
  if (findings.count > findings.texts.size()) {
    findings.texts.push_back(
        fmt::format("and {} more pages", findings.count - findings.texts.size()));
  }
  return findings;
}

std::uint64_t PgPageWatch::pages() const {
  MutexLock lock(mutex_);
  return pages_;
}

}  // namespace holdfast
