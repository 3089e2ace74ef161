/* SPDX-License-Identifier: MIT */
/*
 * The end of a claim when the worker stops. A held poll that is merely cut may still bring leases to nobody: the server asks whether its client
 * is there, but a commit that is under way goes through. So the claim is asked for once more under its id, without a wait: that ends the
 * held poll, or brings what it has leased, and all that comes is given back. Connections stay open until both have been answered, because
 * the two requests may reach the server in either order.
 */
#include "worker/core.h"

enum {
    REACH_MS = 1000,  /* the end does not wait longer for a server that cannot be reached */
    ANSWER_MS = 5000, /* nor longer than this for one that does not answer */
    PAUSE_MS = 50,
    ASKS_MAX = 4 /* while the poll is still held: then it is held by another server, or stuck */
};

static bool is_with_a_report(const taskq__claim *claim)
{
    return claim->in_flight && claim->poll == NULL && claim->recall == NULL;
}

static void begin(taskq_worker *worker, int64_t now_ms)
{
    taskq__claim *claim = &worker->claim;
    claim->give_up_at_ms = now_ms + ANSWER_MS;
    claim->reach_until_ms = now_ms + REACH_MS;
    claim->not_before_ms = 0; /* what put polls off does not put this off: it does not wait */
    claim->asks = 0;
    if (claim->poll != NULL && taskq__exchange_is_answering(claim->poll)) {
        claim->not_before_ms = now_ms + PAUSE_MS;
    }
}

/* The poll's answer does not come though its claim was asked for again and again. */
static void hang_up(taskq_worker *worker, int64_t now_ms)
{
    taskq__claim *claim = &worker->claim;
    taskq__transport_cancel(worker->transport, claim->poll);
    taskq__servers_abandoned(&worker->servers, claim->server, now_ms);
    claim->poll = NULL;
    taskq__claim_failed(worker, true);
}

static void recall_done(void *user, const taskq__answer *answer)
{
    taskq_worker *worker = user;
    taskq__claim *claim = &worker->claim;
    uint32_t brought = 0;
    claim->recall = NULL;
    if (taskq__claim_read(worker, claim->recall_server, answer, &brought)) {
        int64_t now_ms = taskq__worker_now_ms(worker);
        claim->not_before_ms = now_ms + ((int64_t)PAUSE_MS << claim->asks); /* for the poll's own answer */
        claim->reach_until_ms = now_ms + REACH_MS;
        claim->asks++;
        taskq__claim_answered(worker);
    }
}

static void ask(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    taskq__claim *claim = &worker->claim;
    int64_t in_ms = REACH_MS;
    if (!taskq__worker_pick(worker, &claim->recall_server, &in_ms)) {
        claim->ask_at_ms = now_ms + in_ms;
        taskq__sooner(next_in_ms, in_ms);
        return;
    }
    claim->wanted_again = true;
    claim->recall = taskq__claim_post(worker, claim->recall_server, claim->limit, 0, recall_done);
    if (claim->recall == NULL) {
        taskq__sooner(next_in_ms, PAUSE_MS);
    }
}

void taskq__recall_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    taskq__claim *claim = &worker->claim;
    if (claim->limit == 0 || claim->recall != NULL || is_with_a_report(claim)) {
        return;
    }
    if (claim->poll == NULL && !(claim->wanted_again && claim->may_hold)) {
        claim->limit = 0; /* no server has it */
        return;
    }
    if (claim->give_up_at_ms == 0) {
        begin(worker, now_ms);
    }
    if (claim->poll != NULL && claim->asks == ASKS_MAX) {
        hang_up(worker, now_ms);
    }
    claim->ask_at_ms = claim->not_before_ms;
    if (now_ms < claim->not_before_ms) {
        taskq__sooner(next_in_ms, claim->not_before_ms - now_ms);
    } else {
        ask(worker, now_ms, next_in_ms);
    }
}

bool taskq__recall_goes_on(const taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    const taskq__claim *claim = &worker->claim;
    if (worker->stop_seen_at_ms == 0 || claim->limit == 0 || is_with_a_report(claim)) {
        return false;
    }
    if (claim->give_up_at_ms == 0) {
        *next_in_ms = 0; /* it has not begun */
        return true;
    }
    bool asked = claim->recall != NULL || claim->reach_until_ms > claim->give_up_at_ms;
    int64_t until_ms = asked ? claim->give_up_at_ms : claim->reach_until_ms;
    bool idle = claim->recall == NULL && claim->poll == NULL && claim->ask_at_ms >= until_ms;
    if (now_ms >= until_ms || idle) {
        return false;
    }
    taskq__sooner(next_in_ms, until_ms - now_ms);
    return true;
}
