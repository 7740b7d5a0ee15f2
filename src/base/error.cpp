#include "base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace holdfast {

Error::Error(Code code, std::string message, std::string hint)
    : code_(code), message_(std::move(message)), hint_(std::move(hint)) {}

Error& Error::add_context(std::string_view context) {
  message_ = std::string(context) + ": " + message_;
  return *this;
}

Error& Error::suggest(std::string_view hint) {
  if (hint_.empty()) hint_ = hint;
  return *this;
}

namespace {

Code code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EEXIST:
    case EBUSY:
    case ENOTEMPTY:
      return Code::kConflict;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kDenied;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EFBIG:
      return Code::kExhausted;
    case EIO:
    case ETIMEDOUT:
    case ESTALE:
    case ENXIO:
    case ENODEV:
      return Code::kUnavailable;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
      return Code::kInvalid;
    case EINTR:
    case ECANCELED:
      return Code::kCancelled;
    case EOPNOTSUPP:
    case ENOSYS:
      return Code::kUnsupported;
    default:
      return Code::kInternal;
  }
}

struct CodeEntry {
  Code code;
  int exit;
  std::string_view name;
};

constexpr CodeEntry kCodes[] = {
    {Code::kInternal, 1, "internal"},       {Code::kUsage, 2, "usage"},
    {Code::kNotFound, 4, "not-found"},      {Code::kCorrupt, 5, "corrupt"},
    {Code::kConflict, 6, "conflict"},       {Code::kDenied, 7, "denied"},
    {Code::kUnavailable, 8, "unavailable"}, {Code::kExhausted, 9, "no-space"},
    {Code::kInvalid, 10, "invalid"},        {Code::kUnsupported, 11, "unsupported"},
    {Code::kCancelled, 130, "interrupted"},
};

const CodeEntry& entry_of(Code code) {
  for (const CodeEntry& entry : kCodes) {
    if (entry.code == code) return entry;
  }
  return kCodes[0];
}

}  // namespace

Error system_error(int error_number, std::string_view action) {
  return {code_of_errno(error_number),
          std::string(action) + ": " + std::generic_category().message(error_number)};
}

int exit_code(Code code) { return entry_of(code).exit; }

std::string_view code_name(Code code) { return entry_of(code).name; }

}  // namespace holdfast
