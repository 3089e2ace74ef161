/* SPDX-License-Identifier: MIT */
/* What script.h promises, on a fake server. It reads requests by looking for texts in them: they are the worker's own, not hostile. */
#include "worker/script.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GIVE_UP_S = 60, BODY_BYTES_MAX = 1 << 20 };

/* ---- answers -------------------------------------------------------------------------------------------------- */

typedef struct writer {
    char *data;
    size_t size;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    w->size += (size_t)vsnprintf(w->data + w->size, BODY_BYTES_MAX - w->size, format, arguments);
    va_end(arguments);
    ck_assert(w->size < BODY_BYTES_MAX);
}

static writer writer_begin(void)
{
    writer w = {calloc(1, BODY_BYTES_MAX), 0};
    ck_assert_ptr_nonnull(w.data);
    return w;
}

static int64_t number_after(const char *text, const char *key)
{
    const char *at = text == NULL ? NULL : strstr(text, key);
    return at == NULL ? -1 : strtoll(at + strlen(key), NULL, 10);
}

static void write_job(writer *w, const script *s, unsigned i, bool first)
{
    put(w,
        "%s{\"id\":%" PRId64 ",\"queue\":\"default\",\"type\":\"t\",\"payload\":{\"n\":%" PRId64
        "},\"state\":\"running\",\"priority\":0,"
        "\"run_at\":\"2026-01-31T08:00:00.000Z\",\"attempt\":1,\"max_attempts\":10,\"timeout_ms\":%" PRId64
        ",\"lease_ms\":%" PRId64
        ",\"version\":2,\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
        "\"created_at\":\"2026-01-31T08:00:00.000Z\"}",
        first ? "" : ",", s->jobs[i].id, s->jobs[i].id, s->jobs[i].timeout_ms, s->jobs[i].lease_ms);
}

/* Leases what is ready, up to the limit that stands in `text`; a repeated poll gets what is still leased. */
static unsigned claim(script *s, writer *w, const char *text)
{
    unsigned limit = (unsigned)number_after(text, "\"limit\":"), count = 0;
    const char *poll = strstr(text, "\"poll\":\"");
    bool again = poll != NULL && strncmp(poll + 8, s->last_poll, 32) == 0;
    s->limit_most = limit > s->limit_most ? limit : s->limit_most;
    for (unsigned i = 0; i < s->job_count && count < limit; i++) {
        if (s->jobs[i].state == (again ? 'l' : 'r')) {
            s->leased += again ? 0 : 1;
            s->jobs[i].state = 'l';
            write_job(w, s, i, count++ == 0);
        }
    }
    if (again && count == 0) {
        s->last_poll[0] = '\0';
        return claim(s, w, text);
    }
    if (count > 0 && poll != NULL) {
        snprintf(s->last_poll, sizeof(s->last_poll), "%.32s", poll + 8);
    }
    s->leased_most = s->leased > s->leased_most ? s->leased : s->leased_most;
    return count;
}

/* A poll that is asked again without a wait ends the one that is held. True: this one is over. */
static bool is_ended(script *s, const fake_request *request, bool waits)
{
    const char *poll = strstr(request->body, "\"poll\":\"");
    if (poll == NULL) {
        return false;
    }
    if (!waits && s->deaf > 0) {
        s->deaf--;
    } else if (!waits) {
        snprintf(s->ended_poll, sizeof(s->ended_poll), "%.32s", poll + 8);
        fake_server_wake(s->server);
    }
    return waits && request->held_ms > 0 && strncmp(poll + 8, s->ended_poll, 32) == 0;
}

static void next_job(script *s, const fake_request *request, fake_answer *answer)
{
    const char *wait = strstr(request->body, "\"wait\":");
    bool in_time = wait != NULL && (double)request->held_ms < strtod(wait + 7, NULL) * 1000;
    bool ended = is_ended(s, request, wait != NULL);
    if (ended && !s->keeps_back) {
        answer->status = 204;
        return;
    }
    writer w = writer_begin();
    put(&w, "{\"jobs\":[");
    unsigned count = claim(s, &w, request->body);
    put(&w, "]}");
    answer->body = w.data;
    answer->hold = !ended && in_time && (count == 0 ? !s->empty_at_once : s->keeps_back);
    answer->status = count == 0 ? 204 : 200;
}

static void end_job(script *s, unsigned i)
{
    s->leased -= s->jobs[i].state == 'l' ? 1 : 0;
    s->jobs[i].state = 'e';
}

