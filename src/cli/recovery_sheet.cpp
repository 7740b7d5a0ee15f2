#include "cli/recovery_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/copies.h"
#include "cli/session.h"
#include "store/open_store.h"
#include "store/s3/client.h"

namespace holdfast {
namespace {

// More of them would not leave room for the rest on one page of 60 lines.
constexpr std::size_t kPlacesOnAPage = 6;

std::string indented(const std::string& text) {
  std::string out = "    ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out;
}

SheetPlace place_of(const std::string& name, const std::string& url, const S3Options& options) {
  SheetPlace place{name, url, {}, {}};
  if (is_s3_url(url)) {
    const S3Place s3 = resolve_place(options, process_environment());
    place.endpoint = s3.endpoint;
    place.region = s3.region;
    place.own_authority = !s3.ca_file.empty();
  } else if (!url.starts_with("file://")) {
    place.url = "file://" + std::filesystem::absolute(url).lexically_normal().string();
  }
  return place;
}

std::string text_of(const SheetPlace& place) {
  std::string text = fmt::format("  {:<10} Address:  {}\n", place.name, place.url);
  if (place.endpoint.empty()) return text;
  return text + fmt::format("  {:<10} Endpoint: {}\n  {:<10} Region:   {}\n", "", place.endpoint,
                            "", place.region);
}

std::string text_of(const std::vector<SheetPlace>& places) {
  std::string text;
  for (std::size_t i = 0; i < std::min(places.size(), kPlacesOnAPage); ++i) {
    text += text_of(places[i]);
  }
  if (places.size() > kPlacesOnAPage) {
    text += fmt::format("  and {} more: see the configuration\n", places.size() - kPlacesOnAPage);
  }
  return text;
}

// What S3 needs to be told that no option says: there is no configuration on a new machine.
std::string environment_step(const std::vector<SheetPlace>& places) {
  const auto is_far = [](const SheetPlace& place) { return !place.endpoint.empty(); };
  if (std::none_of(places.begin(), places.end(), is_far)) {
    return "  3. The place has to be mounted or attached to that machine.\n";
  }
  std::string text =
      "  3. For s3://, set what the machine does not know, of the place you use:\n"
      "       export AWS_ENDPOINT_URL=ENDPOINT AWS_REGION=REGION\n"
      "       export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...\n";
  const auto is_own = [](const SheetPlace& place) { return place.own_authority; };
  if (std::any_of(places.begin(), places.end(), is_own)) {
    text += "       export AWS_CA_BUNDLE=FILE   (your own authority's certificate)\n";
  }
  return text;
}

}  // namespace

std::vector<SheetPlace> sheet_places(Context& context, const std::string& url) {
  std::vector<SheetPlace> places{place_of("vault", url, place_options(context, url).s3)};
  for (const CopyPlace& copy : copies_of(context)) {
    SheetPlace place = place_of(copy.settings.name, copy.settings.url, copy.options.s3);
    if (place.url == url && place.endpoint == places[0].endpoint) continue;
    places.push_back(std::move(place));
  }
  return places;
}

std::string recovery_sheet(const KeyRing& ring, const std::vector<SheetPlace>& places,
                           Timestamp date) {
  return fmt::format(
      "HOLDFAST RECOVERY SHEET\n"
      "=======================\n"
      "\n"
      "Vault:   {}\n"
      "Printed: {} (UTC)\n"
      "\n"
      "Where it lies; any of these places is enough:\n"
      "\n"
      "{}"
      "\n"
      "Recovery code:\n"
      "\n"
      "{}\n"
      "\n"
      "Whoever has this code can read every backup in the vault, without a key\n"
      "file and without a passphrase. Keep the sheet under lock, away from the\n"
      "machines that it is for. It does not wear out: it opens the vault and all\n"
      "of its copies, now and later. Keep the S3 access keys elsewhere, but safe.\n"
      "\n"
      "To recover:\n"
      "\n"
      "  1. Install holdfast on any machine that can reach one of the places.\n"
      "  2. Type the code into a file, say code.txt. Upper or lower case, spaces\n"
      "     and line ends do not matter; O is read as 0, I and L as 1.\n"
      "{}"
      "  4. See what there is:\n"
      "       holdfast recover --from ADDRESS --recovery-code-file code.txt\n"
      "  5. Bring it back, below a directory or (--in-place) to where it was:\n"
      "       holdfast recover --from ADDRESS --recovery-code-file code.txt \\\n"
      "         --target /srv/recovered\n"
      "\n"
      "The environment variable HOLDFAST_RECOVERY_CODE works as well.\n",
      to_hex(ring.vault), format_date(date), text_of(places), indented(recovery_code(ring)),
      environment_step(places));
}

}  // namespace holdfast
