// Text that passes line by line, or does not.
#pragma once

#include <string>
#include <string_view>

#include "codec/byte_stream.h"

namespace holdfast {

// Memory is bounded whatever the text is: a line of more than kLongestLine is judged by its
// beginning. One thread at a time.
class LineFilter : public ByteStream {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{1} << 20;  // bytes

  explicit LineFilter(ByteSink sink) : sink_(std::move(sink)) {}
  void write(ByteView data) final;
  void finish() final;

 protected:
  // Whether the line, given without its end, is to pass. Called once for each, in order.
  virtual bool passes(std::string_view line) = 0;

 private:
  void take(std::string_view text, bool ends);

  const ByteSink sink_;
  Bytes out_;
  std::string begun_;     // of a line that is not judged yet
  bool judged_ = false;   // the line that goes on has been
  bool passing_ = false;  // and passes
};

}  // namespace holdfast
