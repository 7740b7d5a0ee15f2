// The lifecycle rules of a bucket: any store may send anything.
#include "fuzz.h"
#include "store/s3/lifecycle.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  refuse_or_accept([&] {
    const auto rules = parse_lifecycle(ByteView(data, size));
    const std::string document = lifecycle_document(rules, {});
    const auto again = parse_lifecycle(as_bytes(document));
    require(again.size() == rules.size(), "rules of others are kept");
    for (std::size_t i = 0; i < rules.size(); ++i) {
      // A carriage return, written as it is, is read as the end of a line.
      if (document.find('\r') != std::string::npos) return;
      require(again[i].rule == rules[i].rule, "a kept rule does what it did");
      require(again[i].enabled == rules[i].enabled, "a kept rule stays on or off");
      describe(rules[i]);
    }
  });
  return 0;
}
