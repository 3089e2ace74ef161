/* SPDX-License-Identifier: MIT */
/* Structs that cross the public border and begin with struct_size: what a caller that was compiled against another version meant. */
#ifndef TASKQ_CORE_SIZED_H
#define TASKQ_CORE_SIZED_H

#include <taskq/status.h>

/* `own` becomes what the caller gave: a smaller struct (an older caller) is filled up with zeros, which are the defaults of whatever was
 * appended; a larger one (a newer caller) does where what is beyond ours is zero. EINVAL: NULL, never set up, or not zero. */
taskq_status taskq__sized_in(const void *given, void *own, size_t own_size, taskq_error *err);

/* Fill a caller's struct, as much of it as the caller knows; what it knows beyond ours is set to zero. struct_size stays. EINVAL: NULL, or
 * never set up. */
taskq_status taskq__sized_out(void *given, const void *own, size_t own_size, taskq_error *err);

/* Structs that go both ways, such as reports: they are used where they lie, so they have all that the first version had (up to `least`);
 * what was appended later is looked at with TASKQ__SIZED_HAS alone. EINVAL as of sized_in. */
taskq_status taskq__sized_both(const void *given, size_t least, size_t own_size, taskq_error *err);

#define TASKQ__SIZED_END(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define TASKQ__SIZED_HAS(given, type, field) ((given)->struct_size >= TASKQ__SIZED_END(type, field))
#define TASKQ__SIZED_IN(given, own, err) taskq__sized_in((given), (own), sizeof(*(own)), (err))
#define TASKQ__SIZED_OUT(given, own, err) taskq__sized_out((given), (own), sizeof(*(own)), (err))

#endif
