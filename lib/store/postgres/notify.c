/* SPDX-License-Identifier: MIT */
/*
 * What one server makes ready another one may wait for. It is told on a connection of its own, after the commit: a transaction
 * with NOTIFY in it takes a lock of the whole database at its end. The leader never waits for this: it leaves a note, and
 * whoever reads the news sends it, several batches' notes together, one notification every few milliseconds at most.
 *
 * wake_fd is an epoll descriptor, so that it stays the same while connections come and go: in it are the connection's socket
 * and a timer, which is set where something is to be sent or a connection to be made. Lost notifications cost
 * a second at most, claims that wait look again by themselves; so nothing here is ever repeated. It is done by the thread that
 * sweeps, which a connection that is silent must not hold for longer than that either.
 */
#include "store/postgres/notify.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/text.h"
#include "store/postgres/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    NOTES_MAX = 64,      /* pairs that wait to be sent; more: "any" */
    SEND_EVERY_MS = 5,   /* between two notifications */
    HELD_MS = 1000,      /* all that is waited for, each time */
    REFUSED_MS_MIN = 50, /* listening was refused: until the next attempt, doubled with each one */
    REFUSED_MS_MAX = 2000,
    LISTEN_CHECK_MS = 15000 /* nothing heard for that long: is the connection still there? */
};

typedef struct note {
    char queue[TASKQ_NAME_BYTES_MAX + 1], type[TASKQ_NAME_BYTES_MAX + 1]; /* "": any */
    uint32_t count;
} note;

struct taskq__pg_notifier {
    taskq__pg *pg;
    int epoll_fd, timer_fd;

    pthread_mutex_t lock;
    note notes[NOTES_MAX]; /* guarded by lock, as is what follows */
    uint32_t note_count;
    bool any;            /* they did not fit */
    int64_t sent_at_ms;  /* the last notification */
    int64_t timer_at_ms; /* when the timer goes off; INT64_MAX: it is not set */

    pthread_mutex_t reading; /* one thread has the connection */
    taskq__pg_session *session;
    uint64_t generation; /* of the connection that is listened on; 0: none was yet */
    int64_t heard_at_ms;
    int64_t listen_at_ms, refused_ms;
    PGnotify *current;              /* of which a part was handed out */
    const char *rest;               /* in it */
    bool told_any;                  /* a connection is new: what was missed is not known, and is to be told */
    note given[TASKQ__PG_NEWS_MAX]; /* the texts of what was handed out */

    atomic_uint_fast64_t sent, received;
};

/* ---- the timer ----------------------------------------------------------------------------------------------------------- */

/* Under the lock: go off at that time, or earlier if it would. */
static void arm(taskq__pg_notifier *notifier, int64_t at_ms)
{
    if (at_ms >= notifier->timer_at_ms) {
        return;
    }
    int64_t in_ms = at_ms - taskq__pg_now_ms();
    struct itimerspec when = {
        .it_value = {.tv_sec = in_ms > 0 ? in_ms / 1000 : 0, .tv_nsec = in_ms > 0 ? (in_ms % 1000) * 1000000 : 1}};
    notifier->timer_at_ms = at_ms;
    (void)timerfd_settime(notifier->timer_fd, 0, &when, NULL);
}

static void disarm(taskq__pg_notifier *notifier)
{
    uint64_t times;
    ssize_t taken =
        read(notifier->timer_fd, &times, sizeof(times)); /* never blocks; nothing there: it had not gone off */
    (void)taken;
    notifier->timer_at_ms = INT64_MAX;
}

/* ---- sending ------------------------------------------------------------------------------------------------------------- */

static bool copy_name(taskq_text text, char *out)
{
    if (text.size > TASKQ_NAME_BYTES_MAX) {
        return false;
    }
    if (text.size > 0) {
        memcpy(out, text.data, text.size);
    }
    out[text.size] = '\0';
    return true;
}

/* Under the lock. */
static void add_note(taskq__pg_notifier *notifier, const taskq_ready *ready)
{
    for (uint32_t i = 0; i < notifier->note_count; i++) {
        note *one = &notifier->notes[i];
        if (taskq__text_is(ready->queue, one->queue) && taskq__text_is(ready->type, one->type)) {
            one->count = ready->count > UINT32_MAX - one->count ? UINT32_MAX : one->count + ready->count;
            return;
        }
    }
    note *one = notifier->note_count < NOTES_MAX ? &notifier->notes[notifier->note_count] : NULL;
    if (one == NULL || ready->queue.size == 0 || !copy_name(ready->queue, one->queue) ||
        !copy_name(ready->type, one->type)) {
        notifier->any = true;
        return;
    }
    one->count = ready->count;
    notifier->note_count++;
}

