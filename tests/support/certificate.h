// Certificates for tests of TLS.
#pragma once

#include <string>

namespace holdfast {

struct TestCertificate {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

// A new self-signed certificate for `names` (as in openssl's subjectAltName); it is its own
// authority.
TestCertificate make_test_certificate(const char* names = "IP:127.0.0.1,DNS:localhost");

}  // namespace holdfast
