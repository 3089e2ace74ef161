// SPDX-License-Identifier: MIT
// A producer on the generated TypeScript client: enqueues a job and follows it to its end.   node producer.js URL QUEUE
import { Configuration, JobsApi, JobStateEnum } from "taskq-client";

declare const process: { argv: string[]; env: Record<string, string | undefined>; exitCode: number };

async function main(): Promise<void> {
    const [url, queue] = process.argv.slice(2);
    const jobs = new JobsApi(new Configuration({ basePath: url, fetchApi: fetch, accessToken: process.env.TASKQ_TOKEN }));
    const made = await jobs.enqueueJobs({ enqueueRequest: { type: "greet", queue, payload: { name: "TypeScript" }, maxAttempts: 3 } });
    let job = await jobs.getJob({ id: made.id! });
    while (job.finishedAt === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        job = await jobs.getJob({ id: job.id });
    }
    console.log(`job ${job.id} ${job.state}: ${JSON.stringify(job.result)}`);
    process.exitCode = job.state === JobStateEnum.Succeeded ? 0 : 1;
}

main();
