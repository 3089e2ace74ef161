/* SPDX-License-Identifier: MIT */
/* A host's own table and its jobs in one transaction: an order and the mail about it are both there or neither, and the mail is marked
 * as sent in the very transaction that ends its job, so it is once, whenever the program is killed. Takes the path of an SQLite file. */
#include <stdio.h>

#include <sqlite3.h>
#include <taskq/scheduler.h>
#include <taskq/sqlite.h>

/* A statement of the host's own about one job, on the connection that the store has lent. */
static bool run(sqlite3 *db, const char *sql, int64_t job)
{
    char *text = sqlite3_mprintf(sql, (long long)job);
    bool good = sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
    if (!good) {
        fprintf(stderr, "transactional_enqueue: %s\n", sqlite3_errmsg(db));
    }
    sqlite3_free(text);
    return good;
}

/* An order, and a job that is to tell the customer. Both hold with the commit; a worker that waits for a mail is woken then. */
static bool place_order(taskq_store *store, bool changes_mind, taskq_error *err)
{
    sqlite3 *db = NULL;
    taskq_jobs *made = NULL;
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("mail");
    const taskq_new_job *jobs[] = {&job};
    if (taskq_sqlite_begin(store, &db, err) != TASKQ_OK) {
        return false;
    }
    bool good = taskq_sqlite_enqueue(store, jobs, 1, NULL, &made, NULL, err) == TASKQ_OK &&
                run(db, "INSERT INTO orders (job) VALUES (%lld)", taskq_jobs_at(made, 0)->id);
    taskq_jobs_free(made);
    if (!good || changes_mind) {
        return taskq_sqlite_rollback(store, good ? err : NULL) == TASKQ_OK && good; /* no order, no mail */
    }
    return taskq_sqlite_commit(store, err) == TASKQ_OK;
}

/* What the job does is written and the job is ended, or neither. A lease that was lost meanwhile is no job of ours any more. */
static bool send_mail(taskq_store *store, const taskq_job *job, taskq_error *err)
{
    sqlite3 *db = NULL;
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = job->id;
    report.version = job->version;
    report.succeeded = true;
    if (taskq_sqlite_begin(store, &db, err) != TASKQ_OK) {
        return false;
    }
    if (!run(db, "UPDATE orders SET mails = mails + 1 WHERE job = %lld", job->id) ||
        taskq_sqlite_complete(store, &report, err) != TASKQ_OK) {
        (void)taskq_sqlite_rollback(store, NULL);
        return false;
    }
    return taskq_sqlite_commit(store, err) == TASKQ_OK;
}

static int print_order(void *user, int columns, char **values, char **names)
{
    (void)user, (void)columns, (void)names;
    printf("order %s: %s mail\n", values[0], values[1]);
    return 0;
}

static bool work(taskq_store *store, taskq_scheduler *scheduler, taskq_error *err)
{
    sqlite3 *db = NULL;
    taskq_jobs *claimed = NULL;
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    /* Our table lies in the store's file; it is made on the same connection. */
    bool good =
        taskq_sqlite_begin(store, &db, err) == TASKQ_OK &&
        run(db, "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, job INTEGER, mails INTEGER DEFAULT 0)", 0) &&
        taskq_sqlite_commit(store, err) == TASKQ_OK;
    good = good && place_order(store, false, err) && place_order(store, true, err) &&
           taskq_scheduler_claim(scheduler, &claim, &claimed, err) == TASKQ_OK;
    for (uint32_t i = 0; good && i < taskq_jobs_count(claimed); i++) {
        good = send_mail(store, taskq_jobs_at(claimed, i), err);
    }
    taskq_jobs_free(claimed);
    good = good && taskq_sqlite_begin(store, &db, err) == TASKQ_OK &&
           sqlite3_exec(db, "SELECT id, mails FROM orders", print_order, NULL, NULL) == SQLITE_OK &&
           taskq_sqlite_rollback(store, err) == TASKQ_OK;
    return good;
}

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    file.path = argc > 1 ? argv[1] : ":memory:";
    bool good = taskq_sqlite_open(&file, &store, &err) == TASKQ_OK;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = store;
    good = good && taskq_scheduler_open(&options, &scheduler, &err) == TASKQ_OK && work(store, scheduler, &err);
    if (!good) {
        fprintf(stderr, "transactional_enqueue: %s\n", err.text);
    }
    taskq_scheduler_close(scheduler); /* a transaction that is still open is rolled back */
    taskq_store_close(store);
    return good ? 0 : 1;
}
