// What the proofs of all kinds of databases share.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace holdfast {

// What a check throws when the backup does not pass it.
class ProofFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Who carries out the steps of a proof and notes them.
class ProofSteps {
 public:
  virtual ~ProofSteps() = default;
  // Runs `check`, whose text is the detail; false when it threw.
  virtual bool step(const std::string& name, const std::function<std::string()>& check) = 0;
};

// Runs a check that needs the server of `sandbox`. When it fails because the server crashed or this
// host could not bear it, that is what is thrown: see require_alive().
template <typename Sandbox, typename Check>
auto on_server(const Sandbox& sandbox, Check check) {
  try {
    return check();
  } catch (const ProofFailure&) {
    sandbox.require_alive(false);
    throw;
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kExhausted) throw;
    sandbox.require_alive(error.code() == Code::kUnavailable);
    throw;
  }
}

// Throws kDenied when the system user `user` cannot reach `directory`: else its server would seem
// to find the backup damaged.
void require_reachable(const std::string& directory, const std::string& user);

// Makes the directory with mode 0700 for the system user `user`, as far as we may.
void make_directory_for(const std::string& directory, const std::string& user);

}  // namespace holdfast
