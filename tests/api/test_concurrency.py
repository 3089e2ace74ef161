# SPDX-License-Identifier: MIT
"""Many at once: each job leased once, each count right, nobody starved."""
import collections
import unittest

from harness import FreshServerCase, ServerCase
from parallel import Task, at_once
from waiting import wait_until


class ManyClaimants(ServerCase):
    jobs, claimants = 2000, 32

    def drain(self, claim):
        def one(number):
            client = self.server.client()
            found = []
            try:
                while jobs := claim(client, number):
                    found += [(job["id"], job["version"]) for job in jobs]
            finally:
                client.close()
            return found

        return [pair for found in at_once(self.claimants, one) for pair in found]

    def fill(self):
        made = []
        for _ in range(self.jobs // 1000):
            made += self.api.enqueue_many([{"type": f"t{i % 3}", "queue": self.queue, "priority": i % 5} for i in range(1000)])
        return sorted(job["id"] for job in made)

    def check(self, made, leased):
        self.assertEqual(sorted(job_id for job_id, _ in leased), made)
        self.assertEqual({version for _, version in leased}, {2})
        self.assertEqual(self.api.queue(self.queue)["counts"]["running"], self.jobs)

    def test_one_at_a_time_each_job_is_leased_once(self):
        made = self.fill()
        leased = self.drain(lambda client, number: [job] if (job := client.claim(self.queue, worker=f"w{number}", type="t0,t1,t2")) else [])
        self.check(made, leased)

    def test_in_lists_each_job_is_leased_once(self):
        made = self.fill()
        self.check(made, self.drain(lambda client, number: client.claim_many(self.queue, 7 + number, worker=f"w{number}")))

    def test_while_they_are_enqueued_and_reported_each_is_done_once(self):
        total, producers = 1200, 4
        done = collections.Counter()

        def produce(_):
            client = self.server.client()
            for _ in range(total // producers // 10):
                client.enqueue_many([{"type": "t", "queue": self.queue}] * 10)
            client.close()

        def work(number):
            client, mine, finished = self.server.client(), [], []
            while len(finished) < total:
                body = {"completions": [{"id": job["id"], "version": job["version"], "status": "succeeded", "result": number} for job in mine],
                        "next": {"queue": self.queue, "limit": 5, "worker": f"w{number}"}}
                answer = client.expect(200, "POST", "/jobs/complete", body).json
                self.assertEqual({one["status"] for one in answer["results"]} - {200}, set())
                finished += [job["id"] for job in mine]
                mine = answer["jobs"] or client.claim_many(self.queue, 5, wait=1)
                if not mine and client.queue(self.queue)["counts"].get("succeeded") == total:
                    break
            client.close()
            return finished

        workers = [Task(work, number) for number in range(8)]
        at_once(producers, produce)
        for task in workers:
            done.update(task.result())
        self.assertEqual((len(done), set(done.values())), (total, {1}))


class MovesAtOnce(ServerCase):
    def test_of_a_claim_a_cancel_and_a_delete_at_once_the_state_is_one_of_their_orders(self):
        for _ in range(20):
            made = self.enqueue()

            def claim():
                return self.server.client().claim(self.queue)

            def cancel():
                return self.server.client().post(f"/jobs/{made['id']}/cancel").status

            def delete():
                return self.server.client().call("DELETE", f"/jobs/{made['id']}").status

            job, canceled, deleted = at_once(3, lambda number: (claim, cancel, delete)[number]())
            state = self.api.get(f"/jobs/{made['id']}")
            if job:
                self.assertEqual((canceled, deleted, state.json["state"]), (200, 409, "running"))
                self.api.fail(job)
            elif deleted == 204:
                self.assertEqual((canceled, state.status), (200, 404))
            else:
                self.assertEqual((canceled, deleted, state.json["state"]), (200, 409, "canceled"))

    def test_of_sixteen_retries_at_once_one_counts(self):
        job = self.ended("failed")
        statuses = at_once(16, lambda _: self.server.client().post(f"/jobs/{job['id']}/retry").status)
        self.assertEqual(sorted(statuses), [200] + [409] * 15)
        self.assertEqual(self.api.job(job["id"])["version"], job["version"] + 1)


class Crowded(FreshServerCase):
    def test_polls_past_the_bound_get_503_and_reports_and_health_are_served(self):
        server = self.fresh_server("--max-connections", "16")
        api = self.client_of(server)
        api.enqueue(type="t", queue="work")
        job = api.claim("work")
        held = [self.client_of(server) for _ in range(24)]
        tasks = [Task(lambda c=client: c.get("/next-job?wait=60")) for client in held]
        wait_until(lambda: any(not task.is_alive() for task in tasks), what="a poll that is refused")
        other = self.client_of(server)
        for _ in range(5):
            wait_until(lambda: other.get("/livez").status == 200, what="health beside held polls")
        self.assertEqual(api.succeed(job)["state"], "succeeded")
        refused = [task for task in tasks if not task.is_alive()]
        for task in refused:
            reply = task.result()
            self.assertEqual((reply.status, reply.slug), (503, "unavailable"))
        self.assertLess(len(refused), 24)
        server.stop()
        self.assertEqual({task.result().status for task in tasks if task not in refused}, {204})


if __name__ == "__main__":
    unittest.main()
