#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small worker on the generated Python client: claims, beats, reports.   worker.py URL QUEUE JOBS"""
import os
import sys

import taskq_client


def main():
    url, queue, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    done = 0
    configuration = taskq_client.Configuration(host=url)
    configuration.access_token = os.environ.get("TASKQ_TOKEN")
    with taskq_client.ApiClient(configuration) as client:
        leases = taskq_client.LeasesApi(client)
        while done < wanted:
            job = leases.claim_jobs(queue=queue, worker="example-python", wait=10)
            if job is None:  # 204: nothing came within ten seconds
                continue
            try:
                leases.heartbeat_job(job.id, taskq_client.Heartbeat(
                    version=job.version, progress=taskq_client.Progress(percent=50, message="half way"), log="a line of log\n"))
                leases.complete_job(job.id, taskq_client.Report(
                    version=job.version, status="succeeded", result={"greeting": "hello", "to": job.payload}))
            except taskq_client.ApiException as error:
                if error.status != 409:  # 409: the lease is lost, and with it the matter
                    raise
                continue
            print(f"job {job.id} done")
            done += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
