/* SPDX-License-Identifier: MIT */
/*
 * Command line options from one table: it is parsed by, shown by --help, and what completions and manual pages are made of. A program's
 * tables stand in a file of their own, table.c, which needs no library: the build reads it by a program that it runs (man/describe.c).
 *
 * `--name value`, `--name=value`, `-n value` where the table has a letter; `--` ends the options, `-` alone is a positional
 * argument. --help and --version are known to every table. An option that was not given is taken from the environment
 * (TASKQ_ and the name in capitals, '-' as '_': a list is comma-separated there, a switch is 1 or 0), then from its fallback.
 * Durations are written 500ms, 2s, 5m, 1h, 7d and sizes 512B, 64KiB, 1MiB, 2GiB: a bare number says nothing and is refused.
 * What is wrong goes to standard error with the option's name; the caller then exits with EXIT_USAGE.
 * Strings belong to argv, to the table or to the options object; they are valid until options_free.
 */
#ifndef TASKQ_APPS_OPTIONS_H
#define TASKQ_APPS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The exit codes that all of our programs share. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_CONFLICT = 4,
    EXIT_UNREACHABLE = 5,
    EXIT_DENIED = 6
};

typedef enum option_kind {
    OPTION_STRING, /* the last one given counts */
    OPTION_LIST,   /* may be repeated */
    OPTION_SWITCH,
    OPTION_DURATION, /* milliseconds */
    OPTION_SIZE,     /* bytes */
    OPTION_INT,
    OPTION_REAL /* a number with a fraction */
} option_kind;

typedef struct option_spec {
    const char *name; /* without the dashes */
    char letter;      /* "-o"; 0: none */
    option_kind kind;
    const char *argument; /* its place holder in --help; NULL for a switch */
    const char *help;     /* one line */
    const char *fallback; /* as it would be written; NULL: none */
    int64_t min, max;     /* of durations, sizes and integers; both 0: only that it fits */
    const char *words;    /* "full|relaxed": nothing else will do; NULL: anything */
} option_spec;

typedef struct option_table {
    const option_spec *specs;
    size_t count;
} option_table;

/* A subcommand, as far as --help, completions and manual pages go. */
typedef struct option_command {
    const char *name;
    const char *arguments; /* for --help; words with '|' between them are all there are */
    const char *help;      /* one line */
    size_t arguments_min, arguments_max;
    const option_table *table; /* its own options; NULL: none */
} option_command;

typedef struct option_program {
    const char *name;
    const char *help;   /* one line */
    const char *after;  /* what stands behind the options in --help, line breaks and all */
    option_table table; /* of a program with subcommands: the options of each of them */
    const option_command *commands;
    size_t command_count;
} option_program;

typedef struct options options;

enum { OPTIONS_STOP_AT_POSITIONAL = 1 }; /* parse up to the first positional argument, which is then all that is kept */

/* Parses argv[1] and on by the tables, in which every name stands once. NULL: it was wrong and has been said so (or there is no
 * memory). After --help or --version nothing else is checked. */
options *options_parse(const option_table *tables, size_t table_count, int argc, char *const *argv, unsigned flags);
void options_free(options *opts); /* NULL is fine */

bool options_help_asked(const options *opts);
bool options_version_asked(const options *opts);

/* By name; a name that stands in no table, or is of another kind, is a mistake in the program and ends it. */
bool options_given(const options *opts, const char *name);         /* on the command line or in the environment */
const char *options_string(const options *opts, const char *name); /* NULL: none */
size_t options_list(const options *opts, const char *name, const char *const **out);
bool options_switch(const options *opts, const char *name);
int64_t options_number(const options *opts, const char *name); /* DURATION, SIZE, INT; 0 where there is no fallback */
double options_real(const options *opts, const char *name);

size_t options_positionals(const options *opts, const char *const **out);
int options_next_index(const options *opts); /* where in argv the first positional stands; argc: there is none */

/* The options of the tables, with their defaults and environment variables, and the two that every program has. */
void options_print(FILE *to, const option_table *tables, size_t table_count);

/* --help of a program without subcommands. */
void options_print_help(FILE *to, const option_program *program);

/* The environment variable of an option: TASKQ_LISTEN for --listen. */
void options_environment_name(const option_spec *spec, char *out, size_t size);

/* A number of that kind as a user would write it: 60000 is "1m". */
void options_write_number(option_kind kind, int64_t number, char *out, size_t size);

/* "500ms" to 500, "1MiB" to 1048576; false: it is none. */
bool options_parse_duration(const char *text, int64_t *out_ms);
bool options_parse_size(const char *text, int64_t *out_bytes);

#endif
