/* SPDX-License-Identifier: MIT */
/*
 * Options by a table. What is asked for on the command line wins over the environment, that over the fallback; all three are read by
 * the same function, so a fallback cannot say what a user could not.
 */
#include "common/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 256, TEXT_MAX = 32 };

typedef struct option_value {
    const option_spec *spec;
    bool given; /* on the command line or in the environment */
    bool on;    /* SWITCH */
    const char *text;
    const char **list;
    size_t list_count;
    int64_t number;
    double real;
} option_value;

struct options {
    option_value *values;
    size_t count;
    const char **positionals;
    size_t positional_count;
    char **owned; /* copies of environment lists, cut at their commas */
    size_t owned_count;
    int next_index;
    bool help, version;
};

/* ---- values ------------------------------------------------------------------------------------------------------------------- */

/* Digits and a unit, in the smallest unit; false: it is none, or does not fit. */
static bool parse_with_unit(const char *text, const char *const *units, const int64_t *factors, int64_t *out)
{
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    for (size_t i = 0; units[i] != NULL; i++) {
        if (strcmp(end, units[i]) == 0 && number <= INT64_MAX / factors[i]) {
            *out = number * factors[i];
            return true;
        }
    }
    return false;
}

bool options_parse_duration(const char *text, int64_t *out_ms)
{
    static const char *const units[] = {"ms", "s", "m", "h", "d", NULL};
    static const int64_t factors[] = {1, 1000, 60000, 3600000, 86400000};
    return parse_with_unit(text, units, factors, out_ms);
}

bool options_parse_size(const char *text, int64_t *out_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", NULL};
    static const int64_t factors[] = {1, 1 << 10, 1 << 20, 1 << 30};
    return parse_with_unit(text, units, factors, out_bytes);
}

static bool parse_int(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)text[0])) {
        return false;
    }
    *out = number;
    return true;
}

static bool parse_real(const char *text, double *out)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)text[0]) || number - number != 0.0) {
        return false;
    }
    *out = number;
    return true;
}

static bool is_one_of(const char *words, const char *text)
{
    size_t size = strlen(text);
    for (const char *at = words; at != NULL; at = strchr(at, '|') != NULL ? strchr(at, '|') + 1 : NULL) {
        if (size > 0 && strncmp(at, text, size) == 0 && (at[size] == '|' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

/* One line for the user, with the program's name before it; always false. */
__attribute__((format(printf, 1, 2))) static bool refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return false;
}

static bool complain(const option_spec *spec, const char *from, const char *text, const char *expected)
{
    return refuse("--%s%s: %s is not %s", spec->name, from, text[0] != '\0' ? text : "an empty value", expected);
}

void options_write_number(option_kind kind, int64_t number, char *out, size_t size)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}},
      sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
    for (size_t i = 0; kind == OPTION_DURATION && i < sizeof(durations) / sizeof(durations[0]); i++) {
        if (number % durations[i].factor == 0 && number > 0) {
            snprintf(out, size, "%lld%s", (long long)(number / durations[i].factor), durations[i].unit);
            return;
        }
    }
    for (size_t i = 0; kind == OPTION_SIZE && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (number % sizes[i].factor == 0 && number > 0) {
            snprintf(out, size, "%lld%s", (long long)(number / sizes[i].factor), sizes[i].unit);
            return;
        }
    }
    snprintf(out, size, "%lld%s", (long long)number, kind == OPTION_DURATION ? "ms" : kind == OPTION_SIZE ? "B" : "");
}

static bool set_number(option_value *value, const char *text, const char *from)
{
    const option_spec *spec = value->spec;
    bool right = false;
    const char *expected = "a number";
    if (spec->kind == OPTION_DURATION) {
        right = options_parse_duration(text, &value->number);
        expected = "a duration such as 500ms, 2s, 5m, 1h or 7d";
    } else if (spec->kind == OPTION_SIZE) {
        right = options_parse_size(text, &value->number);
        expected = "a size such as 512B, 64KiB, 1MiB or 2GiB";
    } else {
        right = parse_int(text, &value->number);
    }
    if (!right) {
        return complain(spec, from, text, expected);
    }
    if ((spec->min != 0 || spec->max != 0) && (value->number < spec->min || value->number > spec->max)) {
        char min[TEXT_MAX];
        char max[TEXT_MAX];
        char range[3 * TEXT_MAX];
        options_write_number(spec->kind, spec->min, min, sizeof(min));
        options_write_number(spec->kind, spec->max, max, sizeof(max));
        snprintf(range, sizeof(range), "between %s and %s", min, max);
        return complain(spec, from, text, range);
    }
    return true;
}

