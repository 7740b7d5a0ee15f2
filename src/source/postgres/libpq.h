// The functions of libpq that are used here. For src/source/postgres only.
#pragma once

#include <libpq-fe.h>

#include <memory>

#include "os/shared_library.h"

namespace holdfast {

inline constexpr SharedLibrary kLibpq{"libpq.so.5", "libpq5"};

#define HOLDFAST_PQ(function) HOLDFAST_LIBRARY_FUNCTION(kLibpq, function)

HOLDFAST_PQ(PQcancel);
HOLDFAST_PQ(PQclear);
HOLDFAST_PQ(PQconndefaults);
HOLDFAST_PQ(PQconnectdbParams);
HOLDFAST_PQ(PQconnectionNeedsPassword);
HOLDFAST_PQ(PQconnectionUsedPassword);
HOLDFAST_PQ(PQconninfoFree);
HOLDFAST_PQ(PQconninfoParse);
HOLDFAST_PQ(PQconsumeInput);
HOLDFAST_PQ(PQdb);
HOLDFAST_PQ(PQerrorMessage);
HOLDFAST_PQ(PQexec);
HOLDFAST_PQ(PQexecParams);
HOLDFAST_PQ(PQfinish);
HOLDFAST_PQ(PQflush);
HOLDFAST_PQ(PQfreeCancel);
HOLDFAST_PQ(PQfreemem);
HOLDFAST_PQ(PQgetCancel);
HOLDFAST_PQ(PQgetCopyData);
HOLDFAST_PQ(PQgetResult);
HOLDFAST_PQ(PQgetisnull);
HOLDFAST_PQ(PQgetvalue);
HOLDFAST_PQ(PQhost);
HOLDFAST_PQ(PQisBusy);
HOLDFAST_PQ(PQnfields);
HOLDFAST_PQ(PQntuples);
HOLDFAST_PQ(PQport);
HOLDFAST_PQ(PQputCopyData);
HOLDFAST_PQ(PQputCopyEnd);
HOLDFAST_PQ(PQresultErrorField);
HOLDFAST_PQ(PQresultErrorMessage);
HOLDFAST_PQ(PQresultStatus);
HOLDFAST_PQ(PQsendQuery);
HOLDFAST_PQ(PQserverVersion);
HOLDFAST_PQ(PQsetNoticeReceiver);
HOLDFAST_PQ(PQsocket);
HOLDFAST_PQ(PQstatus);
HOLDFAST_PQ(PQuser);

#undef HOLDFAST_PQ

struct PqDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
  void operator()(char* buffer) const { PQfreemem(buffer); }
};
using PqResult = std::unique_ptr<PGresult, PqDeleter>;
using PqCancel = std::unique_ptr<PGcancel, PqDeleter>;
using PqOptions = std::unique_ptr<PQconninfoOption, PqDeleter>;
using PqBuffer = std::unique_ptr<char, PqDeleter>;

}  // namespace holdfast
