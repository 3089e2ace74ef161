/* SPDX-License-Identifier: MIT */
#include "pghost.h"

#include <stdio.h>
#include <string.h>

void host_open(pghost *host)
{
    host->conn = PQconnectdb(place.conninfo);
    ck_assert_msg(PQstatus(host->conn) == CONNECTION_OK, "%s", PQerrorMessage(host->conn));
    host->options = (taskq_postgres_options)TASKQ_POSTGRES_OPTIONS_INIT;
    host->options.schema = place.schema;
    host_run(host, "SET application_name = 'a host'");
    host_run(host, "SET client_min_messages = error");
}

void host_close(pghost *host)
{
    PQfinish(host->conn);
    host->conn = NULL;
}

void host_make_orders(void)
{
    place_run("CREATE TABLE @orders (id bigint)");
}

static PGresult *run(pghost *host, const char *text)
{
    char *expanded = taskq__pg_sql_expand(text, place.schema, NULL);
    PGresult *result = PQexec(host->conn, expanded);
    free(expanded);
    return result;
}

const char *host_try(pghost *host, const char *text)
{
    static char code[6];
    PGresult *result = run(host, text);
    const char *field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    (void)snprintf(code, sizeof(code), "%s", field == NULL ? "" : field);
    PQclear(result);
    return code;
}

void host_run(pghost *host, const char *text)
{
    const char *code = host_try(host, text);
    ck_assert_msg(code[0] == '\0', "%s: %s", text, PQerrorMessage(host->conn));
}

int64_t host_number(pghost *host, const char *text)
{
    PGresult *result = run(host, text);
    ck_assert_msg(PQntuples(result) == 1, "%s: %s", text, PQerrorMessage(host->conn));
    int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

void assert_usable(pghost *host)
{
    ck_assert_int_eq(PQtransactionStatus(host->conn), PQTRANS_INTRANS);
    ck_assert_int_eq(PQpipelineStatus(host->conn), PQ_PIPELINE_OFF);
    ck_assert_int_eq(host_number(host, "SELECT 7"), 7);
}

static taskq_text text_of(const char *string)
{
    return string == NULL ? (taskq_text){NULL, 0} : taskq_text_of(string);
}

taskq_status host_enqueue(pghost *host, const char *unique_key, const char *idempotency_key, int64_t *id, bool *made)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    taskq_jobs *list = NULL;
    uint32_t made_count = 0;
    job.type = TASKQ_TEXT("mail");
    job.unique_key = text_of(unique_key);
    options.idempotency_key = text_of(idempotency_key);
    const taskq_new_job *jobs[] = {&job};
    taskq_status status = taskq_postgres_enqueue(host->conn, &host->options, jobs, 1, &options,
                                                 id == NULL ? NULL : &list, &made_count, &place.err);
    if (status == TASKQ_OK && id != NULL) {
        *id = taskq_jobs_at(list, 0)->id;
        ck_assert_int_eq(taskq_jobs_at(list, 0)->existing, made_count == 0);
    }
    if (status == TASKQ_OK && made != NULL) {
        *made = made_count == 1;
    }
    taskq_jobs_free(list);
    return status;
}

taskq_status host_complete(pghost *host, int64_t id, int64_t version)
{
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = id;
    report.version = version;
    report.succeeded = true;
    report.result = TASKQ_TEXT("{\"sent\": true}");
    taskq_status status = taskq_postgres_complete(host->conn, &host->options, &report, &place.err);
    ck_assert_int_eq(report.status, status);
    return status;
}

int64_t running_job(taskq_store *store, int64_t *version)
{
    test_batch batch;
    batch_init(&batch);
    batch_enqueue(&batch, 1, NULL, NULL);
    batch_claim(&batch, 1);
    ck_assert_int_eq(batch_run(&batch, store), TASKQ_OK);
    ck_assert_uint_eq(batch.claim.job_count, 1);
    int64_t id = batch.claim.jobs[0]->id;
    *version = batch.claim.jobs[0]->version;
    batch_clear(&batch);
    return id;
}

int64_t count_jobs(void)
{
    int64_t jobs = place_number("SELECT count(*) FROM @jobs");
    ck_assert_int_eq(place_number("SELECT coalesce(sum(n), 0)::bigint FROM @counters"), jobs);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @payloads"), jobs);
    ck_assert_int_eq(place_number("SELECT count(*) FROM (SELECT queue, state FROM @jobs) j JOIN "
                                  "(SELECT queue, state, sum(n) FROM @counters GROUP BY 1, 2) c USING (queue, state)"),
                     jobs);
    return jobs;
}

int64_t count_orders(void)
{
    return place_number("SELECT count(*) FROM @orders");
}