static void complete(script *s, const fake_request *request, fake_answer *answer)
{
    writer w = writer_begin();
    const char *next = strstr(request->body, ",\"next\":");
    unsigned count = 0;
    answer->hold = s->keeps_reports;
    if (request->held_ms > 0) {
        free(w.data);
        answer->status = 500;
        return; /* it was done before */
    }
    put(&w, "{\"results\":[");
    for (const char *at = strstr(request->body, "{\"id\":"); at != NULL && (next == NULL || at < next);
         at = strstr(at + 1, "{\"id\":")) {
        int64_t id = number_after(at, "{\"id\":");
        unsigned i = (unsigned)id - 1;
        int status = s->jobs[i].report_status == 0 ? 200 : s->jobs[i].report_status;
        s->jobs[i].reports++;
        put(&w, "%s{\"id\":%" PRId64 ",\"status\":%d}", count++ == 0 ? "" : ",", id, status);
        if (status == 422) {
            s->jobs[i].report_status = 0; /* what stands in for it is taken */
        } else {
            end_job(s, i);
        }
    }
    put(&w, "],\"jobs\":[");
    if (s->completions_max > 0 && count > s->completions_max) {
        free(w.data);
        answer->status = 413;
        return;
    }
    if (next != NULL) {
        claim(s, &w, next);
    }
    put(&w, "]}");
    answer->body = w.data;
}

static void heartbeat(script *s, const fake_request *request, fake_answer *answer)
{
    writer w = writer_begin();
    unsigned count = 0;
    answer->hold = s->keeps_beats;
    put(&w, "{\"results\":[");
    for (const char *at = strstr(request->body, "{\"id\":"); at != NULL; at = strstr(at + 1, "{\"id\":")) {
        int64_t id = number_after(at, "{\"id\":");
        unsigned i = (unsigned)id - 1;
        put(&w, "%s{\"id\":%" PRId64 ",\"status\":%d,\"cancel_requested\":%s,\"quiet\":false}", count++ == 0 ? "" : ",",
            id, s->jobs[i].beat_status == 0 ? 200 : s->jobs[i].beat_status, s->jobs[i].cancel ? "true" : "false");
    }
    put(&w, "]}");
    answer->body = w.data;
}

static void act(script *s, const fake_request *request, fake_answer *answer)
{
    int64_t id = number_after(request->path, "/jobs/");
    if (strcmp(request->path, "/next-job") == 0) {
        next_job(s, request, answer);
    } else if (strcmp(request->path, "/jobs/complete") == 0) {
        complete(s, request, answer);
    } else if (strcmp(request->path, "/jobs/heartbeat") == 0) {
        heartbeat(s, request, answer);
    } else if (id > 0 && strstr(request->path, "/release") != NULL) {
        s->leased -= s->jobs[id - 1].state == 'l' ? 1 : 0;
        s->jobs[id - 1].state = 'g'; /* given back */
        answer->body = strdup("{}");
    } else {
        answer->status = 404;
    }
}

static void handle(void *user, const fake_request *request, fake_answer *answer)
{
    script *s = user;
    for (unsigned i = 0; i < s->action_count; i++) {
        if (strcmp(s->actions[i].path, request->path) != 0) {
            continue;
        }
        script_action action = s->actions[i].action;
        int status = s->actions[i].status;
        const char *headers = s->actions[i].headers;
        if (action == SCRIPT_DO_AND_CUT) {
            act(s, request, answer);
            if (answer->hold) {
                return; /* first something must have been done */
            }
        }
        memmove(&s->actions[i], &s->actions[i + 1], (--s->action_count - i) * sizeof(s->actions[0]));
        answer->cut = action != SCRIPT_STATUS;
        if (action == SCRIPT_STATUS) {
            answer->status = status;
            answer->headers = headers;
        }
        return;
    }
    act(s, request, answer);
}

/* ---- the script --------------------------------------------------------------------------------------------------- */

void script_begin(script *s)
{
    memset(s, 0, sizeof(*s));
    s->server = fake_server_start(handle, s);
}

void script_end(script *s)
{
    fake_server_stop(s->server);
}

int64_t script_add(script *s, int64_t lease_ms, int64_t timeout_ms)
{
    fake_server_lock(s->server);
    unsigned i = s->job_count++;
    s->jobs[i].id = (int64_t)i + 1;
    s->jobs[i].lease_ms = lease_ms;
    s->jobs[i].timeout_ms = timeout_ms;
    s->jobs[i].state = 'r';
    fake_server_unlock(s->server);
    fake_server_wake(s->server);
    return (int64_t)i + 1;
}

void script_expect(script *s, const char *path, script_action action, int status, const char *headers)
{
    fake_server_lock(s->server);
    unsigned i = s->action_count++;
    snprintf(s->actions[i].path, sizeof(s->actions[i].path), "%s", path);
    s->actions[i].action = action;
    s->actions[i].status = status;
    s->actions[i].headers = headers;
    fake_server_unlock(s->server);
}

