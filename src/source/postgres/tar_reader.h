// Tar archives as PostgreSQL's server writes them (ustar), member by member, while they come.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace holdfast {

enum class TarType { kFile, kDirectory, kSymlink };

struct TarMember {
  std::string path;  // relative; no "..", no empty component, no slash at the end
  TarType type = TarType::kFile;
  std::uint64_t size = 0;  // of the content that follows
  std::uint32_t mode = 0;  // 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user;
  std::string group;
  std::int64_t modified = 0;  // seconds since 1970
  std::string link_target;
};

// Who receives the members: begin, its content in order (perhaps none), end; then the next one.
struct TarHandler {
  std::function<void(const TarMember& member)> begin;
  std::function<void(ByteView content)> content;
  std::function<void()> end;
};

// Throws Error(kCorrupt) for anything that the server does not write; what was given before is
// worthless then. One thread.
class TarReader {
 public:
  explicit TarReader(TarHandler handler) : handler_(std::move(handler)) {}

  void feed(ByteView bytes);
  // To be called at the end: the archive must not stop within a member. The server leaves out the
  // two blocks of zeros that close an archive.
  void finish() const;

 private:
  void take_header();
  void end_member();

  TarHandler handler_;
  Bytes header_;            // what there is of the next one
  bool in_member_ = false;  // its content or padding is coming
  bool closed_ = false;     // a block of zeros came
  std::uint64_t left_ = 0;  // of the content
  std::uint64_t padding_ = 0;
};

}  // namespace holdfast
