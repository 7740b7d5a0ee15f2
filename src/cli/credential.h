// The key that the user has in hand: from an option, the environment, the configuration or a
// prompt.
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "vault/keyring.h"

namespace holdfast {

// In this order: --recovery-code-file, --key-file, HOLDFAST_RECOVERY_CODE, HOLDFAST_KEY_FILE,
// HOLDFAST_PASSPHRASE, key_file of the configuration, a prompt when a terminal is there. Throws
// Error(kDenied) when there is nothing, kInvalid when what there is is no key.
Credential find_credential(Context& context);

// The same without the prompt, for what can be done without a key, too: nothing when none was
// given.
std::optional<Credential> given_credential(Context& context);

// The key file that option, environment or configuration name; empty when the key is another thing.
std::string key_file_path(Context& context);

Credential read_key_file(const std::string& path);
// Creates `path` with mode 0600, durable; Error(kConflict) when it exists.
void write_secret_file(const std::string& path, const std::string& text);

// Where a dry run would have a file made. Throws Error(kNotFound), kDenied.
void require_writable_directory(const std::string& path);

// `variable` of the environment, or asked for twice on a terminal. Throws Error(kDenied) without
// either, kInvalid when it is empty or both answers differ.
Passphrase new_passphrase(Context& context, const char* variable);

}  // namespace holdfast
