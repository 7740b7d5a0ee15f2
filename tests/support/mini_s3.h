// A small S3 in memory, over real HTTP, for faults that a real store will not give on demand: any
// request may be answered by a fault, before or after it took effect.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "os/mutex.h"
#include "support/scripted_server.h"

namespace holdfast {

// One bucket of any name, path style; credentials are not checked, content hashes are. Thread-safe.
class MiniS3 {
 public:
  using Received = ScriptedServer::Received;
  using Reply = ScriptedServer::Reply;
  struct Fault {
    Reply reply;
    bool takes_effect = false;  // the request is carried out first: its acknowledgement is lost
    // The honest answer, but bits of this byte of its body change on the way.
    std::optional<std::size_t> change_byte = std::nullopt;
    char change_bits = 1;
  };
  // Asked for each request with its number from 1; nothing: an honest answer.
  using Plan = std::function<std::optional<Fault>(const Received&, unsigned number)>;

  struct Behaviour {
    std::size_t page = 1000;  // objects to a page of a list
    bool honours_conditions = true;
    bool wants_bare_etags = false;  // in If-Match, as Ceph does
    bool denies_removal = false;
    bool etags_are_hashes = true;
    bool encrypts = true;               // says of its objects that it does, when it was asked to
    bool completes_with_error = false;  // 200 and an error body, at the first completion
  };

  MiniS3() : MiniS3(Behaviour{}) {}
  explicit MiniS3(const Behaviour& behaviour);

  std::string url() const { return server_.url(); }
  void set_plan(Plan plan);
  // Requests since the last set_plan.
  unsigned requests() const;
  std::vector<Received> received() const { return server_.requests(); }
  std::size_t pending_uploads() const;
  // Of all objects, in order.
  std::vector<std::string> keys() const;
  // Moves all objects whose key contains `part` to an archive tier, out of which they come at once
  // when they are asked for.
  void archive(const std::string& part);
  // Keys that were asked for, in this order.
  std::vector<std::string> asked_for() const;
  // Changes a stored byte, as a lying store would.
  void damage(const std::string& key);

 private:
  struct Upload {
    std::string key;
    std::map<int, std::string> parts;
  };
  using Query = std::map<std::string, std::string>;

  Reply handle(const Received& received);
  Reply carry_out(const Received& received);
  std::string etag_of(const std::string& content) const;
  Reply bring_back(const std::string& key) REQUIRES(mutex_);
  Reply put(const Received& received, const std::string& key) REQUIRES(mutex_);
  Reply get(const Received& received, const std::string& key) REQUIRES(mutex_);
  Reply list(const Query& query) REQUIRES(mutex_);
  Reply multipart(const Received& received, const std::string& key, const Query& query)
      REQUIRES(mutex_);
  Reply complete(const std::string& key, const std::string& id, bool only_new) REQUIRES(mutex_);

  const Behaviour behaviour_;
  mutable Mutex mutex_;
  Plan plan_ GUARDED_BY(mutex_);
  unsigned number_ GUARDED_BY(mutex_) = 0;
  unsigned next_upload_ GUARDED_BY(mutex_) = 0;
  bool failed_completion_ GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> objects_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> encrypted_ GUARDED_BY(mutex_);  // and how
  std::map<std::string, Upload> uploads_ GUARDED_BY(mutex_);
  std::map<std::string, bool> archived_ GUARDED_BY(mutex_);  // and whether it can be read
  std::vector<std::string> asked_for_ GUARDED_BY(mutex_);
  ScriptedServer server_;  // last: its threads use the rest
};

}  // namespace holdfast
