// Exclusion patterns: the first line is the pattern, the second the path.
#include "base/ignore.h"
#include "fuzz.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(ByteView(data, size));
  const auto line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  refuse_or_accept([&] {
    IgnoreRules rules;
    rules.add(text.substr(0, line));
    rules.ignores(text.substr(line + 1), "srv", false);
    rules.ignores(text.substr(line + 1), "srv", true);
  });
  return 0;
}
