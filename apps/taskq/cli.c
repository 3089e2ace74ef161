/* SPDX-License-Identifier: MIT */
/*
 * Small things that every subcommand needs: saying what went wrong with the right exit code, reading files, putting paths together.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int exit_code_of(taskq_status status)
{
    switch (status) {
    case TASKQ_OK: return EXIT_DONE;
    case TASKQ_EINVAL:
    case TASKQ_ESYNTAX: return EXIT_USAGE;
    case TASKQ_ENOTFOUND: return EXIT_NOT_FOUND;
    case TASKQ_ECONFLICT:
    case TASKQ_ESTALE:
    case TASKQ_EEXISTS: return EXIT_CONFLICT;
    case TASKQ_EUNAVAIL:
    case TASKQ_EUNKNOWN:
    case TASKQ_EPROTO: return EXIT_UNREACHABLE;
    case TASKQ_EDENIED: return EXIT_DENIED;
    default: return EXIT_FAILED;
    }
}

char *cli_tame(char *text, bool lines)
{
    for (char *c = text; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t' && (*c != '\n' || !lines)) || *c == 0x7f) {
            *c = '?';
        }
    }
    return text;
}

int cli_fail(taskq_status status, const taskq_error *err)
{
    taskq_error shown = *err;
    fprintf(stderr, "taskq: %s%s%s\n", cli_tame(shown.field, false), shown.field[0] != '\0' ? ": " : "",
            shown.text[0] != '\0' ? cli_tame(shown.text, false) : taskq_status_name(status));
    return exit_code_of(status);
}

int cli_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "taskq: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return EXIT_USAGE;
}

bool cli_parse_id(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long id = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || id < 1 || text[0] == '+' || text[0] == ' ') {
        cli_usage("\"%.100s\" is no job id: ids are whole numbers from 1", text);
        return false;
    }
    *out = id;
    return true;
}

char *cli_read_file(const char *path, size_t bytes_max, size_t *size)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t used = 0, room = 0;
    if (fd < 0) {
        cli_usage("%s: %s", path, strerror(errno));
        return NULL;
    }
    for (;;) {
        if (used + 1 >= room) {
            room = room == 0 ? 65536 : room * 2;
            char *larger = realloc(text, room);
            if (larger == NULL) {
                break;
            }
            text = larger;
        }
        ssize_t got = read(fd, text + used, room - used - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0 || used + (size_t)got > bytes_max) {
            const char *why = got < 0 ? strerror(errno) : got > 0 ? "is too long" : NULL;
            if (why != NULL) {
                cli_usage("%s: %s", is_stdin ? "standard input" : path, why);
                free(text);
                text = NULL;
            }
            break;
        }
        used += (size_t)got;
    }
    if (!is_stdin) {
        close(fd);
    }
    if (text != NULL) {
        text[used] = '\0';
        *size = used;
    }
    return text;
}

static void path_add(cli_path *path, const char *text, bool escape)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const char *c = text; *c != '\0'; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("-._~", *c) != NULL;
        if (path->size + 4 > sizeof(path->text)) {
            path->too_long = true;
            return;
        }
        if (plain || !escape) {
            path->text[path->size++] = *c;
        } else {
            path->text[path->size++] = '%';
            path->text[path->size++] = digits[(unsigned char)*c >> 4];
            path->text[path->size++] = digits[(unsigned char)*c & 15];
        }
        path->text[path->size] = '\0';
    }
}

void cli_path_start(cli_path *path, const char *text)
{
    memset(path, 0, sizeof(*path));
    path_add(path, text, false);
}

void cli_path_segment(cli_path *path, const char *text)
{
    path_add(path, "/", false);
    path_add(path, text, true);
}

void cli_path_query(cli_path *path, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    path_add(path, path->has_query ? "&" : "?", false);
    path_add(path, name, false);
    path_add(path, "=", false);
    path_add(path, value, true);
    path->has_query = true;
}
