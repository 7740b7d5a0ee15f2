#include "source/postgres/wal_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "source/postgres/crc32c.h"

namespace holdfast {

namespace {

void append_up_to(Bytes& out, ByteView more, std::size_t limit) {
  if (out.size() < limit) append(out, more.first(std::min(more.size(), limit - out.size())));
}

void check_options(const WalReaderOptions& options) {
  if (options.segment_size != 0 && !is_segment_size(options.segment_size)) {
    throw Error(Code::kInvalid,
                fmt::format("{} bytes are no size of a segment of the log", options.segment_size));
  }
  if (!is_wal_page_size(options.page_size)) {
    throw Error(Code::kInvalid,
                fmt::format("{} bytes are no size of a page of the log", options.page_size));
  }
  const Lsn unit = options.segment_size == 0 ? Lsn{1} << 20 : Lsn{options.page_size};
  if (options.start % unit != 0) {
    throw Error(Code::kInvalid,
                fmt::format("the log cannot be read from {}", format_lsn(options.start)));
  }
}

}  // namespace

WalReader::WalReader(const WalReaderOptions& options, OnRecord on_record)
    : options_(options),
      on_record_(std::move(on_record)),
      position_(options.start),
      segment_size_(options.segment_size),
      page_size_(options.page_size) {
  check_options(options);
}

void WalReader::feed(ByteView data) {
  if (failure_) throw Error(*failure_);
  try {
    while (!data.empty()) {
      const std::size_t taken = step(data);
      position_ += taken;
      data = data.subspan(taken);
    }
  } catch (const Error& error) {
    failure_ = error;
    throw;
  }
}

std::optional<CutRecordHead> WalReader::head() const {
  if (taken_ == 0 || state_ == State::kTail) return std::nullopt;
  CutRecordHead head{record_lsn_, {}};
  append(head.bytes, ByteView(record_bytes_).first(std::min<std::uint64_t>(taken_, kRecordHeader)));
  // Until its header is complete, the payload is still that of the record before.
  if (taken_ >= kRecordHeader) append_up_to(head.bytes, payload_, kCutRecordBytes);
  return head;
}

// Takes some of `data` (which is not empty) and returns how much.
std::size_t WalReader::step(ByteView data) {
  if (state_ == State::kEnded) {
    check_zeros(data);
    return data.size();
  }
  if (position_ < skip_until_) return std::min<std::uint64_t>(data.size(), skip_until_ - position_);
  if (position_ % page_size_ == 0 || page_header_size_ > 0) return take_page_header(data);
  data = data.first(std::min<std::uint64_t>(data.size(), page_size_ - position_ % page_size_));
  return state_ == State::kTail ? take_tail(data) : take_record(data);
}

std::size_t WalReader::take_page_header(ByteView data) {
  const auto wanted = [this] {
    const bool is_long =
        page_header_size_ >= kShortPageHeader && (page_header_[2] & kPageLongHeader) != 0;
    return is_long ? kLongPageHeader : kShortPageHeader;
  };
  std::size_t taken = 0;
  while (page_header_size_ < wanted() && taken < data.size()) {
    page_header_[page_header_size_++] = data[taken++];
  }
  if (page_header_size_ < wanted()) return taken;
  const ByteView header = ByteView(page_header_).first(std::exchange(page_header_size_, 0));
  if (std::all_of(header.begin(), header.end(), [](std::uint8_t byte) { return byte == 0; })) {
    state_ = State::kEnded;
  } else {
    enter_page(header);
  }
  return taken;
}

void WalReader::enter_page(ByteView bytes) {
  const WalPageHeader header = parse_page_header(bytes);
  check_page(header);
  if (header.has(kPageLongHeader)) check_long_header(header);
  timeline_ = header.timeline;
  continue_record(header);
  first_page_ = false;
}

void WalReader::check_page(const WalPageHeader& header) {
  const Lsn page = position_ / 4096 * 4096;  // headers are shorter than the smallest page
  const auto known = wal_major_version(header.magic);
  if (first_page_ && !known && header.magic >> 8 == 0xd1) {
    throw Error(
        Code::kUnsupported,
        fmt::format("the log at {} is of a PostgreSQL that we do not know (page magic {:X})",
                    format_lsn(page), header.magic),
        "versions 13 to 18 can be read");
  }
  if (!known || (magic_ != 0 && header.magic != magic_)) {
    corrupt(page, fmt::format("the page has magic {:X}", header.magic));
  }
  magic_ = header.magic;
  major_ = *known;
  if ((header.flags & ~kPageFlags) != 0) {
    corrupt(page, fmt::format("the page has flags {:X}", header.flags));
  }
  if (header.address != page) {
    corrupt(page, fmt::format("the page says that it is at {}", format_lsn(header.address)));
  }
  if (header.timeline < std::max(timeline_, 1u) ||
      (options_.timeline != 0 && header.timeline > options_.timeline)) {
    corrupt(page, fmt::format("the page is of timeline {}", header.timeline));
  }
  const bool begins_segment = segment_size_ == 0 || page % segment_size_ == 0;
  if (begins_segment != header.has(kPageLongHeader)) {
    corrupt(page, begins_segment ? "the segment does not begin with a long page header"
                                 : "a long page header is not at a segment's beginning");
  }
}

void WalReader::check_long_header(const WalPageHeader& header) {
  const Lsn page = header.address;
  if (!is_segment_size(header.segment_size) || page % header.segment_size != 0 ||
      (segment_size_ != 0 && header.segment_size != segment_size_)) {
    corrupt(page, fmt::format("the page says that segments have {} bytes", header.segment_size));
  }
  if (!is_wal_page_size(header.page_size) || (!first_page_ && header.page_size != page_size_)) {
    corrupt(page, fmt::format("the page says that pages have {} bytes", header.page_size));
  }
  if (system_id_ != 0 && header.system_id != system_id_) {
    corrupt(page, fmt::format("the page is of system {}, the log before it of system {}",
                              header.system_id, system_id_));
  }
  segment_size_ = header.segment_size;
  page_size_ = header.page_size;
  system_id_ = header.system_id;
}

// What the page says of the record that goes over its beginning must be what we have of it.
void WalReader::continue_record(const WalPageHeader& header) {
  if (header.has(kPageOverwrites)) {
    // A server that found the rest missing after a crash wrote new records in its place.
    if (state_ == State::kTail) tail_.reset();
    state_ = State::kRecord;
    taken_ = 0;
  }
  std::uint64_t expected = 0;
  if (state_ == State::kTail) expected = tail_left_;
  if (state_ == State::kRecord && taken_ > 0) expected = record_.total_length - taken_;
  const std::uint64_t rest = header.has(kPageContinues) ? header.rest : 0;
  if (first_page_ && taken_ == 0 && rest > 0 && rest < kMaxRecord) {
    state_ = State::kTail;
    tail_.emplace();
    tail_left_ = header.rest;
  } else if (rest != expected || (header.has(kPageContinues) && rest == 0)) {
    corrupt(header.address, fmt::format("{} bytes of a record go on here, not {}", rest, expected));
  }
}

std::size_t WalReader::take_tail(ByteView data) {
  data = data.first(std::min<std::size_t>(data.size(), tail_left_));
  append_up_to(tail_->bytes, data, kCutRecordBytes);
  tail_left_ -= static_cast<std::uint32_t>(data.size());
  if (tail_left_ == 0) {
    state_ = State::kRecord;
    skip_until_ = tail_->end_lsn = align_lsn(position_ + data.size());
  }
  return data.size();
}

std::size_t WalReader::take_record(ByteView data) {
  if (taken_ < kRecordHeader) {
    const std::size_t taken = take_record_header(data);
    if (taken_ == kRecordHeader && record_.total_length == kRecordHeader) {
      finish_record(position_ + taken);
    }
    return taken;
  }
  data = data.first(std::min<std::uint64_t>(data.size(), record_.total_length - taken_));
  take_payload(data);
  if (taken_ == record_.total_length) finish_record(position_ + data.size());
  return data.size();
}

std::size_t WalReader::take_record_header(ByteView data) {
  if (taken_ == 0) record_lsn_ = position_;
  // The length comes first and is never split by a page: with it a page can be judged.
  const std::size_t goal = taken_ < 4 ? 4 : kRecordHeader;
  data = data.first(std::min<std::uint64_t>(data.size(), goal - taken_));
  std::copy(data.begin(), data.end(), record_bytes_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ += data.size();
  if (taken_ < goal) return data.size();
  record_ = parse_record_header(record_bytes_);
  if (goal == 4 && record_.total_length == 0) {
    state_ = State::kEnded;
    taken_ = 0;
  } else if (record_.total_length < kRecordHeader || record_.total_length > kMaxRecord) {
    corrupt(record_lsn_, fmt::format("a record of {} bytes", record_.total_length));
  } else if (goal == kRecordHeader) {
    check_record_header();
  }
  return data.size();
}

void WalReader::check_record_header() {
  if (previous_ != 0 ? record_.previous != previous_ : record_.previous >= record_lsn_) {
    corrupt(record_lsn_, fmt::format("the record follows one at {}", format_lsn(record_.previous)));
  }
  crc_ = 0;
  payload_.clear();
  main_length_ = 0;
  main_data_.clear();
}

void WalReader::take_payload(ByteView data) {
  crc_ = crc32c(crc_, data);
  const std::size_t head_size =
      std::min<std::size_t>(record_.total_length - kRecordHeader, kMaxDataHeaders);
  const std::uint64_t offset = taken_;
  taken_ += data.size();
  if (payload_.size() == head_size) {
    keep_main_data(offset, data);
    return;
  }
  const std::size_t for_head = std::min(data.size(), head_size - payload_.size());
  append(payload_, data.first(for_head));
  if (payload_.size() < head_size) return;
  parse_payload_head();
  keep_main_data(kRecordHeader, payload_);
  keep_main_data(offset + for_head, data.subspan(for_head));
}

void WalReader::parse_payload_head() {
  const auto headers = parse_data_headers(payload_, record_.total_length - kRecordHeader, major_);
  if (!headers) corrupt(record_lsn_, "the headers of the record's data are malformed");
  main_length_ = headers->main_length;
}

// `data` stands at `offset` in the record.
void WalReader::keep_main_data(std::uint64_t offset, ByteView data) {
  const std::uint64_t begin = record_.total_length - main_length_;
  if (offset + data.size() <= begin) return;
  if (offset < begin) data = data.subspan(static_cast<std::size_t>(begin - offset));
  append_up_to(main_data_, data, options_.main_limit);
}

void WalReader::finish_record(Lsn end) {
  if (record_crc(crc_, record_bytes_) != record_.crc) {
    corrupt(record_lsn_, "the record's checksum is wrong");
  }
  end = align_lsn(end);
  if (record_.rmid == kRmXlog && (record_.info & kXlogOperation) == kXlogSwitch) {
    end = (end + segment_size_ - 1) / segment_size_ * segment_size_;
  }
  skip_until_ = end;
  previous_ = record_lsn_;
  last_record_end_ = end;
  ++records_;
  taken_ = 0;
  on_record_({record_lsn_, end, record_.previous, record_.total_length, record_.xid, record_.rmid,
              record_.info, major_, main_length_, main_data_});
}

void WalReader::check_zeros(ByteView data) {
  const auto found = std::find_if(data.begin(), data.end(), [](std::uint8_t b) { return b != 0; });
  if (found == data.end()) return;
  corrupt(position_ + static_cast<Lsn>(found - data.begin()),
          "there are bytes after zeros that looked like the log's end");
}

void WalReader::corrupt(Lsn lsn, const std::string& what) const {
  throw Error(Code::kCorrupt, fmt::format("the log at {}: {}", format_lsn(lsn), what));
}

}  // namespace holdfast
