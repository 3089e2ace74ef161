// SPDX-License-Identifier: MIT
// A small worker on the generated TypeScript client: claims, beats, reports.   node worker.js URL QUEUE JOBS
import { Configuration, LeasesApi, ReportStatusEnum } from "taskq-client";

declare const process: { argv: string[]; env: Record<string, string | undefined> };

async function main(): Promise<void> {
    const [url, queue, wanted] = process.argv.slice(2);
    const leases = new LeasesApi(new Configuration({ basePath: url, fetchApi: fetch, accessToken: process.env.TASKQ_TOKEN }));
    for (let done = 0; done < Number(wanted);) {
        const answer = await leases.claimJobsRaw({ queue, worker: "example-typescript", wait: 10 });
        if (answer.raw.status === 204) continue; // nothing came within ten seconds
        const job = await answer.value();
        const id = job.id!, version = job.version!;
        await leases.heartbeatJob({ id, heartbeat: { version, progress: { percent: 50, message: "half way" }, log: "a line of log\n" } });
        await leases.completeJob({ id, report: { version, status: ReportStatusEnum.Succeeded, result: { greeting: "hello", to: job.payload } } });
        console.log(`job ${id} done`);
        done += 1;
    }
}

main();