taskq_status taskq__pg_announce(void *self, const taskq_ready *ready, uint32_t count, taskq_error *err)
{
    taskq__pg *pg = self;
    taskq__pg_notifier *notifier = pg->notifier;
    (void)err;
    if (notifier == NULL || count == 0) {
        return TASKQ_OK;
    }
    pthread_mutex_lock(&notifier->lock);
    for (uint32_t i = 0; i < count; i++) {
        if (ready[i].count > 0) { /* else our own claims take it */
            add_note(notifier, &ready[i]);
        }
    }
    if (notifier->note_count > 0 || notifier->any) {
        arm(notifier, notifier->sent_at_ms + SEND_EVERY_MS);
    }
    pthread_mutex_unlock(&notifier->lock);
    return TASKQ_OK;
}

/* Under the lock; false: there is nothing to send. `server` lives as long as the notice. */
static bool write_notice(taskq__pg_notifier *notifier, const char *server, taskq__pg_notice *out)
{
    const taskq_text any = {NULL, 0};
    taskq__pg_notice_begin(out, server);
    for (uint32_t i = 0; i < notifier->note_count; i++) {
        const note *one = &notifier->notes[i];
        taskq__pg_notice_add(out, taskq_text_of(one->queue), taskq_text_of(one->type), one->count);
    }
    if (notifier->any) {
        taskq__pg_notice_add(out, any, any, 1);
    }
    if (out->tells) {
        notifier->note_count = 0;
        notifier->any = false;
        notifier->sent_at_ms = taskq__pg_now_ms();
    }
    return out->tells;
}

static taskq_status send_notes(taskq__pg_notifier *notifier, const taskq__pg_notice *notice, taskq_error *err)
{
    char channel[TASKQ__PG_SCHEMA_BYTES_MAX + 8];
    taskq__pg_params params = {.count = 2};
    params.values[0] = channel;
    params.lengths[0] = snprintf(channel, sizeof(channel), "taskq_%s", notifier->pg->schema);
    params.values[1] = notice->text;
    params.lengths[1] = (int)notice->size;
    taskq__pg_session_send(notifier->session, TASKQ__PG_SQL_NOTIFY, &params);
    taskq_status status = taskq__pg_session_sync(notifier->session, err);
    status = status == TASKQ_OK ? taskq__pg_session_end(notifier->session, err) : status;
    if (status == TASKQ_OK) {
        atomic_fetch_add(&notifier->sent, 1);
        notifier->heard_at_ms = taskq__pg_now_ms();
    }
    return status;
}

/* ---- the connection ------------------------------------------------------------------------------------------------------ */

static taskq_status listen_now(taskq__pg_notifier *notifier, taskq_error *err)
{
    char text[TASKQ__PG_SCHEMA_BYTES_MAX + 24];
    (void)snprintf(text, sizeof(text), "LISTEN \"taskq_%s\"", notifier->pg->schema);
    taskq__pg_session_send_text(notifier->session, text, "listening for notifications");
    taskq_status status = taskq__pg_session_sync(notifier->session, err);
    status = status == TASKQ_OK ? taskq__pg_session_end(notifier->session, err) : status;
    if (status != TASKQ_OK) {
        taskq__pg_session_drop(notifier->session);
        return status;
    }
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(notifier->epoll_fd, EPOLL_CTL_ADD, taskq__pg_session_fd(notifier->session), &event) != 0) {
        taskq__pg_session_drop(notifier->session);
        return taskq__fail(err, TASKQ_EUNAVAIL, "the notifications' connection cannot be watched");
    }
    notifier->told_any = notifier->generation != 0;
    notifier->generation = taskq__pg_session_generation(notifier->session);
    notifier->heard_at_ms = taskq__pg_now_ms();
    return TASKQ_OK;
}

static void forget_current(taskq__pg_notifier *notifier)
{
    PQfreemem(notifier->current);
    notifier->current = NULL;
    notifier->rest = NULL;
}

/* Connected and listening. A connection that was lost has left the epoll set with its socket. A standby takes connections and lets
 * nobody listen. */
static taskq_status be_listening(taskq__pg_notifier *notifier, taskq_error *err)
{
    if (notifier->listen_at_ms > taskq__pg_now_ms()) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "listening for notifications was refused");
    }
    taskq_status status = taskq__pg_session_ready(notifier->session, err); /* also reads what is there */
    if (status != TASKQ_OK || taskq__pg_session_generation(notifier->session) == notifier->generation) {
        return status;
    }
    status = listen_now(notifier, err);
    int64_t pause = notifier->refused_ms * 2 < REFUSED_MS_MIN ? REFUSED_MS_MIN : notifier->refused_ms * 2;
    notifier->refused_ms = status == TASKQ_OK ? 0 : pause < REFUSED_MS_MAX ? pause : REFUSED_MS_MAX;
    notifier->listen_at_ms = taskq__pg_now_ms() + notifier->refused_ms;
    return status;
}