void script_set_report(script *s, int64_t id, int status)
{
    fake_server_lock(s->server);
    s->jobs[id - 1].report_status = status;
    fake_server_unlock(s->server);
}

void script_set_beat(script *s, int64_t id, int status)
{
    fake_server_lock(s->server);
    s->jobs[id - 1].beat_status = status;
    fake_server_unlock(s->server);
}

void script_cancel(script *s, int64_t id)
{
    fake_server_lock(s->server);
    s->jobs[id - 1].cancel = true;
    fake_server_unlock(s->server);
}

unsigned script_reports(script *s, int64_t id)
{
    fake_server_lock(s->server);
    unsigned reports = s->jobs[id - 1].reports;
    fake_server_unlock(s->server);
    return reports;
}

char script_state(script *s, int64_t id)
{
    fake_server_lock(s->server);
    char state = s->jobs[id - 1].state;
    fake_server_unlock(s->server);
    return state;
}

unsigned script_value(script *s, const unsigned *member)
{
    fake_server_lock(s->server);
    unsigned value = *member;
    fake_server_unlock(s->server);
    return value;
}

/* ---- the worker ------------------------------------------------------------------------------------------------------ */

taskq_worker *script_worker(const script *s, const char *second, uint32_t concurrency, const taskq_clock *clock)
{
    const char *servers[] = {fake_server_url(s->server), second};
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_worker *worker = NULL;
    options.servers = servers;
    options.server_count = second == NULL ? 1 : 2;
    options.concurrency = concurrency;
    options.id = "tester";
    options.seed = 8; /* of two servers it begins with the first */
    if (clock != NULL) {
        options.clock = *clock;
    }
    ck_assert_msg(taskq_worker_open(&options, &worker, &err) == TASKQ_OK, "%s", err.text);
    return worker;
}

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec;
}

void script_drive(taskq_worker *worker, script_done *done, void *user)
{
    int64_t give_up_s = now_s() + GIVE_UP_S;
    while (!done(user)) {
        struct pollfd fd = {.fd = taskq_worker_fd(worker), .events = POLLIN};
        taskq_error err = TASKQ_ERROR_INIT;
        int64_t next_in_ms = 0;
        ck_assert_msg(taskq_worker_step(worker, &next_in_ms, &err) == TASKQ_OK, "%s", err.text);
        /* What is waited for may happen at the server, which rings no descriptor of the worker's. */
        poll(&fd, 1, next_in_ms < 5 ? (int)next_in_ms : 5);
        ck_assert_msg(now_s() < give_up_s, "what was waited for did not happen");
    }
}

typedef struct expectation {
    script *s;
    const char *path;
    unsigned count;
    int64_t id;
    char state;
} expectation;

static bool has_count(void *user)
{
    const expectation *e = user;
    return fake_server_count(e->s->server, e->path) >= e->count;
}

static bool has_state(void *user)
{
    const expectation *e = user;
    return script_state(e->s, e->id) == e->state;
}

void script_drive_until_count(taskq_worker *worker, script *s, const char *path, unsigned count)
{
    script_drive(worker, has_count, &(expectation){.s = s, .path = path, .count = count});
}

void script_drive_until_state(taskq_worker *worker, script *s, int64_t id, char state)
{
    script_drive(worker, has_state, &(expectation){.s = s, .id = id, .state = state});
}

void script_drive_to_end(taskq_worker *worker)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_msg(taskq_worker_run(worker, &err) == TASKQ_OK, "%s", err.text);
}

/* ---- the gate ---------------------------------------------------------------------------------------------------------- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
    unsigned entered, inside, most;
};

gate *gate_new(void)
{
    gate *g = calloc(1, sizeof(*g));
    ck_assert_ptr_nonnull(g);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->opened, NULL);
    return g;
}

void gate_open(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->opened);
    pthread_mutex_unlock(&g->lock);
}

void gate_free(gate *g)
{
    pthread_cond_destroy(&g->opened);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

unsigned gate_entered(gate *g)
{
    pthread_mutex_lock(&g->lock);
    unsigned entered = g->entered;
    pthread_mutex_unlock(&g->lock);
    return entered;
}

unsigned gate_most(gate *g)
{
    pthread_mutex_lock(&g->lock);
    unsigned most = g->most;
    pthread_mutex_unlock(&g->lock);
    return most;
}

taskq_status gate_handler(taskq_run *run, void *user)
{
    gate *g = user;
    (void)run;
    pthread_mutex_lock(&g->lock);
    g->entered++;
    g->inside++;
    g->most = g->inside > g->most ? g->inside : g->most;
    while (!g->open) {
        pthread_cond_wait(&g->opened, &g->lock);
    }
    g->inside--;
    pthread_mutex_unlock(&g->lock);
    return TASKQ_OK;
}
