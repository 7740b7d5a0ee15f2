#include "support/tcp_flow.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace holdfast {
namespace {

bool is_passing(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

MutableBytes TcpFlow::receive(MutableBytes buffer) {
  const ssize_t size = ::recv(from_, buffer.data(), buffer.size(), 0);
  if (size == 0) ended_ = true;
  if (size < 0 && !is_passing(errno)) broken_ = true;
  return buffer.first(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

void TcpFlow::push(ByteView data, Duration due, Duration now) {
  if (open_ && queue_.empty() && due <= now) data = data.subspan(send(data));
  if (data.empty()) return;
  queued_ += data.size();
  queue_.push_back({to_bytes(data), 0, due});
}

void TcpFlow::flush(Duration now) {
  if (!open_) return;
  while (!queue_.empty() && queue_.front().due <= now) {
    Piece& piece = queue_.front();
    const std::size_t sent = send(ByteView(piece.data).subspan(piece.sent));
    piece.sent += sent;
    queued_ -= sent;
    if (piece.sent < piece.data.size()) return;
    queue_.pop_front();
  }
  if (ended_ && queue_.empty() && !std::exchange(finished_, true)) ::shutdown(to_, SHUT_WR);
}

std::optional<Duration> TcpFlow::due() const {
  if (!open_ || queue_.empty()) return std::nullopt;
  return queue_.front().due;
}

std::size_t TcpFlow::send(ByteView data) {
  const ssize_t size = ::send(to_, data.data(), data.size(), MSG_NOSIGNAL);
  if (size < 0 && !is_passing(errno)) broken_ = true;
  return static_cast<std::size_t>(std::max<ssize_t>(size, 0));
}

}  // namespace holdfast
