// The configuration file.
#include "fuzz.h"
#include "settings/settings.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  refuse_or_accept([&] {
    const Settings settings =
        parse_settings(std::string(as_text(ByteView(data, size))), "holdfast.yaml");
    for (const SourceSettings& source : settings.sources) {
      require(&find_source(settings, source.name) == &source, "a source is found by its name");
      retention_for(settings, source.backup_class, source.name);
    }
  });
  return 0;
}
