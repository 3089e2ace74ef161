/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree that only enqueues, in transactions of its own: built with pkg-config taskq-postgres and libpq, by
 * check_install.py, without any library that has a scheduler. It enqueues where there is no store, and says what it is told.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <taskq/postgres.h>
#include <taskq/version.h>

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    PGconn *connection = argc > 1 ? PQconnectdb(argv[1]) : NULL;
    job.type = TASKQ_TEXT("mail");
    if (connection != NULL) {
        PQclear(PQexec(connection, "BEGIN"));
    }
    taskq_status status = taskq_postgres_enqueue(connection, NULL, jobs, 1, NULL, &made, NULL, &err);
    printf("taskq-postgres %s, %s: %s, %s\n", taskq_version_string(), taskq_postgres_built_with(),
           taskq_status_name(status), err.text);
    taskq_jobs_free(made);
    PQfinish(connection);
    options.conninfo = "dbname=taskq";
    status = taskq_postgres_open(&options, &store, &err);
    printf("%s: %s\n", taskq_status_name(status), err.text);
    return 0;
}
