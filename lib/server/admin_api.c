/* SPDX-License-Identifier: MIT */
/*
 * What operators and their machines ask: is it alive, can it work, how much is there. Liveness touches nothing but the thread that
 * answers; readiness asks the store at most once a second, however often it is asked itself.
 */
#include "server/api.h"
#include "wire/emit.h"

enum { READY_CACHE_MS = 1000 };

static void reply_health(taskq__reply *reply, bool healthy, const char *check, const char *finding)
{
    taskq__buf *body = taskq__reply_json(reply, healthy ? 200 : 503);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "status");
    taskq__emit_string(body, taskq_text_of(healthy ? "ok" : "unavailable"));
    taskq__emit_key(body, "checks");
    taskq__emit_open(body, '{');
    if (check != NULL) {
        taskq__emit_key(body, check);
        taskq__emit_string(body, taskq_text_of(finding));
    }
    taskq__emit_close(body, '}');
    taskq__emit_close(body, '}');
    if (!healthy) {
        taskq__reply_header(reply, "Retry-After", taskq_text_of("1"));
    }
}

void taskq__livez(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)server;
    (void)request;
    reply_health(reply, true, NULL, NULL);
}

static taskq_status ask_store(taskq_server *server)
{
    pthread_mutex_lock(&server->ready_lock);
    int64_t now_ms = server->clock.steady_ms(server->clock.user);
    if (now_ms >= server->ready_until_ms) {
        taskq_error err = TASKQ_ERROR_INIT;
        server->ready_status = taskq_scheduler_ping(server->scheduler, &err);
        server->ready_until_ms = server->clock.steady_ms(server->clock.user) + READY_CACHE_MS;
    }
    taskq_status status = server->ready_status;
    pthread_mutex_unlock(&server->ready_lock);
    return status;
}

void taskq__readyz(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)request;
    if (server->stopping) {
        reply_health(reply, false, "server", "shutting down");
        return;
    }
    taskq_status status = ask_store(server);
    reply_health(reply, status == TASKQ_OK, "store", taskq_status_name(status));
}

static void emit_percentiles(taskq__buf *body, const char *key, int64_t p50_ms, int64_t p95_ms, int64_t p99_ms)
{
    taskq__emit_key(body, key);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "p50");
    taskq__emit_int(body, p50_ms);
    taskq__emit_key(body, "p95");
    taskq__emit_int(body, p95_ms);
    taskq__emit_key(body, "p99");
    taskq__emit_int(body, p99_ms);
    taskq__emit_close(body, '}');
}

static void emit_states(taskq__buf *body, const taskq_queues *queues)
{
    int64_t totals[TASKQ_STATE_COUNT] = {0};
    int64_t all = 0;
    for (uint32_t i = 0; i < taskq_queues_count(queues); i++) {
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            totals[state] += taskq_queues_at(queues, i)->counts[state];
            all += taskq_queues_at(queues, i)->counts[state];
        }
    }
    taskq__emit_key(body, "total");
    taskq__emit_int(body, all);
    taskq__emit_key(body, "states");
    taskq__emit_open(body, '{');
    for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
        taskq__emit_key(body, taskq_state_name((taskq_state)state));
        taskq__emit_int(body, totals[state]);
    }
    taskq__emit_close(body, '}');
}

static void emit_count(taskq__buf *body, const char *key, uint64_t count)
{
    taskq__emit_key(body, key);
    taskq__emit_int(body, count < INT64_MAX ? (int64_t)count : INT64_MAX);
}

static void emit_counters(taskq__buf *body, const taskq_scheduler_stats *stats)
{
    taskq__emit_key(body, "since_start");
    taskq__emit_open(body, '{');
    emit_count(body, "enqueued", stats->enqueued);
    emit_count(body, "claimed", stats->claimed);
    emit_count(body, "succeeded", stats->succeeded);
    emit_count(body, "failed_attempts", stats->failed_attempts);
    emit_count(body, "released", stats->released);
    emit_count(body, "lost", stats->lost);
    emit_count(body, "timed_out", stats->timed_out);
    emit_count(body, "canceled", stats->canceled);
    emit_count(body, "retried", stats->retried);
    emit_count(body, "deleted", stats->deleted);
    emit_count(body, "stale_reports", stats->stale_reports);
    emit_count(body, "commits", stats->commits);
    emit_count(body, "ops", stats->ops);
    taskq__emit_close(body, '}');
}

static void emit_refused(taskq__buf *body, const taskq__bound_counts *counts)
{
    taskq__emit_key(body, "refused");
    taskq__emit_open(body, '{');
    for (int bound = TASKQ__BOUND_NONE + 1; bound < TASKQ__BOUND_COUNT; bound++) {
        emit_count(body, taskq__bound_name((taskq__bound)bound), atomic_load(&counts->of[bound]));
    }
    taskq__emit_close(body, '}');
}

static void emit_rates(taskq__buf *body, const taskq_scheduler_stats *stats)
{
    taskq__emit_key(body, "rates");
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "enqueued_per_s");
    taskq__emit_double(body, stats->enqueued_per_s);
    taskq__emit_key(body, "claimed_per_s");
    taskq__emit_double(body, stats->claimed_per_s);
    taskq__emit_key(body, "finished_per_s");
    taskq__emit_double(body, stats->finished_per_s);
    taskq__emit_close(body, '}');
}

static void emit_store(taskq__buf *body, taskq_scheduler *scheduler)
{
    taskq_figure figures[TASKQ_FIGURES_MAX];
    uint32_t count = taskq_scheduler_store_figures(scheduler, figures, TASKQ_FIGURES_MAX);
    taskq__emit_key(body, "store");
    taskq__emit_open(body, '{');
    for (uint32_t i = 0; i < count; i++) {
        taskq__emit_key(body, figures[i].name);
        taskq__emit_int(body, figures[i].value);
    }
    taskq__emit_close(body, '}');
}

void taskq__stats(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)request;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_queues *queues = NULL;
    taskq_scheduler_stats stats = {.struct_size = sizeof(stats)};
    taskq_status status = taskq_scheduler_read_stats(server->scheduler, &stats, &err);
    if (status == TASKQ_OK) {
        status = taskq_scheduler_queues(server->scheduler, NULL, &queues, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    emit_states(body, queues);
    emit_rates(body, &stats);
    emit_percentiles(body, "wait_ms", stats.wait_p50_ms, stats.wait_p95_ms, stats.wait_p99_ms);
    emit_percentiles(body, "run_ms", stats.run_p50_ms, stats.run_p95_ms, stats.run_p99_ms);
    emit_count(body, "held_polls", atomic_load(&server->held));
    emit_counters(body, &stats);
    emit_refused(body, &server->refused);
    emit_store(body, server->scheduler);
    taskq__emit_close(body, '}');
    taskq_queues_free(queues);
}
