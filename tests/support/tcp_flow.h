// One direction of a connection that TcpProxy forwards.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "base/bytes.h"
#include "os/clock.h"

namespace holdfast {

// What was received and is to be sent, in order, each piece no sooner than it is due. For sockets
// that do not block. One thread.
class TcpFlow {
 public:
  // The descriptors belong to the caller.
  TcpFlow(int from, int to) : from_(from), to_(to) {}

  // Receives into `buffer`: the bytes, none when nothing has come. After the end of the input,
  // ended() is true; after an error, broken().
  MutableBytes receive(MutableBytes buffer);
  // Sends `data` when it is due, or as soon as possible after; at once where it can.
  void push(ByteView data, Duration due, Duration now);
  // Sends what is due by `now`, and passes the end on after the last byte.
  void flush(Duration now);

  // The sender may send from now on (its connection stands).
  void open() { open_ = true; }

  bool broken() const { return broken_; }
  bool ended() const { return ended_; }
  bool empty() const { return queue_.empty(); }
  // All has been sent, the end too.
  bool finished() const { return finished_; }
  bool wants_input(std::size_t limit) const { return !ended_ && queued_ < limit; }
  // When there is something to send; unset when there is not.
  std::optional<Duration> due() const;

 private:
  struct Piece {
    Bytes data;
    std::size_t sent = 0;
    Duration due{};
  };

  // Bytes that went out.
  std::size_t send(ByteView data);

  int from_;
  int to_;
  std::deque<Piece> queue_;
  std::size_t queued_ = 0;
  bool open_ = false;
  bool ended_ = false;
  bool finished_ = false;
  bool broken_ = false;
};

}  // namespace holdfast