/* How long until connecting or listening is tried again. */
static int64_t retry_ms(const taskq__pg_notifier *notifier)
{
    int64_t connect = taskq__pg_session_retry_ms(notifier->session);
    int64_t refused = notifier->listen_at_ms - taskq__pg_now_ms();
    return connect > refused ? connect : refused > 0 ? refused : 0;
}

/* A connection on which nothing comes may be a dead one. */
static taskq_status check_alive(taskq__pg_notifier *notifier, taskq_error *err)
{
    if (taskq__pg_now_ms() - notifier->heard_at_ms < LISTEN_CHECK_MS) {
        return TASKQ_OK;
    }
    taskq__pg_session_send(notifier->session, TASKQ__PG_SQL_PING, NULL);
    taskq_status status = taskq__pg_session_sync(notifier->session, err);
    status = status == TASKQ_OK ? taskq__pg_session_end(notifier->session, err) : status;
    notifier->heard_at_ms = taskq__pg_now_ms();
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

/* The next word of a payload; false: there is none, or it is none that we write. */
static bool next_word(const char **rest, char *out, size_t room)
{
    const char *from = *rest;
    size_t size = strcspn(from, " ");
    if (size == 0 || size >= room) {
        return false;
    }
    memcpy(out, from, size);
    out[size] = '\0';
    *rest = from + size + (from[size] == ' ');
    return true;
}

/* One pair of the notification at hand; false: it has no more. Anybody may notify, so what is not understood is "any". */
static bool next_pair(taskq__pg_notifier *notifier, note *out)
{
    char count[24];
    int64_t number = 0;
    if (notifier->rest == NULL || notifier->rest[0] == '\0') {
        return false;
    }
    if (!next_word(&notifier->rest, out->queue, sizeof(out->queue)) ||
        !next_word(&notifier->rest, out->type, sizeof(out->type)) || !next_word(&notifier->rest, count, sizeof(count)) ||
        taskq__parse_int64(taskq_text_of(count), 1, UINT32_MAX, &number) != TASKQ_OK || strcmp(out->queue, "*") == 0) {
        *out = (note){"", "", UINT32_MAX};
        notifier->rest = NULL;
        return true;
    }
    if (strcmp(out->type, "*") == 0) {
        out->type[0] = '\0';
    }
    out->count = (uint32_t)number;
    return true;
}

/* The next notification of somebody else's becomes the one at hand. */
static bool next_notification(taskq__pg_notifier *notifier)
{
    for (;;) {
        PGconn *conn = taskq__pg_session_conn(notifier->session);
        forget_current(notifier);
        if (conn == NULL || (notifier->current = PQnotifies(conn)) == NULL) {
            return false;
        }
        char server[24], ours[24];
        notifier->heard_at_ms = taskq__pg_now_ms();
        notifier->rest = notifier->current->extra;
        (void)snprintf(ours, sizeof(ours), "%" PRIx64, (uint64_t)notifier->pg->server);
        if (!next_word(&notifier->rest, server, sizeof(server)) || notifier->rest[0] == '\0') {
            notifier->rest = "?"; /* nothing of ours: any */
            server[0] = '\0';
        }
        if (strcmp(server, ours) != 0) {
            atomic_fetch_add(&notifier->received, 1);
            return true;
        }
    }
}

static uint32_t read_pairs(taskq__pg_notifier *notifier, taskq_ready *out, uint32_t max)
{
    uint32_t count = 0;
    if (notifier->told_any && count < max) {
        notifier->told_any = false;
        out[count++] = (taskq_ready){.count = UINT32_MAX};
    }
    while (count < max) {
        note *one = &notifier->given[count];
        if (next_pair(notifier, one)) {
            out[count++] = (taskq_ready){taskq_text_of(one->queue), taskq_text_of(one->type), one->count};
        } else if (!next_notification(notifier)) {
            break;
        }
    }
    return count;
}

/* Send what is due, and say when the timer is wanted next. */
static void keep_sending(taskq__pg_notifier *notifier)
{
    taskq__pg_notice notice;
    char server[24];
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__pg_session_until(notifier->session, taskq__pg_now_ms() + HELD_MS);
    taskq_status status = be_listening(notifier, &err);
    status = status == TASKQ_OK ? check_alive(notifier, &err) : status;
    bool tells = false;
    (void)snprintf(server, sizeof(server), "%" PRIx64, (uint64_t)notifier->pg->server);
    pthread_mutex_lock(&notifier->lock);
    disarm(notifier);
    bool due = notifier->sent_at_ms + SEND_EVERY_MS <= taskq__pg_now_ms();
    if (status == TASKQ_OK && due) {
        tells = write_notice(notifier, server, &notice);
    } else if (status == TASKQ_OK && (notifier->note_count > 0 || notifier->any)) {
        arm(notifier, notifier->sent_at_ms + SEND_EVERY_MS);
    }
    pthread_mutex_unlock(&notifier->lock);
    if (tells) {
        status = send_notes(notifier, &notice, &err);
    }
    pthread_mutex_lock(&notifier->lock);
    if (status == TASKQ_OK && taskq__pg_session_is_open(notifier->session)) {
        arm(notifier, taskq__pg_now_ms() + LISTEN_CHECK_MS);
    } else {
        arm(notifier, taskq__pg_now_ms() + retry_ms(notifier) + 1);
    }
    pthread_mutex_unlock(&notifier->lock);
}

int taskq__pg_wake_fd(void *self)
{
    taskq__pg *pg = self;
    return pg->notifier == NULL ? -1 : pg->notifier->epoll_fd;
}

/* What fails is not told: the connection is made again, and waiting claims look by themselves meanwhile. */
taskq_status taskq__pg_wake_read(void *self, taskq_ready *out, uint32_t max, uint32_t *out_count, taskq_error *err)
{
    taskq__pg *pg = self;
    taskq__pg_notifier *notifier = pg->notifier;
    (void)err;
    *out_count = 0;
    if (notifier == NULL) {
        return TASKQ_OK;
    }
    pthread_mutex_lock(&notifier->reading);
    keep_sending(notifier);
    *out_count = read_pairs(notifier, out, max < TASKQ__PG_NEWS_MAX ? max : TASKQ__PG_NEWS_MAX);
    for (uint32_t i = 0; i < *out_count; i++) {
        taskq__pg_news_add(&pg->news, &out[i]);
    }
    pthread_mutex_unlock(&notifier->reading);
    return TASKQ_OK;
}

void taskq__pg_notifier_count(taskq__pg_notifier *notifier, uint64_t *sent, uint64_t *received)
{
    *sent = atomic_load(&notifier->sent);
    *received = atomic_load(&notifier->received);
}

/* ---- making and ending ---------------------------------------------------------------------------------------------------- */

taskq_status taskq__pg_notifier_make(taskq__pg *pg, taskq__pg_notifier **out, taskq_error *err)
{
    taskq__pg_notifier *notifier = taskq__alloc(&pg->allocator, sizeof(*notifier));
    if (notifier == NULL) {
        return taskq__fail_memory(err);
    }
    const taskq__pg_session_options options = {.conninfo = pg->conninfo,
                                               .schema = pg->schema,
                                               .role = "taskq notify",
                                               .log = &pg->log,
                                               .lost = &pg->lost,
                                               .allocator = &pg->allocator};
    notifier->pg = pg;
    notifier->timer_at_ms = INT64_MAX;
    pthread_mutex_init(&notifier->lock, NULL);
    pthread_mutex_init(&notifier->reading, NULL);
    notifier->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    notifier->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    taskq_status status = taskq__pg_session_make(&options, &notifier->session, err);
    if (status == TASKQ_OK && (notifier->epoll_fd < 0 || notifier->timer_fd < 0 ||
                               epoll_ctl(notifier->epoll_fd, EPOLL_CTL_ADD, notifier->timer_fd, &event) != 0)) {
        status = taskq__fail(err, TASKQ_EUNAVAIL, "there are no descriptors for the notifications");
    }
    if (status != TASKQ_OK) {
        taskq__pg_notifier_free(notifier);
        return status;
    }
    keep_sending(notifier); /* from now on it hears; where it cannot yet, the timer tries again */
    *out = notifier;
    return TASKQ_OK;
}

void taskq__pg_notifier_free(taskq__pg_notifier *notifier)
{
    if (notifier == NULL) {
        return;
    }
    forget_current(notifier);
    taskq__pg_session_free(notifier->session);
    if (notifier->timer_fd >= 0) {
        close(notifier->timer_fd);
    }
    if (notifier->epoll_fd >= 0) {
        close(notifier->epoll_fd);
    }
    pthread_mutex_destroy(&notifier->reading);
    pthread_mutex_destroy(&notifier->lock);
    taskq_allocator allocator = notifier->pg->allocator;
    taskq__free(&allocator, notifier);
}
