#include "codec/line_filter.h"

namespace holdfast {

void LineFilter::write(ByteView data) {
  std::string_view text = as_text(data);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const bool ends = end != std::string_view::npos;
    take(text.substr(0, ends ? end + 1 : text.size()), ends);
    text.remove_prefix(ends ? end + 1 : text.size());
  }
  if (!out_.empty()) sink_(out_);
  out_.clear();
}

// `text` is of one line, with its end if that is there.
void LineFilter::take(std::string_view text, bool ends) {
  if (!judged_ && begun_.empty() && ends) {  // most lines, without a copy
    if (passes(text.substr(0, text.size() - 1))) append(out_, as_bytes(text));
    return;
  }
  if (judged_) {
    if (passing_) append(out_, as_bytes(text));
  } else {
    begun_ += text;
    if (ends || begun_.size() > kLongestLine) {
      passing_ = passes(std::string_view(begun_).substr(0, begun_.size() - (ends ? 1 : 0)));
      judged_ = true;
      if (passing_) append(out_, as_bytes(begun_));
      begun_.clear();
    }
  }
  if (ends) judged_ = false;
}

void LineFilter::finish() {
  if (!begun_.empty() && passes(begun_)) append(out_, as_bytes(begun_));
  begun_.clear();
  if (!out_.empty()) sink_(out_);
  out_.clear();
}

}  // namespace holdfast
