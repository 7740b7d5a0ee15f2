#include "wal_maker.h"

#include <algorithm>

#include "base/wire.h"
#include "source/postgres/crc32c.h"

namespace holdfast {

namespace {

Bytes time_bytes(std::int64_t pg_time) {
  Bytes bytes;
  WireWriter(bytes).fixed(static_cast<std::uint64_t>(pg_time));
  return bytes;
}

}  // namespace

WalMaker::Record WalMaker::commit(std::int64_t pg_time, std::uint32_t xid) {
  return {kRmXact, kXactCommit, xid, time_bytes(pg_time)};
}

WalMaker::Record WalMaker::abort(std::int64_t pg_time, std::uint32_t xid) {
  return {kRmXact, kXactAbort, xid, time_bytes(pg_time)};
}

WalMaker::Record WalMaker::restore_point(std::int64_t pg_time, const std::string& name) {
  Bytes main = time_bytes(pg_time);
  append(main, as_bytes(name));
  main.resize(8 + 64);
  return {kRmXlog, kXlogRestorePoint, 0, main};
}

WalMaker::Record WalMaker::wal_level(std::uint32_t level) {
  Bytes main;
  WireWriter out(main);
  for (const std::uint32_t value : {100u, 8u, 0u, 0u, 64u, level}) out.fixed(value);
  main.resize(main.size() + 4);  // wal_log_hints, track_commit_timestamp
  return {kRmXlog, kXlogParameterChange, 0, main};
}

Lsn WalMaker::add(const Record& record) {
  const Bytes bytes = encode(record);
  const Lsn lsn = put(bytes, bytes.size());
  pad(8);
  return previous_ = lsn;
}

Lsn WalMaker::add_torn(const Record& record, std::size_t keep) {
  const Bytes bytes = encode(record);
  const Lsn lsn = put(ByteView(bytes).first(keep), bytes.size());
  pad(shape_.page_size);
  begin_page(kPageOverwrites, 0);
  return lsn;
}

Lsn WalMaker::add_switch() {
  const Lsn lsn = add({kRmXlog, kXlogSwitch, 0});
  fill_segment();
  return lsn;
}

void WalMaker::fill_segment() { pad(shape_.segment_size); }

Bytes WalMaker::encode(const Record& record) {
  Bytes payload = record.block_headers;
  WireWriter out(payload);
  if (record.main.size() > 255) {
    out.fixed(std::uint8_t{254});
    out.fixed(static_cast<std::uint32_t>(record.main.size()));
  } else if (!record.main.empty()) {
    out.fixed(std::uint8_t{255});
    out.fixed(static_cast<std::uint8_t>(record.main.size()));
  }
  append(payload, record.block_data);
  append(payload, record.main);
  Bytes bytes;
  WireWriter header(bytes);
  header.fixed(static_cast<std::uint32_t>(kRecordHeader + payload.size()));
  header.fixed(record.xid);
  header.fixed(previous_);
  header.fixed(record.info);
  header.fixed(record.rmid);
  header.fixed(std::uint16_t{0});
  header.fixed(crc32c(crc32c(0, payload), bytes));
  append(bytes, payload);
  return bytes;
}

Lsn WalMaker::put(ByteView data, std::uint64_t total) {
  Lsn begin = 0;
  std::uint64_t rest = total;
  while (!data.empty()) {
    if (position_ % shape_.page_size == 0) {
      begin_page(rest < total ? kPageContinues : 0, rest < total ? rest : 0);
    }
    if (begin == 0) begin = position_;
    const std::size_t room = shape_.page_size - position_ % shape_.page_size;
    const ByteView part = data.first(std::min(room, data.size()));
    append(bytes_, part);
    position_ += part.size();
    rest -= part.size();
    data = data.subspan(part.size());
  }
  return begin;
}

void WalMaker::begin_page(std::uint16_t flags, std::uint64_t rest) {
  const Lsn page = position_;
  const bool is_long = page % shape_.segment_size == 0;
  const std::size_t before = bytes_.size();
  WireWriter out(bytes_);
  out.fixed(shape_.magic);
  out.fixed(static_cast<std::uint16_t>(flags | (is_long ? kPageLongHeader : 0)));
  out.fixed(shape_.timeline);
  out.fixed(page);
  out.fixed(static_cast<std::uint32_t>(rest));
  out.fixed(std::uint32_t{0});
  if (is_long) {
    out.fixed(shape_.system_id);
    out.fixed(shape_.segment_size);
    out.fixed(shape_.page_size);
  }
  position_ += bytes_.size() - before;
}

void WalMaker::pad(Lsn multiple) {
  const Lsn end = (position_ + multiple - 1) / multiple * multiple;
  bytes_.resize(bytes_.size() + (end - position_));
  position_ = end;
}

}  // namespace holdfast
