/* SPDX-License-Identifier: MIT */
/*
 * `taskq enqueue --ndjson`: a job object a line, sent in lists, each list all or none and under a key of its own, so that a list whose
 * answer got lost is not made twice. Memory stays bounded whatever the file's size. At the first line that the server refuses it stops and
 * names the line; what was sent before stays enqueued and is counted.
 */
#include "enqueue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define LIST_JOBS_MAX 500
#define LIST_BYTES_MAX (512u << 10)
#define LINE_BYTES_MAX (16u << 20)

typedef struct sender {
    cli_call *cli;
    FILE *in;
    int64_t total_bytes; /* of the file; 0: not known */
    int64_t read_bytes;
    char *body; /* the list so far, without its end */
    size_t size, room;
    int64_t first_line, line;
    uint32_t count;
    int64_t made;
    output_list list;
    int64_t *ids; /* only with --wait */
    size_t id_count, id_room;
    progress_bar bar;
} sender;

static bool add(sender *s, const char *data, size_t size)
{
    if (s->size + size + 1 > s->room) {
        size_t room = s->room == 0 ? 65536 : s->room;
        while (room < s->size + size + 1) {
            room *= 2;
        }
        char *larger = realloc(s->body, room);
        if (larger == NULL) {
            return false;
        }
        s->body = larger;
        s->room = room;
    }
    memcpy(s->body + s->size, data, size);
    s->size += size;
    s->body[s->size] = '\0';
    return true;
}

static bool keep_ids(sender *s, const taskq_reply *reply)
{
    taskq_jobs *jobs = NULL;
    if (taskq_reply_jobs(reply, &jobs, NULL) != TASKQ_OK) {
        return false;
    }
    bool kept = true;
    for (uint32_t i = 0; kept && i < taskq_jobs_count(jobs); i++) {
        if (s->id_count == s->id_room) {
            size_t room = s->id_room == 0 ? 1024 : s->id_room * 2;
            int64_t *larger = realloc(s->ids, room * sizeof(*larger));
            kept = larger != NULL;
            s->ids = kept ? larger : s->ids;
            s->id_room = kept ? room : s->id_room;
        }
        if (kept) {
            s->ids[s->id_count++] = taskq_jobs_at(jobs, i)->id;
        }
    }
    taskq_jobs_free(jobs);
    return kept;
}

/* "/jobs/17/type" is line first + 17. */
static int fail_at_line(const sender *s, taskq_status status, taskq_error *err)
{
    if (strncmp(err->field, "/jobs/", 6) == 0) {
        char *rest = NULL;
        int64_t index = strtoll(err->field + 6, &rest, 10);
        char field[TASKQ_ERROR_FIELD_MAX];
        snprintf(field, sizeof(field), "%s", rest);
        fprintf(stderr, "taskq: line %" PRId64 ": %s%s%s\n", s->first_line + index, field, field[0] != '\0' ? ": " : "",
                err->text);
        return EXIT_USAGE;
    }
    if (s->count == 1) {
        fprintf(stderr, "taskq: line %" PRId64 ": ", s->first_line);
    } else {
        fprintf(stderr, "taskq: lines %" PRId64 " to %" PRId64 ": ", s->first_line, s->first_line + s->count - 1);
    }
    return cli_fail(status, err);
}