static bool add_to_list(option_value *value, const char *text)
{
    if (value->list == NULL) {
        value->list = calloc(LIST_MAX, sizeof(*value->list));
    }
    if (value->list == NULL || value->list_count == LIST_MAX) {
        return refuse("--%s: given more than %d times", value->spec->name, LIST_MAX);
    }
    value->list[value->list_count++] = text;
    return true;
}

/* `from`: where the text stands, for what is said about it. */
static bool set_value(option_value *value, const char *text, const char *from)
{
    const option_spec *spec = value->spec;
    switch (spec->kind) {
    case OPTION_STRING:
    case OPTION_LIST:
        if (spec->words != NULL && !is_one_of(spec->words, text)) {
            return refuse("--%s%s: %s is none of %s", spec->name, from, text[0] != '\0' ? text : "an empty value",
                          spec->words);
        }
        value->text = text;
        return spec->kind == OPTION_STRING || add_to_list(value, text);
    case OPTION_SWITCH:
        if (strcmp(text, "1") != 0 && strcmp(text, "0") != 0) {
            return complain(spec, from, text, "1 or 0");
        }
        value->on = text[0] == '1';
        return true;
    case OPTION_REAL:
        if (!parse_real(text, &value->real)) {
            return complain(spec, from, text, "a number");
        }
        return true;
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_INT: break;
    }
    return set_number(value, text, from);
}

/* ---- the command line ----------------------------------------------------------------------------------------------------------- */

static option_value *find_long(options *opts, const char *name, size_t size)
{
    for (size_t i = 0; i < opts->count; i++) {
        const char *known = opts->values[i].spec->name;
        if (strlen(known) == size && memcmp(known, name, size) == 0) {
            return &opts->values[i];
        }
    }
    return NULL;
}

static option_value *find_letter(options *opts, char letter)
{
    for (size_t i = 0; i < opts->count; i++) {
        if (opts->values[i].spec->letter == letter) {
            return &opts->values[i];
        }
    }
    return NULL;
}

/* One option at argv[*at], and its value where that is the next argument. */
static bool take_option(options *opts, int argc, char *const *argv, int *at)
{
    const char *argument = argv[*at];
    bool is_long = argument[1] == '-';
    const char *name = argument + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(name, '=') : NULL;
    size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    if (is_long && equals == NULL && (strcmp(name, "help") == 0 || strcmp(name, "version") == 0)) {
        opts->help = opts->help || name[0] == 'h';
        opts->version = opts->version || name[0] == 'v';
        return true;
    }
    option_value *value = is_long ? find_long(opts, name, size) : find_letter(opts, name[0]);
    if (value == NULL) {
        return refuse("%.*s: there is no such option; --help lists them", is_long ? (int)size + 2 : 2, argument);
    }
    value->given = true;
    if (value->spec->kind == OPTION_SWITCH) {
        value->on = true;
        if (equals != NULL || (!is_long && size > 1)) {
            return refuse("--%s: takes no value", value->spec->name);
        }
        return true;
    }
    const char *text = equals != NULL ? equals + 1 : NULL;
    if (!is_long && size > 1) {
        text = name + 1; /* -ojson */
    }
    if (text == NULL && *at + 1 < argc) {
        text = argv[++*at];
    }
    if (text == NULL) {
        return refuse("--%s: needs a value, %s", value->spec->name, value->spec->argument);
    }
    return set_value(value, text, "");
}

static bool take_arguments(options *opts, int argc, char *const *argv, unsigned flags)
{
    bool only_positionals = false;
    opts->next_index = argc;
    for (int at = 1; at < argc; at++) {
        const char *argument = argv[at];
        if (!only_positionals && strcmp(argument, "--") == 0) {
            only_positionals = true;
        } else if (!only_positionals && argument[0] == '-' && argument[1] != '\0') {
            if (!take_option(opts, argc, argv, &at)) {
                return false;
            }
        } else {
            opts->next_index = opts->next_index == argc ? at : opts->next_index;
            opts->positionals[opts->positional_count++] = argument;
            if ((flags & OPTIONS_STOP_AT_POSITIONAL) != 0) {
                return true;
            }
        }
    }
    return true;
}

/* ---- environment and fallbacks ---------------------------------------------------------------------------------------------------- */

void options_environment_name(const option_spec *spec, char *out, size_t size)
{
    snprintf(out, size, "TASKQ_%s", spec->name);
    for (char *at = out; *at != '\0'; at++) {
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    }
}

