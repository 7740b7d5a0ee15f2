#include "cli/recovery_sheet.h"

#include <fmt/format.h>

namespace holdfast {
namespace {

std::string indented(const std::string& text) {
  std::string out = "    ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out;
}

}  // namespace

std::string recovery_sheet(const KeyRing& ring, const std::string& url, Timestamp date) {
  return fmt::format(
      "HOLDFAST RECOVERY SHEET\n"
      "=======================\n"
      "\n"
      "Vault:   {}\n"
      "Address: {}\n"
      "Printed: {} (UTC)\n"
      "\n"
      "Recovery code:\n"
      "\n"
      "{}\n"
      "\n"
      "Whoever has this code can read every backup in the vault, without a key\n"
      "file and without a passphrase. Keep the sheet under lock, away from the\n"
      "machines that it is for. It does not wear out: it opens the vault and all\n"
      "of its copies, now and later.\n"
      "\n"
      "To recover:\n"
      "\n"
      "  1. Install holdfast on any machine that can reach the vault or a copy.\n"
      "  2. Type the code into a file, say code.txt. Upper or lower case, spaces\n"
      "     and line ends do not matter; O is read as 0, I and L as 1.\n"
      "  3. holdfast list --vault ADDRESS --recovery-code-file code.txt\n"
      "  4. holdfast restore latest:SOURCE --target / --vault ADDRESS\n"
      "              --recovery-code-file code.txt\n"
      "\n"
      "The environment variable HOLDFAST_RECOVERY_CODE works as well.\n",
      to_hex(ring.vault), url, format_date(date), indented(recovery_code(ring)));
}

}  // namespace holdfast
