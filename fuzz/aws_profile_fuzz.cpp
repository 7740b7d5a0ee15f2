// The files in ~/.aws, and the answers of the services that hand out credentials.
#include "fuzz.h"
#include "store/s3/credential_answers.h"
#include "store/s3/profile_files.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const std::string_view text = as_text(input);
  for (const AwsFile kind : {AwsFile::kConfig, AwsFile::kCredentials}) {
    refuse_or_accept([&] {
      for (const auto& [profile, settings] : parse_aws_file(text, kind, "file")) {
        require(!profile.empty(), "a profile has a name");
        for (const auto& [key, value] : settings) require(!key.empty(), "a setting has a key");
      }
    });
  }
  refuse_or_accept([&] { parse_process_answer(text); });
  refuse_or_accept([&] { parse_metadata_answer(text); });
  refuse_or_accept([&] { parse_token_answer(input); });
  parse_token_error(input);
  return 0;
}