/* Sends what has gathered. EXIT_DONE, or said what is wrong. */
static int send_list(sender *s)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_reply reply = TASKQ_REPLY_INIT;
    uint64_t random[2];
    char key[40];
    if (s->count == 0) {
        return EXIT_DONE;
    }
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random) || !add(s, "]}", 2)) {
        return cli_usage("out of memory");
    }
    snprintf(key, sizeof(key), "ndjson-%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    taskq_status status =
        taskq_client_request(s->cli->client, "POST", "/jobs", (taskq_text){s->body, s->size}, key, &reply, &err);
    int code = EXIT_DONE;
    if (status != TASKQ_OK) {
        code = fail_at_line(s, status, &err);
    } else {
        s->made += s->count;
        if (s->cli->output != OUTPUT_TABLE) {
            code = output_jobs(&s->list, &reply, &err);
        }
        if (code == EXIT_DONE && options_switch(s->cli->opts, "wait") && !keep_ids(s, &reply)) {
            code = cli_usage("out of memory");
        }
    }
    taskq_reply_clear(&reply);
    s->count = 0;
    s->size = 0;
    return code;
}

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr(" \t\r\n", line[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* An element that would end the list early is not one of ours: only whole objects go into it. */
static bool looks_like_object(const char *line, size_t size)
{
    size_t first = 0, last = size;
    while (first < size && strchr(" \t\r\n", line[first]) != NULL) {
        first++;
    }
    while (last > first && strchr(" \t\r\n", line[last - 1]) != NULL) {
        last--;
    }
    return last - first >= 2 && line[first] == '{' && line[last - 1] == '}';
}

static int take_line(sender *s, const char *line, size_t size)
{
    if (is_blank(line, size)) {
        return EXIT_DONE;
    }
    if (size > LINE_BYTES_MAX || !looks_like_object(line, size) || memchr(line, '\0', size) != NULL) {
        return cli_usage("line %" PRId64 ": is no JSON object on one line", s->line);
    }
    if (s->count == LIST_JOBS_MAX || (s->count > 0 && s->size + size > LIST_BYTES_MAX)) {
        int code = send_list(s);
        if (code != EXIT_DONE) {
            return code;
        }
    }
    if (s->count == 0) {
        s->first_line = s->line;
    } else if (s->first_line + s->count != s->line) { /* blank lines between: keep line numbers exact */
        int code = send_list(s);
        if (code != EXIT_DONE) {
            return code;
        }
        s->first_line = s->line;
    }
    bool added = s->count == 0 ? add(s, "{\"jobs\":[", 9) : add(s, ",", 1);
    s->count++;
    return added && add(s, line, size) ? EXIT_DONE : cli_usage("out of memory");
}

static void show_progress(sender *s, double percent)
{
    char detail[64];
    snprintf(detail, sizeof(detail), "%" PRId64 " jobs", s->made);
    progress_show(&s->bar, percent, detail);
}

static int send_all(sender *s)
{
    char *line = NULL;
    size_t room = 0;
    int code = EXIT_DONE;
    for (ssize_t got; code == EXIT_DONE && (got = getline(&line, &room, s->in)) >= 0;) {
        s->line++;
        s->read_bytes += got;
        code = take_line(s, line, (size_t)got);
        double percent = s->total_bytes > 0 ? 100.0 * (double)s->read_bytes / (double)s->total_bytes : 0;
        show_progress(s, percent < 100 ? percent : 99); /* 100 only when the last list is answered */
    }
    if (code == EXIT_DONE && ferror(s->in) != 0) {
        code = cli_usage("reading failed: %s", strerror(errno));
    }
    free(line);
    code = code == EXIT_DONE ? send_list(s) : code;
    if (code == EXIT_DONE) {
        show_progress(s, 100);
    }
    return code;
}

static int wait_for_all(sender *s)
{
    int worst = EXIT_DONE;
    int64_t failed = 0;
    progress_start(&s->bar, "waiting");
    for (size_t i = 0; i < s->id_count; i++) {
        taskq_reply reply = TASKQ_REPLY_INIT;
        char detail[64];
        int code = wait_for(s->cli, s->ids[i], options_number(s->cli->opts, "wait-timeout"), &reply);
        taskq_reply_clear(&reply);
        failed += code != EXIT_DONE ? 1 : 0;
        worst = code != EXIT_DONE ? code : worst;
        snprintf(detail, sizeof(detail), "%zu of %zu, %" PRId64 " failed", i + 1, s->id_count, failed);
        progress_show(&s->bar, 100.0 * (double)(i + 1) / (double)s->id_count, detail);
        if (code == EXIT_UNREACHABLE) {
            break;
        }
    }
    progress_end(&s->bar);
    return worst;
}

int enqueue_lines(cli_call *cli, const char *path)
{
    sender s = {.cli = cli};
    struct stat info;
    bool is_stdin = strcmp(path, "-") == 0;
    s.in = is_stdin ? stdin : fopen(path, "re");
    if (s.in == NULL) {
        return cli_usage("%s: %s", path, strerror(errno));
    }
    if (fstat(fileno(s.in), &info) == 0 && S_ISREG(info.st_mode)) {
        s.total_bytes = info.st_size;
    }
    output_begin(&s.list, cli->output == OUTPUT_TABLE ? OUTPUT_ID : cli->output);
    progress_start(&s.bar, "enqueue");
    int code = send_all(&s);
    progress_end(&s.bar);
    output_end(&s.list, code);
    if (cli->output == OUTPUT_TABLE) {
        printf("enqueued %" PRId64 " job%s\n", s.made, s.made == 1 ? "" : "s");
    }
    if (code == EXIT_DONE && options_switch(cli->opts, "wait")) {
        code = wait_for_all(&s);
    }
    if (!is_stdin) {
        fclose(s.in);
    }
    free(s.body);
    free(s.ids);
    return code;
}
