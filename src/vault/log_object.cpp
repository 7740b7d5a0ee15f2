#include "vault/log_object.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

// By version, from 1 on.
constexpr std::array<std::string_view, 2> kLogMagic{std::string_view{"HFLOG1\n\0", 8},
                                                    std::string_view{"HFLOG2\n\0", 8}};
constexpr unsigned kNewest = kLogMagic.size();
constexpr std::size_t kMacPart = std::size_t{64} << 10;
constexpr std::size_t kSaltSize = 32;
constexpr std::size_t kFixedSize = kLogStartSize;
// Of a usual header nothing is left out, of a large object little is read in vain.
constexpr std::uint64_t kFirstRead = 4096;
// More only as it comes: a header may lie.
constexpr std::uint64_t kReserve = 64u << 20;

Bytes associated(const KeyRing& ring, unsigned version, ByteView session, const LogName& name) {
  Bytes data = to_bytes(as_bytes("HFL" + std::to_string(version)));
  append(data, ring.vault);
  append(data, session);
  append(data, as_bytes(name.key()));
  return data;
}

// From version 2 on the parts can be hashed side by side, which takes half of the time.
Digest mac_of(const KeyRing& ring, unsigned version, ByteView content) {
  if (!ring.id) {
    throw Error(Code::kDenied, "an operator key cannot name content", "use a writer key");
  }
  const Hmac mac(*ring.id);
  if (version == 1) return mac(content);
  std::vector<ByteView> parts;
  for (std::size_t at = 0; at < content.size(); at += kMacPart) {
    parts.push_back(content.subspan(at, std::min(kMacPart, content.size() - at)));
  }
  std::vector<Digest> macs(parts.size());
  mac.many(parts, macs);
  Bytes all = to_bytes(as_bytes("log"));
  for (const Digest& one : macs) append(all, one);
  return mac(all);
}

Json parse_facts(const std::string& facts) {
  Json json = Json::parse(facts, nullptr, false);
  if (json.is_object()) return json;
  throw Error(Code::kInvalid, "the facts about a log file are not a JSON object");
}

std::string header_text(const LogHeader& header) {
  Json frames = Json::array();
  for (const LogFrame& frame : header.frames) {
    frames.push_back({static_cast<unsigned>(frame.method), frame.raw_length, frame.sealed_length});
  }
  return Json{{"size", header.size},
              {"mac", to_hex(header.mac)},
              {"created", format_rfc3339(header.created, true)},
              {"facts", parse_facts(header.facts)},
              {"frames", std::move(frames)}}
      .dump();
}

LogFrame parse_frame(const Json& json) {
  const auto method = json.at(0).get<std::uint64_t>();
  const auto raw = json.at(1).get<std::uint64_t>();
  const auto sealed = json.at(2).get<std::uint64_t>();
  // A frame that compression made larger is stored as it is.
  if (method > 1 || raw == 0 || raw > kLogFrame || sealed < kTagSize || sealed > raw + kTagSize) {
    throw Error(Code::kCorrupt, "a frame has an impossible size");
  }
  return {static_cast<FrameMethod>(method), static_cast<std::uint32_t>(raw),
          static_cast<std::uint32_t>(sealed)};
}

LogHeader parse_header(ByteView text) {
  const Json json = Json::parse(as_text(text));
  LogHeader header;
  header.size = json.at("size").get<std::uint64_t>();
  header.mac = to_array<32>(from_hex(json.at("mac").get<std::string>()));
  header.created = parse_rfc3339(json.at("created").get<std::string>());
  if (!json.at("facts").is_object()) throw Error(Code::kCorrupt, "the facts are no object");
  header.facts = json.at("facts").dump();
  std::uint64_t size = 0;
  for (const Json& frame : json.at("frames")) {
    header.frames.push_back(parse_frame(frame));
    size += header.frames.back().raw_length;
  }
  if (size != header.size) throw Error(Code::kCorrupt, "the frames are not the content");
  return header;
}

// An object, or its beginning, by its parts.
struct Parts {
  unsigned version = 0;
  SessionBlock session{};
  ByteView salt;
  std::uint32_t header_length = 0;
  std::size_t header_end() const { return kFixedSize + header_length; }
};

unsigned version_of(std::string_view magic) {
  const auto* const found = std::find(kLogMagic.begin(), kLogMagic.end(), magic);
  if (found != kLogMagic.end()) return static_cast<unsigned>(found - kLogMagic.begin() + 1);
  std::string newer(magic);
  newer[5] = kLogMagic.back()[5];
  if (newer == kLogMagic.back() && magic[5] > newer[5] && magic[5] <= '9') {
    throw Error(Code::kUnsupported, "a newer program wrote it", "update holdfast on this host");
  }
  throw Error(Code::kCorrupt, "it is not a log object");
}

Parts split(ByteView object) {
  WireReader in(object);
  if (object.size() < kFixedSize) throw Error(Code::kCorrupt, "it is too short for a log object");
  Parts parts;
  parts.version = version_of(as_text(in.raw(8)));
  parts.session = to_array<kSessionBlockSize>(in.raw(kSessionBlockSize));
  parts.salt = in.raw(kSaltSize);
  parts.header_length = in.fixed<std::uint32_t>();
  return parts;
}

