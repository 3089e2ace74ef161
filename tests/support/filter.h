/* SPDX-License-Identifier: MIT */
/* What a service manager's filter does to a process, for the rest of its life. */
#ifndef TASKQ_TESTS_FILTER_H
#define TASKQ_TESTS_FILTER_H

/* From now on openat2 gives ENOSYS here, as under systemd's RestrictSUIDSGID. */
void taskq_refuse_openat2(void);

#endif
