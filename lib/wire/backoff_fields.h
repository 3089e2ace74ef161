/* SPDX-License-Identifier: MIT */
/* The fields of a backoff: a part of two records, the job asked for and the job as it is. */
#ifndef TASKQ_WIRE_BACKOFF_FIELDS_H
#define TASKQ_WIRE_BACKOFF_FIELDS_H

#include "wire/fields.h"

enum { TASKQ__BACKOFF_FIELDS = 4 };
extern const taskq__field taskq__backoff_fields[TASKQ__BACKOFF_FIELDS];

#endif
