// Where sandboxes are made unless somebody says where.
#pragma once

#include <string>

namespace holdfast {

// A directory for much that need not survive a reboot, which the user of a database server can
// reach: /var/tmp/holdfast, made if needed. Throws kDenied when it is somebody else's.
std::string own_scratch();

}  // namespace holdfast
