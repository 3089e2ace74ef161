/* SPDX-License-Identifier: MIT */
/*
 * The one rule for struct_size. A host is compiled against one version and runs with another, older or newer: fields are only ever
 * appended, zero means their default, and so the shorter of the two structs tells what both know. What a newer host sets and we do not
 * know cannot be left out in silence: that is refused.
 */
#include "core/sized.h"

#include "core/fail.h"

#include <taskq/version.h>

#include <string.h>

/* No struct grows by so much: such a size is what was in memory before, not a version. */
enum { GROWTH_BYTES_MAX = 4096 };

static taskq_status size_of(const void *given, size_t own_size, size_t *out, taskq_error *err)
{
    size_t size = 0;
    if (given != NULL) {
        memcpy(&size, given, sizeof(size));
    }
    if (size < sizeof(size) || size > own_size + GROWTH_BYTES_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the struct is missing or was not set up with its TASKQ_..._INIT");
    }
    *out = size;
    return TASKQ_OK;
}

/* What is beyond ours. */
static taskq_status check_rest(const char *given, size_t own_size, size_t size, taskq_error *err)
{
    for (size_t at = own_size; at < size; at++) {
        if (given[at] != 0) {
            return taskq__fail(err, TASKQ_EINVAL,
                               "the struct uses what this library, version " TASKQ_VERSION
                               ", does not know: the program was compiled against a newer one");
        }
    }
    return TASKQ_OK;
}

taskq_status taskq__sized_both(const void *given, size_t least, size_t own_size, taskq_error *err)
{
    size_t size = 0;
    taskq_status status = size_of(given, own_size, &size, err);
    if (status == TASKQ_OK && size < least) {
        status = taskq__fail(err, TASKQ_EINVAL, "the struct is smaller than it was in any version");
    }
    return status == TASKQ_OK ? check_rest(given, own_size, size, err) : status;
}

taskq_status taskq__sized_in(const void *given, void *own, size_t own_size, taskq_error *err)
{
    size_t size = 0;
    taskq_status status = size_of(given, own_size, &size, err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = check_rest(given, own_size, size, err);
    if (status != TASKQ_OK) {
        return status;
    }
    memset(own, 0, own_size);
    memcpy(own, given, size < own_size ? size : own_size);
    memcpy(own, &own_size, sizeof(own_size));
    return TASKQ_OK;
}

taskq_status taskq__sized_out(void *given, const void *own, size_t own_size, taskq_error *err)
{
    size_t size = 0;
    taskq_status status = size_of(given, own_size, &size, err);
    if (status != TASKQ_OK) {
        return status;
    }
    memset(given, 0, size);
    memcpy(given, own, size < own_size ? size : own_size);
    memcpy(given, &size, sizeof(size));
    return TASKQ_OK;
}
