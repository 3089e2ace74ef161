/* SPDX-License-Identifier: MIT */
/*
 * What every public header needs: visibility, printf checking, and the C linkage of C++ programs.
 */
#ifndef TASKQ_EXPORT_H
#define TASKQ_EXPORT_H

/** @def TASKQ_API
 * A function of the library's interface. */
/** @def TASKQ_PRINTF
 * The compiler checks the arguments as those of printf. */
/** @def TASKQ_MUST_CHECK
 * The compiler warns where what it returns is not looked at. */
/** @def TASKQ_BEGIN_DECLS
 * What follows has the linkage of C, also in C++. */
/** @def TASKQ_END_DECLS
 * The end of that. */

#if defined(__GNUC__)
#define TASKQ_API __attribute__((visibility("default")))
#define TASKQ_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#define TASKQ_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TASKQ_API
#define TASKQ_PRINTF(format_index, first_argument)
#define TASKQ_MUST_CHECK
#endif

#if defined(__cplusplus)
#define TASKQ_BEGIN_DECLS extern "C" {
#define TASKQ_END_DECLS }
#else
#define TASKQ_BEGIN_DECLS
#define TASKQ_END_DECLS
#endif

#endif
