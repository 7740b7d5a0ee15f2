// Reads PostgreSQL's write-ahead log as a stream: cuts it into records and verifies each.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "source/postgres/lsn.h"
#include "source/postgres/wal_format.h"

namespace holdfast {

// One whole record whose checksum is right. Valid during the call that hands it over.
struct WalRecord {
  Lsn lsn = 0;       // where it begins
  Lsn end_lsn = 0;   // where the next one may begin; after a switch the next segment's beginning
  Lsn previous = 0;  // where the record before it begins
  std::uint32_t total_length = 0;  // with its header, without page headers
  std::uint32_t xid = 0;
  std::uint8_t rmid = 0;
  std::uint8_t info = 0;
  int major = 0;                  // PostgreSQL's major version
  std::uint32_t main_length = 0;  // of the data that belongs to no block ...
  ByteView main_data;             // ... and at most WalReaderOptions::main_limit of its first bytes
};

// So much of a record that goes over an end of the input is kept.
inline constexpr std::size_t kCutRecordBytes = 256;

// A record whose end has not come (yet).
struct CutRecordHead {
  Lsn lsn = 0;
  Bytes bytes;  // the first kCutRecordBytes at most of what has come

  bool operator==(const CutRecordHead&) const = default;
};

// The rest of a record that began before the input.
struct CutRecordTail {
  Lsn end_lsn = 0;  // where the next one may begin; 0: its end has not come (yet)
  Bytes bytes;      // the first kCutRecordBytes at most of what has come

  bool operator==(const CutRecordTail&) const = default;
};

struct WalReaderOptions {
  // Of the first byte: the beginning of a segment, or of any page when the segment size is given.
  Lsn start = 0;
  // Pages of a later timeline are refused, ones of earlier timelines are not; 0: any.
  std::uint32_t timeline = 0;
  // 0: as the first page says.
  std::uint32_t segment_size = 0;
  // Where the input begins at a segment, that page says it.
  std::uint32_t page_size = 8192;
  // So many bytes of a record's main data are kept.
  std::size_t main_limit = std::size_t{1} << 20;
};

// Memory: main_limit and a few KiB. One thread.
class WalReader {
 public:
  using OnRecord = std::function<void(const WalRecord&)>;

  // Throws Error(kInvalid) for options that contradict each other.
  WalReader(const WalReaderOptions& options, OnRecord on_record);

  // The next bytes of the log, of any number. Throws Error(kCorrupt), with the position, for what
  // PostgreSQL would not replay, and Error(kUnsupported) for another version's log; after that all
  // getters stay valid, and each further call throws the same. Zeros in place of a record or page
  // are the log's end (see ended()); other bytes after them are an error. The rest of a segment
  // after a switch is not looked at. What on_record throws is passed on, and ends the reading too.
  void feed(ByteView data);

  // Of the byte that comes next.
  Lsn position() const { return position_; }
  // Zeros came where a record or page should be.
  bool ended() const { return state_ == State::kEnded; }
  // Where the last whole record begins and ends, or 0.
  Lsn last_record() const { return previous_; }
  Lsn last_record_end() const { return last_record_end_; }
  // Of records that were handed over.
  std::uint64_t records() const { return records_; }

  // From page headers; 0 before the first (the system identifier: before the first long one).
  int major() const { return major_; }
  std::uint32_t timeline() const { return timeline_; }
  std::uint64_t system_id() const { return system_id_; }
  std::uint32_t segment_size() const { return segment_size_; }
  std::uint32_t page_size() const { return page_size_; }

  // What the input cut at its beginning (kept from then on) and cuts at its end so far.
  const std::optional<CutRecordTail>& tail() const { return tail_; }
  std::optional<CutRecordHead> head() const;

 private:
  enum class State { kTail, kRecord, kEnded };

  std::size_t step(ByteView data);
  std::size_t take_page_header(ByteView data);
  void enter_page(ByteView bytes);
  void check_page(const WalPageHeader& header);
  void check_long_header(const WalPageHeader& header);
  void continue_record(const WalPageHeader& header);
  std::size_t take_tail(ByteView data);
  std::size_t take_record(ByteView data);
  std::size_t take_record_header(ByteView data);
  void check_record_header();
  void take_payload(ByteView data);
  void parse_payload_head();
  void keep_main_data(std::uint64_t offset, ByteView data);
  void finish_record(Lsn end);
  void check_zeros(ByteView data);
  [[noreturn]] void corrupt(Lsn lsn, const std::string& what) const;

  const WalReaderOptions options_;
  const OnRecord on_record_;
  std::optional<Error> failure_;
  State state_ = State::kRecord;
  Lsn position_;
  Lsn skip_until_ = 0;
  bool first_page_ = true;

  int major_ = 0;
  std::uint16_t magic_ = 0;
  std::uint32_t timeline_ = 0;
  std::uint64_t system_id_ = 0;
  std::uint32_t segment_size_;
  std::uint32_t page_size_;
  std::array<std::uint8_t, kLongPageHeader> page_header_{};
  std::size_t page_header_size_ = 0;

  std::optional<CutRecordTail> tail_;
  std::uint32_t tail_left_ = 0;

  // The record under way: taken_ bytes of it have come.
  Lsn record_lsn_ = 0;
  std::uint64_t taken_ = 0;
  std::array<std::uint8_t, kRecordHeader> record_bytes_{};
  WalRecordHeader record_;
  std::uint32_t crc_ = 0;
  Bytes payload_;  // its first kMaxDataHeaders bytes
  std::uint32_t main_length_ = 0;
  Bytes main_data_;

  Lsn previous_ = 0;
  Lsn last_record_end_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace holdfast
