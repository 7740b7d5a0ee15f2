#include "source/postgres/file_check.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"
#include "base/wire.h"
#include "source/postgres/crc32c.h"

namespace holdfast {

namespace {

const EVP_MD* digest_of(FileChecksum algorithm) {
  switch (algorithm) {
    case FileChecksum::kSha224:
      return EVP_sha224();
    case FileChecksum::kSha256:
      return EVP_sha256();
    case FileChecksum::kSha384:
      return EVP_sha384();
    case FileChecksum::kSha512:
      return EVP_sha512();
    case FileChecksum::kNone:
    case FileChecksum::kCrc32c:
      break;
  }
  return nullptr;
}

void check(int result) {
  if (result != 1) throw Error(Code::kInternal, "OpenSSL cannot compute a checksum");
}

}  // namespace

FileCheck::FileCheck(const ManifestFile& file) : file_(file) {
  const EVP_MD* digest = digest_of(file.algorithm);
  if (digest == nullptr) return;
  context_.reset(EVP_MD_CTX_new());
  if (!context_) throw Error(Code::kExhausted, "no memory for a checksum");
  check(EVP_DigestInit_ex(context_.get(), digest, nullptr));
}

void FileCheck::update(ByteView data) {
  size_ += data.size();
  if (context_) {
    check(EVP_DigestUpdate(context_.get(), data.data(), data.size()));
  } else if (file_.algorithm == FileChecksum::kCrc32c) {
    crc_ = crc32c(crc_, data);
  }
}

Bytes FileCheck::checksum() {
  Bytes value;
  if (context_) {
    value.resize(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_.get(), value.data(), &size));
    value.resize(size);
  } else if (file_.algorithm == FileChecksum::kCrc32c) {
    WireWriter(value).fixed(crc_);
  }
  return value;
}

std::optional<std::string> FileCheck::finish() {
  if (size_ != file_.size) {
    return fmt::format("{} has {} bytes; the manifest says {}", printable(file_.path), size_,
                       file_.size);
  }
  const Bytes found = checksum();
  if (found == file_.checksum) return std::nullopt;
  return fmt::format("{} has the checksum {}; the manifest says {}", printable(file_.path),
                     to_hex(found), to_hex(file_.checksum));
}

}  // namespace holdfast
