/* SPDX-License-Identifier: MIT */
/* A host's own table and its jobs in one transaction, on the host's own connection to PostgreSQL: an order and the mail about it are both
 * there or neither, and the mail is marked as sent in the very transaction that ends its job. Takes a connection string. */
#include <stdio.h>

#include <libpq-fe.h>
#include <taskq/postgres.h>
#include <taskq/scheduler.h>

/* A statement of the host's own, $1 is the job, if there is one. */
static bool run(PGconn *db, const char *sql, int64_t job)
{
    char number[24];
    const char *values[] = {number};
    snprintf(number, sizeof(number), "%lld", (long long)job);
    PGresult *result = PQexecParams(db, sql, job == 0 ? 0 : 1, NULL, values, NULL, NULL, 0);
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!good) {
        fprintf(stderr, "transactional_enqueue_postgres: %s", PQerrorMessage(db));
    }
    PQclear(result);
    return good;
}

/* An order, and a job that is to tell the customer. A program that only does this links taskq-postgres and libpq, and opens neither a
 * store nor a scheduler. With the commit the job is there, and whoever waits for one, at any scheduler of this database, is woken. */
static bool place_order(PGconn *db, bool changes_mind, taskq_error *err)
{
    taskq_jobs *made = NULL;
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("mail");
    const taskq_new_job *jobs[] = {&job};
    bool good = run(db, "BEGIN", 0) && taskq_postgres_enqueue(db, NULL, jobs, 1, NULL, &made, NULL, err) == TASKQ_OK &&
                run(db, "INSERT INTO orders (job) VALUES ($1)", taskq_jobs_at(made, 0)->id);
    taskq_jobs_free(made);
    return run(db, good && !changes_mind ? "COMMIT" : "ROLLBACK", 0) && good; /* no order, no mail */
}

/* What the job does is written and the job is ended, or neither. A lease that was lost meanwhile is no job of ours any more. */
static bool send_mail(PGconn *db, const taskq_job *job, taskq_error *err)
{
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = job->id;
    report.version = job->version;
    report.succeeded = true;
    bool good = run(db, "BEGIN", 0) && run(db, "UPDATE orders SET mails = mails + 1 WHERE job = $1", job->id) &&
                taskq_postgres_complete(db, NULL, &report, err) == TASKQ_OK; /* last: the job is locked from here */
    return run(db, good ? "COMMIT" : "ROLLBACK", 0) && good;
}

static bool work(PGconn *db, taskq_scheduler *scheduler, taskq_error *err)
{
    taskq_jobs *claimed = NULL;
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    claim.limit = 10;
    bool good =
        run(db,
            "CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY, job bigint, mails int DEFAULT 0)",
            0) &&
        place_order(db, false, err) && place_order(db, true, err) &&
        taskq_scheduler_claim(scheduler, &claim, &claimed, err) == TASKQ_OK;
    for (uint32_t i = 0; good && i < taskq_jobs_count(claimed); i++) {
        good = send_mail(db, taskq_jobs_at(claimed, i), err);
    }
    taskq_jobs_free(claimed);
    PGresult *orders = good ? PQexec(db, "SELECT id, mails FROM orders") : NULL;
    for (int i = 0; i < PQntuples(orders); i++) {
        printf("order %s: %s mail\n", PQgetvalue(orders, i, 0), PQgetvalue(orders, i, 1));
    }
    PQclear(orders);
    return good;
}

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    options.conninfo = argc > 1 ? argv[1] : "dbname=taskq";
    PGconn *db = PQconnectdb(options.conninfo); /* the host's own; the store makes others */
    bool good = taskq_postgres_open(&options, &store, &err) == TASKQ_OK;
    taskq_scheduler_options scheduling = TASKQ_SCHEDULER_OPTIONS_INIT;
    scheduling.store = store;
    good = good && taskq_scheduler_open(&scheduling, &scheduler, &err) == TASKQ_OK && work(db, scheduler, &err);
    if (!good) {
        fprintf(stderr, "transactional_enqueue_postgres: %s\n", err.text);
    }
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    PQfinish(db);
    return good ? 0 : 1;
}