static bool set_list(options *opts, option_value *value, const char *text, const char *from)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return false;
    }
    opts->owned[opts->owned_count++] = copy;
    for (char *at = copy; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        if (at[0] != '\0' && !set_value(value, at, from)) {
            return false;
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return true;
}

static bool fill_absent(options *opts, option_value *value)
{
    char name[96];
    char from[128] = "";
    if (value->given) {
        return true;
    }
    options_environment_name(value->spec, name, sizeof(name));
    const char *text = getenv(name);
    if (text != NULL && text[0] != '\0') {
        value->given = true;
        snprintf(from, sizeof(from), " (%s)", name);
    } else {
        text = value->spec->fallback;
    }
    if (text == NULL) {
        return true;
    }
    return value->spec->kind == OPTION_LIST ? set_list(opts, value, text, from) : set_value(value, text, from);
}

/* ---- the object --------------------------------------------------------------------------------------------------------------------- */

static options *make(const option_table *tables, size_t table_count, int argc)
{
    options *opts = calloc(1, sizeof(*opts));
    if (opts == NULL) {
        return NULL;
    }
    size_t count = 0;
    for (size_t t = 0; t < table_count; t++) {
        count += tables[t].count;
    }
    opts->values = calloc(count + 1, sizeof(*opts->values));
    opts->positionals = calloc((size_t)argc + 1, sizeof(*opts->positionals));
    opts->owned = calloc(count + 1, sizeof(*opts->owned));
    if (opts->values == NULL || opts->positionals == NULL || opts->owned == NULL) {
        options_free(opts);
        return NULL;
    }
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            opts->values[opts->count++].spec = &tables[t].specs[i];
        }
    }
    return opts;
}

options *options_parse(const option_table *tables, size_t table_count, int argc, char *const *argv, unsigned flags)
{
    options *opts = make(tables, table_count, argc);
    if (opts == NULL) {
        (void)refuse("out of memory");
        return NULL;
    }
    bool right = take_arguments(opts, argc, argv, flags);
    for (size_t i = 0; i < opts->count && right && !opts->help && !opts->version; i++) {
        right = fill_absent(opts, &opts->values[i]);
    }
    if (!right) {
        options_free(opts);
        return NULL;
    }
    return opts;
}

void options_free(options *opts)
{
    if (opts == NULL) {
        return;
    }
    for (size_t i = 0; i < opts->count; i++) {
        free(opts->values[i].list);
    }
    for (size_t i = 0; i < opts->owned_count; i++) {
        free(opts->owned[i]);
    }
    free(opts->owned);
    free(opts->values);
    free(opts->positionals);
    free(opts);
}

bool options_help_asked(const options *opts)
{
    return opts->help;
}

bool options_version_asked(const options *opts)
{
    return opts->version;
}

static const option_value *find(const options *opts, const char *name)
{
    for (size_t i = 0; i < opts->count; i++) {
        if (strcmp(opts->values[i].spec->name, name) == 0) {
            return &opts->values[i];
        }
    }
    (void)refuse("--%s: stands in no table of this program", name);
    abort();
}

bool options_given(const options *opts, const char *name)
{
    return find(opts, name)->given;
}

const char *options_string(const options *opts, const char *name)
{
    return find(opts, name)->text;
}

size_t options_list(const options *opts, const char *name, const char *const **out)
{
    const option_value *value = find(opts, name);
    *out = value->list;
    return value->list_count;
}

bool options_switch(const options *opts, const char *name)
{
    return find(opts, name)->on;
}

int64_t options_number(const options *opts, const char *name)
{
    return find(opts, name)->number;
}

double options_real(const options *opts, const char *name)
{
    return find(opts, name)->real;
}

size_t options_positionals(const options *opts, const char *const **out)
{
    *out = opts->positionals;
    return opts->positional_count;
}

int options_next_index(const options *opts)
{
    return opts->next_index;
}

/* ---- --help --------------------------------------------------------------------------------------------------------------------------- */

static void print_one(FILE *to, const option_spec *spec)
{
    char left[80];
    char name[96];
    char letter[8] = "    ";
    if (spec->letter != 0) {
        snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
    }
    snprintf(left, sizeof(left), "%s--%s%s%s", letter, spec->name, spec->argument != NULL ? " " : "",
             spec->argument != NULL ? spec->argument : "");
    fprintf(to, "  %-32s %s", left, spec->help);
    if (spec->kind == OPTION_LIST) {
        fputs("; may be repeated", to);
    }
    if (spec->fallback != NULL) {
        fprintf(to, " [%s]", spec->fallback);
    }
    options_environment_name(spec, name, sizeof(name));
    fprintf(to, " (%s)", name);
    fputc('\n', to);
}

void options_print(FILE *to, const option_table *tables, size_t table_count)
{
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            print_one(to, &tables[t].specs[i]);
        }
    }
    fprintf(to, "  %-32s %s\n", "    --help", "this text");
    fprintf(to, "  %-32s %s\n", "    --version", "the version");
}

void options_print_help(FILE *to, const option_program *program)
{
    fprintf(to, "%s [OPTIONS]\n\n%s\n\n", program->name, program->help);
    options_print(to, &program->table, 1);
    fprintf(to, "\n%s", program->after);
}
