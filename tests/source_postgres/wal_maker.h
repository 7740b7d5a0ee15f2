// Writes a log as a server would, for tests and seeds of the fuzzers.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "source/postgres/lsn.h"
#include "source/postgres/wal_format.h"

namespace holdfast {

class WalMaker {
 public:
  struct Shape {
    Lsn start = Lsn{5} << 20;  // of the first segment
    std::uint32_t timeline = 1;
    std::uint16_t magic = 0xd110;
    std::uint32_t segment_size = 1u << 20;
    std::uint32_t page_size = 8192;
    std::uint64_t system_id = 7777;
  };
  struct Record {
    std::uint8_t rmid = kRmXact;
    std::uint8_t info = 0;
    std::uint32_t xid = 700;
    Bytes main = {};
    Bytes block_headers = {};  // as they stand in the record
    Bytes block_data = {};
  };

  WalMaker() : WalMaker(Shape()) {}
  explicit WalMaker(const Shape& shape) : shape_(shape), position_(shape.start) {}

  // Where the record begins.
  Lsn add(const Record& record);
  // Only the first `keep` bytes of the record, as a crash leaves them; what follows goes to the
  // next page, which says so.
  Lsn add_torn(const Record& record, std::size_t keep);
  Lsn add_switch();
  // Zeros up to the end of the segment.
  void fill_segment();
  void set_timeline(std::uint32_t timeline) { shape_.timeline = timeline; }

  Lsn position() const { return position_; }
  const Bytes& bytes() const { return bytes_; }

  static Record commit(std::int64_t pg_time, std::uint32_t xid = 700);
  static Record abort(std::int64_t pg_time, std::uint32_t xid = 700);
  static Record restore_point(std::int64_t pg_time, const std::string& name);
  // Of a server that starts with other parameters than before; 0: minimal, 1: replica.
  static Record wal_level(std::uint32_t level);

 private:
  Bytes encode(const Record& record);
  // The first bytes of a record of `total` ones. Returns where it begins.
  Lsn put(ByteView data, std::uint64_t total);
  void begin_page(std::uint16_t flags, std::uint64_t rest);
  void pad(Lsn multiple);

  Shape shape_;
  Lsn position_;
  Lsn previous_ = 0;
  Bytes bytes_;
};

}  // namespace holdfast
