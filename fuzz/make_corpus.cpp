// make_corpus DIRECTORY: writes the seeds of the binary formats, made by the real encoders. Run by
// hand when a format gets something new; the seeds are committed.
#include <cstdio>

#include "os/file.h"
#include "source_postgres/wal_maker.h"
#include "store/memory_store.h"
#include "store/s3/xml.h"
#include "vault/log_object.h"
#include "vault/tree.h"

using namespace holdfast;

namespace {

std::string directory;

void seed(const std::string& fuzzer, const std::string& name, ByteView data) {
  make_directories(directory + "/" + fuzzer);
  write_file_atomic(directory + "/" + fuzzer + "/" + name, data);
}

Bytes leaf_page() {
  Bytes page;
  WireWriter out(page);
  out.fixed(std::uint8_t{0});
  out.varint(1);
  write_ref(out, {{}, 28, ChunkKind::kRefs});
  Entry file{
      "srv/file", EntryType::kFile, 0644, 1, 2, "root", "root", -5, 100, "", 0, {}, {}, false,
      false};
  file.xattrs = {{"user.x", {1, 2, 3}}};
  file.sparse = true;
  file.extents = {{10, 20}, {50, 50}};
  encode_entry(file, 1, page);
  encode_entry(
      {"srv/link", EntryType::kSymlink, 0777, 0, 0, "", "", 1, 0, "file", 0, {}, {}, false, false},
      0, page);
  return page;
}

// What a person or a service writes: text, but with ends of lines that an editor would lose.
void aws_profile_seeds() {
  seed("aws_profile", "config",
       as_bytes("\xef\xbb\xbf# mine\r\n[default] ; x\r\nregion = eu-west-1 # here\r\n[profile \"a "
                "b\"]\nrole_arn = arn:r\nsource_profile = default\ns3 =\n  addressing_style = "
                "path\n  max = 1\ncredential_process = echo a ; b\n    more\n[profile "
                "default]\nx=y\n[sso-session s]\n"));
  seed("aws_profile", "credentials",
       as_bytes("[default]\naws_access_key_id = A\naws_secret_access_key = S\n[work]\n  a = 1\n  b "
                "= 2\n"));
  const std::string keys = R"("AccessKeyId": "A", "SecretAccessKey": "S", )";
  const std::string expiry = R"("Expiration": "2025-11-10T18:00:00Z"})";
  seed("aws_profile", "process",
       as_bytes(R"({"Version": 1, )" + keys + R"("SessionToken": "T", )" + expiry));
  seed("aws_profile", "metadata",
       as_bytes(R"({"Code": "Success", )" + keys + R"("Token": "T", )" + expiry));
  seed("aws_profile", "token",
       as_bytes("<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</"
                "SecretAccessKey><SessionToken>T</SessionToken><Expiration>2025-11-10T18:00:00Z</"
                "Expiration></Credentials></R>"));
  seed("aws_profile", "token-error",
       as_bytes("<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></"
                "ErrorResponse>"));
}

// The first byte says in what portions the fuzzer feeds the rest.
void wal_seed(const std::string& name, const WalMaker& log) {
  Bytes input = {17};
  append(input, log.bytes());
  seed("wal", name, input);
}

void wal_seeds() {
  WalMaker::Shape shape;
  shape.page_size = 4096;
  WalMaker plain(shape);
  plain.add(WalMaker::commit(1));
  plain.add(WalMaker::restore_point(2, "point"));
  plain.add({10,
             0,
             3,
             Bytes(9000, 7),
             {0, 0x20, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0},
             {1, 2}});
  plain.add(WalMaker::abort(4));
  plain.add({kRmXlog, kXlogOnlineCheckpoint, 0, Bytes(88, 1)});
  plain.add({kRmXlog, kXlogEndOfRecovery, 0, Bytes(24, 2)});
  plain.add(
      {kRmXact, kXactCommitPrepared | kXactHasInfo, 0, {1, 0, 0, 0, 0, 0, 0, 0, 0x12, 0, 0, 0,
                                                        1, 0, 0, 0, 9, 0, 0, 0, 8,    0, 0, 0}});
  wal_seed("plain", plain);
  WalMaker torn(shape);
  torn.add(WalMaker::commit(1));
  torn.add_torn({10, 0, 3, Bytes(9000, 7)}, 5000);
  torn.add({kRmXlog, 0xd0, 0, Bytes(16)});
  wal_seed("torn", torn);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  directory = argv[1];
  const KeyRing ring = KeyRing::from_master({}, {});
  seed("tree", "leaf", leaf_page());
  PackContents contents;
  contents.size = 200;
  contents.sessions.push_back(SessionBlock{});
  FrameEntry frame;
  frame.header.raw_length = 30;
  frame.offset = 8;
  frame.sealed_length = 40;
  frame.chunks = {{{}, 10}, {{}, 20}};
  contents.frames.push_back(frame);
  SegmentBuilder builder;
  builder.add(contents);
  seed("segment", "one-pack", builder.build());
  MemoryStore store(system_clock());
  Vault::create(store, system_clock(), ring, {}, "");
  seed("vault_config", "fresh", store.get("holdfast.json"));
  seed("keys", "wrapped", as_bytes(wrap_key_ring(ring, KeyFileSecret{}, "l", {}).json));
  seed("keys", "file", as_bytes(key_file_text({})));
  seed("keys", "ring", as_bytes(key_ring_text(ring)));
  seed("keys", "code", as_bytes(recovery_code(ring)));
  seed("s3_xml", "complete", as_bytes(complete_upload_body({"0123456789abcdef", "a&b"})));
  BackupSummary summary;
  summary.name = {"files", Timestamp{}, "source"};
  seed("backup_object", "object", encode_backup(new_session(ring), ring, summary, {}));
  seed("backup_object", "key", as_bytes(summary.name.key()));
  const LogName log{"source", "1", "file", {}};
  const Bytes zeros(100);
  seed("log_object", "object", encode_log(ring, log, zeros, R"({"a":1})", Timestamp{}, 1));
  seed("log_object", "key", as_bytes(LogName{"db", "1", "file", LogPiece{0, 16}}.key()));
  aws_profile_seeds();
  wal_seeds();
  return 0;
}
