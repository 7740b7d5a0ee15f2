// Messages of PostgreSQL's replication stream.
#include "fuzz.h"
#include "source/postgres/replication.h"

using namespace holdfast;

namespace {

void put(Bytes& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

// Of the server's clock nothing is kept: it comes from the input.
Bytes written_again(const WalMessage& message, ByteView input) {
  const bool data = message.kind == WalMessageKind::kData;
  Bytes out{static_cast<std::uint8_t>(data ? 'w' : 'k')};
  if (data) put(out, message.start);
  put(out, message.server_end);
  append(out, input.subspan(out.size(), 8));
  if (data) {
    append(out, message.data);
  } else {
    out.push_back(message.reply_wanted ? 1 : 0);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input{data, size};
  refuse_or_accept([&] {
    const WalMessage message = parse_wal_message(input);
    require(message.kind != WalMessageKind::kEnd, "the end of a stream is no message");
    Bytes again = written_again(message, input);
    // Any byte but 0 asks for a reply.
    if (message.reply_wanted) again.back() = input.back();
    require(again == to_bytes(input), "all of a message is understood");
  });
  return 0;
}