LogHeader open_header(const Parts& parts, ByteView object, const KeyRing& ring,
                      const LogName& name) {
  if (parts.header_length > object.size() - kFixedSize) {
    throw Error(Code::kCorrupt, "its header is cut off");
  }
  LogHeader header =
      parse_header(open(hkdf(ring.shared, parts.salt, "holdfast log 1"), counter_nonce(0),
                        associated(ring, parts.version, parts.session, name),
                        object.subspan(kFixedSize, parts.header_length), "the header"));
  header.version = parts.version;
  header.object_size = parts.header_end();
  for (const LogFrame& frame : header.frames) header.object_size += frame.sealed_length;
  return header;
}

// Whatever is wrong with the bytes of an object names it, and is damage.
template <typename Decode>
auto naming(const LogName& name, const Decode& decode) {
  constexpr const char* kHint =
      "restore it from another copy of the vault, where the same key holds the same object";
  try {
    return decode();
  } catch (const Json::exception& error) {
    throw Error(Code::kCorrupt, name.key() + " is damaged: " + error.what(), kHint);
  } catch (Error& error) {
    if (error.code() == Code::kDenied) throw;
    if (error.code() == Code::kUnsupported) throw error.add_context(name.key());
    throw Error(Code::kCorrupt, name.key() + " is damaged: " + error.message(), kHint);
  }
}

Bytes open_frames(MutableBytes frames, const KeyRing& ring, const LogHeader& header,
                  const SessionBlock& block) {
  const SessionKeys keys = open_session(block, ring);
  Bytes content;
  content.reserve(static_cast<std::size_t>(std::min(header.size, kReserve)));
  Bytes raw;
  FrameHeader frame;
  for (const LogFrame& entry : header.frames) {
    if (entry.sealed_length > frames.size()) throw Error(Code::kCorrupt, "it is cut off");
    frame.method = entry.method;
    frame.raw_length = entry.raw_length;
    open_frame(keys, ring.vault, frame, frames.first(entry.sealed_length), raw);
    append(content, raw);
    frames = frames.subspan(entry.sealed_length);
    ++frame.number;
  }
  if (!frames.empty()) throw Error(Code::kCorrupt, "it is longer than it says");
  if (!is_content(ring, header, content)) {
    throw Error(Code::kCorrupt, "its content is not what was stored");
  }
  return content;
}

}  // namespace

bool is_content(const KeyRing& ring, const LogHeader& header, ByteView content) {
  return header.size == content.size() &&
         equal_constant_time(header.mac, mac_of(ring, header.version, content));
}

Bytes encode_log(const KeyRing& ring, const LogName& name, ByteView content,
                 const std::string& facts, Timestamp created, int level) {
  check_log_name(name);
  const Session session = new_session(ring);  // its frame numbers start at 0, for this object alone
  LogHeader header{content.size(), mac_of(ring, kNewest, content), kNewest, created, facts, {}, 0};
  Bytes frames;
  Bytes sealed;
  FrameHeader frame;
  for (std::size_t at = 0; at < content.size(); at += kLogFrame, ++frame.number) {
    seal_frame(session.keys, ring.vault, frame,
               content.subspan(at, std::min(kLogFrame, content.size() - at)), level, sealed);
    header.frames.push_back(
        {frame.method, frame.raw_length, static_cast<std::uint32_t>(sealed.size())});
    append(frames, sealed);
  }
  const auto salt = random_array<kSaltSize>();
  const Bytes sealed_header =
      seal(hkdf(ring.shared, salt, "holdfast log 1"), counter_nonce(0),
           associated(ring, kNewest, session.block, name), as_bytes(header_text(header)));
  Bytes object = to_bytes(as_bytes(kLogMagic.back()));
  object.reserve(kFixedSize + sealed_header.size() + frames.size());
  append(object, session.block);
  append(object, salt);
  WireWriter out(object);
  out.fixed(static_cast<std::uint32_t>(sealed_header.size()));
  out.raw(sealed_header);
  out.raw(frames);
  return object;
}

LogHeader decode_log_header(ByteView object, const KeyRing& ring, const LogName& name) {
  return naming(name, [&] { return open_header(split(object), object, ring, name); });
}

LogHeader read_log_header(ObjectStore& store, const KeyRing& ring, const LogName& name) {
  const std::string key = name.key();
  const auto info = store.stat(key);
  if (!info) throw Error(Code::kNotFound, "there is no " + key);
  Bytes start(static_cast<std::size_t>(std::min(info->size, kFirstRead)));
  store.read(key, 0, start);
  const std::uint64_t end =
      naming(name, [&] { return static_cast<std::uint64_t>(split(start).header_end()); });
  if (end > start.size() && end <= info->size) {
    const std::size_t have = start.size();
    start.resize(static_cast<std::size_t>(end));
    store.read(key, have, MutableBytes(start).subspan(have));
  }
  return decode_log_header(start, ring, name);
}

std::optional<LogSealing> log_sealing(ByteView start) {
  try {
    const Parts parts = split(start);
    return LogSealing{parts.session, to_array<kSaltSize>(parts.salt)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

LogContent decode_log(MutableBytes object, const KeyRing& ring, const LogName& name) {
  return naming(name, [&] {
    const Parts parts = split(object);
    LogContent content;
    content.header = open_header(parts, object, ring, name);
    content.bytes =
        open_frames(object.subspan(parts.header_end()), ring, content.header, parts.session);
    return content;
  });
}

}  // namespace holdfast
