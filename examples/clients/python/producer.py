#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A producer on the generated Python client: enqueues a job and follows it to its end.   producer.py URL QUEUE"""
import os
import sys
import time

import taskq_client


def main():
    url, queue = sys.argv[1:]
    configuration = taskq_client.Configuration(host=url)
    configuration.access_token = os.environ.get("TASKQ_TOKEN")
    with taskq_client.ApiClient(configuration) as client:
        jobs = taskq_client.JobsApi(client)
        request = taskq_client.EnqueueRequest(type="greet", queue=queue, payload={"name": "Python"}, max_attempts=3)
        job = jobs.enqueue_jobs(request)
        while job.finished_at is None:
            time.sleep(0.1)
            job = jobs.get_job(job.id)
        print(f"job {job.id} {job.state}: {job.result}")
        return 0 if job.state == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
