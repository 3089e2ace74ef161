/* SPDX-License-Identifier: MIT */
/*
 * One place that says which of PostgreSQL's failures may be tried again, which are somebody's fault and which mean that the
 * database is out of reach. Nothing here means "trust nothing any more": a server that failed to write or to flush ends itself
 * and recovers from its log, so what comes after is another connection.
 */
#include "store/postgres/fault.h"

#include "core/fail.h"

#include <string.h>

typedef struct meaning {
    const char *sqlstate; /* five characters, or the two of a class */
    taskq_status status;
} meaning;

/* The first that fits. */
static const meaning meanings[] = {
    {"40", TASKQ_EBUSY},                             /* rolled back: serialization, deadlock */
    {"55P03", TASKQ_EBUSY},                          /* a lock was not to be had in time */
    {"55006", TASKQ_EBUSY},                          /* the object is in use */
    {"23505", TASKQ_EBUSY},                          /* a key that was free when it was read */
    {"57014", TASKQ_EBUSY},                          /* it took too long, or was canceled */
    {"25P03", TASKQ_EUNAVAIL},                       /* the transaction was idle for too long */
    {"25006", TASKQ_EUNAVAIL},                       /* the server takes no writes: a standby */
    {"22", TASKQ_EINVAL},                            /* data that the database refuses */
    {"23", TASKQ_EINVAL},      {"54", TASKQ_EINVAL}, /* too large, too complex */
};

static const char *hint_for(const char *sqlstate)
{
    if (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42883") == 0) {
        return " (the schema was changed or taken away by others; open the store anew)";
    }
    if (strcmp(sqlstate, "42501") == 0) {
        return " (the role has not been granted all that --print-schema prints)";
    }
    if (strcmp(sqlstate, "42P05") == 0 || strcmp(sqlstate, "26000") == 0) {
        return " (does a pooler in transaction mode stand between? then --db-pooled is missing)";
    }
    return "";
}

taskq_status taskq__pg_fault(const PGresult *result, const char *doing, taskq_error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    taskq_status status = TASKQ_EUNAVAIL;
    if (sqlstate == NULL) {
        /* libpq's own words: they may be several lines. */
        text = PQresultErrorMessage(result);
        return taskq__fail(err, status, "%s: %.*s", doing, (int)strcspn(text, "\n"), text);
    }
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) == 0) {
            status = meanings[i].status;
            break;
        }
    }
    text = text == NULL ? "no reason given" : text;
    return taskq__fail(err, status, "%s: %.*s (%s)%s", doing, (int)strcspn(text, "\n"), text, sqlstate,
                       hint_for(sqlstate));
}
