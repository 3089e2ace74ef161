/* SPDX-License-Identifier: MIT */
/*
 * The version of these headers, and of the library that is really loaded.
 *
 * The three numbers below are the only place where the project's version is written: the build reads it
 * from here. May be called from any thread; nothing here can fail.
 *
 * A program may run with a library of another version than it was compiled against, of the same soname. Structs that begin with
 * struct_size say how much of them the program knows (their _INIT sets it): fields are only ever appended, and zero is their default. A
 * shorter struct than the library's is taken as if it went on with zeros; of a longer one, what the library does not know has to be zero,
 * else the call is refused (EINVAL); of what the library fills in, each gets the part that it knows.
 */
#ifndef TASKQ_VERSION_H
#define TASKQ_VERSION_H

#include <taskq/export.h>

TASKQ_BEGIN_DECLS

/** @def TASKQ_VERSION_MAJOR
 * Raised where a release breaks its users (before 1.0 the minor one is). */
/** @def TASKQ_VERSION_MINOR
 * Raised where it adds. */
/** @def TASKQ_VERSION_PATCH
 * Raised where it mends. */
#define TASKQ_VERSION_MAJOR 0
#define TASKQ_VERSION_MINOR 1
#define TASKQ_VERSION_PATCH 0

/** @cond */
#define TASKQ_VERSION__TEXT(x) #x
#define TASKQ_VERSION__JOIN(major, minor, p) \
    TASKQ_VERSION__TEXT(major) "." TASKQ_VERSION__TEXT(minor) "." TASKQ_VERSION__TEXT(p)
/** @endcond */

/** "0.1.0": what the program was compiled against. */
#define TASKQ_VERSION TASKQ_VERSION__JOIN(TASKQ_VERSION_MAJOR, TASKQ_VERSION_MINOR, TASKQ_VERSION_PATCH)

/** One number for the preprocessor to compare: 0.1.0 is 100. */
#define TASKQ_VERSION_NUMBER (TASKQ_VERSION_MAJOR * 10000 + TASKQ_VERSION_MINOR * 100 + TASKQ_VERSION_PATCH)

/** What the program runs with, as TASKQ_VERSION: that of the library that was loaded. Static storage. */
TASKQ_API const char *taskq_version_string(void);
/** As TASKQ_VERSION_NUMBER, of the library that was loaded. */
TASKQ_API int taskq_version_number(void);

TASKQ_END_DECLS

#endif
