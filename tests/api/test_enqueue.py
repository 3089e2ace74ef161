# SPDX-License-Identifier: MIT
"""POST /jobs: what a new job may say, and what comes of it."""
import json
import time
import unittest

from harness import ServerCase
from shape import check_job, milliseconds

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class ANewJob(ServerCase):
    def test_a_job_with_nothing_but_a_type_has_every_default(self):
        reply = self.api.expect(201, "POST", "/jobs", {"type": "defaults-only"})
        job = check_job(reply.json)
        expected = {"queue": "default", "type": "defaults-only", "payload": {}, "state": "queued", "priority": 0, "attempt": 0,
                    "max_attempts": 10, "timeout_ms": 900000, "lease_ms": 60000, "version": 1, "tags": [],
                    "backoff": {"base_ms": 2000, "factor": 2.0, "max_ms": 3600000, "jitter": 0.2},
                    "cancel_requested": False}
        self.assertEqual({name: job[name] for name in expected}, expected)
        for name in ("batch", "unique_key", "worker", "progress", "result", "error", "started_at", "traceparent"):
            self.assertIsNone(job.get(name), name)
        self.api.cancel(job["id"])

    def test_the_answer_says_where_the_job_is(self):
        reply = self.api.expect(201, "POST", "/jobs", {"type": "t", "queue": self.queue})
        self.assertEqual(reply.headers["Location"].removeprefix(self.server.url), f"/jobs/{reply.json['id']}")

    def test_every_field_comes_back_as_it_was_given(self):
        given = {"type": "T.e:s/t_1-9", "queue": self.queue, "payload": {"a": [1, None, "x"]}, "priority": -1000,
                 "run_at": "2030-01-31T08:00:00.123Z", "max_attempts": 100, "timeout_ms": 604800000, "lease_ms": 43200000,
                 "backoff": {"base_ms": 0, "factor": 1.5, "max_ms": 604800000, "jitter": 0.25},
                 "tags": ["a", "b:c/d"], "batch": "import-7", "unique_key": "user 1 é"}
        job = check_job(self.api.enqueue(**given))
        self.assertEqual({name: job[name] for name in given}, given)
        self.assertEqual(job["state"], "scheduled")
        self.assertEqual({**self.api.job(job["id"]), **given}, self.api.job(job["id"]))

    def test_a_part_of_the_backoff_leaves_the_rest_at_its_defaults(self):
        job = self.enqueue(backoff={"factor": 1})
        self.assertEqual(job["backoff"], {"base_ms": 2000, "factor": 1, "max_ms": 3600000, "jitter": 0.2})

    def test_the_bounds_themselves_are_good(self):
        for field, value in (("priority", 1000), ("priority", -1000), ("delay_ms", 0), ("delay_ms", 31536000000),
                             ("max_attempts", 1), ("max_attempts", 100), ("timeout_ms", 100), ("lease_ms", 1000),
                             ("type", "t" * 128), ("batch", "b" * 128), ("unique_key", "é" * 256),
                             ("tags", [f"t{i}" for i in range(16)]), ("backoff", {"jitter": 1, "factor": 10, "max_ms": 0}),
                             ("backoff", {"base_ms": 86400000, "jitter": 0})):
            with self.subTest(field=field, value=value):
                self.enqueue(**{field: value})

    def test_times_come_in_with_any_offset_and_go_out_in_utc(self):
        for given, shown in (("2031-05-06T10:00:00+02:00", "2031-05-06T08:00:00.000Z"),
                             ("2031-05-06T07:30:00.5-00:30", "2031-05-06T08:00:00.500Z"),
                             ("2031-05-06t08:00:00z", "2031-05-06T08:00:00.000Z"),
                             ("2031-05-06T08:00:00.123456789Z", "2031-05-06T08:00:00.123Z"),
                             ("2100-12-31T23:59:59Z", "2100-12-31T23:59:59.000Z"),
                             ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
                             ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000Z")):
            with self.subTest(given=given):
                self.assertEqual(self.enqueue(run_at=given)["run_at"], shown)

    def test_a_run_at_in_the_past_is_allowed_and_the_job_ready(self):
        job = self.enqueue(run_at="2020-01-01T00:00:00Z")
        self.assertEqual((job["state"], job["run_at"]), ("queued", "2020-01-01T00:00:00.000Z"))

    def test_a_delay_makes_it_scheduled_so_much_later(self):
        job = self.enqueue(delay_ms=3600000)
        self.assertEqual(job["state"], "scheduled")
        self.assertEqual(milliseconds(job["run_at"]) - milliseconds(job["created_at"]), 3600000)

    def test_a_job_is_stamped_with_the_time_of_now(self):
        job = self.enqueue()
        self.assertLess(abs(milliseconds(job["created_at"]) - time.time() * 1000), 60000)
        self.assertEqual(job["created_at"], job["updated_at"])

    def test_a_traceparent_is_kept_and_a_malformed_one_ignored(self):
        body = {"type": "t", "queue": self.queue}
        kept = self.api.expect(201, "POST", "/jobs", body, {"traceparent": TRACE}).json
        self.assertEqual(kept["traceparent"], TRACE)
        for bad in ("hello", TRACE[:-1], TRACE.replace("4", "g"), "ff" + TRACE[2:], TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)):
            with self.subTest(bad=bad):
                job = self.api.expect(201, "POST", "/jobs", body, {"traceparent": bad}).json
                self.assertIsNone(job.get("traceparent"))

    def test_ids_grow_and_are_never_given_again(self):
        first = self.enqueue()
        self.api.cancel(first["id"])
        self.api.expect(204, "DELETE", f"/jobs/{first['id']}")
        self.assertGreater(self.enqueue()["id"], first["id"])


BAD = {
    "type": ["", "t" * 129, "a b", "é", "a\u0000b", 5, None, [], {}, True],
    "queue": ["", "q" * 129, "a b", "a,b", 5, []],
    "priority": [1001, -1001, 1.5, "1", True, [], 10**30, 1e400],
    "run_at": ["", "yesterday", "1969-12-31T23:59:59Z", "2101-01-01T00:00:00Z", 5, "2026-02-30T00:00:00Z",
               "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T25:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00Zx",
               "2026-01-01T00:00:00+25:00"],
    "delay_ms": [-1, 31536000001, 1.5, "5", 2**63, 2**64],
    "max_attempts": [0, 101, -1, 2.5, "3"],
    "timeout_ms": [99, 604800001, 0, "100"],
    "lease_ms": [999, 43200001, 0, "1000"],
    "backoff": [5, [], "x"],
    "tags": [[f"t{i}" for i in range(17)], [""], "a", [1], ["a b"], ["t" * 129], {}],
    "batch": ["", "b" * 129, "a b", 5],
    "unique_key": ["", "k" * 257, 5, []],
}
BAD_BACKOFF = {"base_ms": [-1, 86400001, 1.5, "2"], "factor": [0.99, 10.01, "2", -1], "max_ms": [-1, 604800001, "2"],
               "jitter": [-0.01, 1.01, "0"]}


class ABadJob(ServerCase):
    def refuse(self, field, **fields):
        self.refused(422, "invalid", "POST", "/jobs", {"type": "t", "queue": self.queue, **fields}, field)

    def tearDown(self):
        self.assertEqual(self.api.jobs(queue=self.queue), [])

    def test_each_field_out_of_its_range_is_named(self):
        for field, values in BAD.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    if value == 1e400:
                        body = f'{{"type": "t", "queue": "{self.queue}", "{field}": 1e400}}'.encode()
                        self.assertEqual(self.api.send("POST", "/jobs", body).status, 422)
                        continue
                    reply = self.api.call("POST", "/jobs", {"type": "t", "queue": self.queue, field: value})
                    self.assertEqual((reply.status, reply.slug), (422, "invalid"), reply)
                    self.assertTrue(reply.json.get("field", "").startswith(f"/{field}"), reply)

    def test_each_field_of_the_backoff_is_named(self):
        for field, values in BAD_BACKOFF.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.refuse(f"/backoff/{field}", backoff={field: value})

    def test_no_type_is_an_error_that_names_it(self):
        self.refused(422, "invalid", "POST", "/jobs", {"queue": self.queue}, "/type")
        self.refused(422, "invalid", "POST", "/jobs", {}, "/type")

    def test_an_unknown_field_is_never_silently_dropped(self):
        self.refuse("/prority", prority=1)
        self.refuse("/backoff/base", backoff={"base": 1})
        for field, value in (("id", 5), ("state", "queued"), ("version", 1), ("attempt", 0), ("Type", "t"), ("", 1),
                             ("existing", True)):
            with self.subTest(field=field):
                self.refuse(f"/{field}", **{field: value})

    def test_a_field_given_twice_is_an_error(self):
        for body in (b'{"type": "t", "type": "t"}', b'{"type": "t", "priority": 1, "priority": 1}',
                     b'{"type": "t", "backoff": {"jitter": 0, "jitter": 0}}', b'{"type": "t", "ty\\u0070e": "t"}'):
            with self.subTest(body=body):
                reply = self.api.send("POST", "/jobs", body)
                self.assertEqual((reply.status, reply.slug), (422, "invalid"), reply)

    def test_run_at_and_delay_ms_exclude_each_other(self):
        reply = self.api.call("POST", "/jobs", {"type": "t", "queue": self.queue, "delay_ms": 5,
                                                "run_at": "2030-01-01T00:00:00Z"})
        self.assertEqual((reply.status, reply.slug), (422, "invalid"), reply)

    def test_what_is_not_an_object_is_invalid(self):
        for body in (b"[]", b"5", b'"a"', b"null", b"true", b' [{"type": "t"}] '):
            with self.subTest(body=body):
                reply = self.api.send("POST", "/jobs", body)
                self.assertEqual((reply.status, reply.slug), (422, "invalid"), reply)

    def test_what_is_not_json_is_malformed(self):
        for body in (b"", b"{", b"{}}", b'{"type": "t"} x', b'{"type": "t",}', b"{'type': 't'}", b'{"type": NaN}', b'{"type": t}',
                     b"\xef\xbb\xbf{}", b'{"type": "\xff"}', b'{"type": "\xc0\x80"}', b'{"type": "\xed\xa0\x80"}', b"\x00", b"// c\n{}",
                     b'{"type": "t", "priority": 01}', b'{"type": "t", "priority": +1}', b'{"type": "t", "payload": "\n"}',
                     b'{"type": "t", "payload": .5}', b'{"type": "t", "payload": "\\x41"}'):
            with self.subTest(body=body):
                reply = self.api.send("POST", "/jobs", body)
                self.assertEqual((reply.status, reply.slug), (400, "malformed-json"), reply)

    def test_a_body_nested_without_end_is_refused(self):
        for open_, close in (("[", "]"), ('{"a":', "}")):
            middle = "1" if open_ != "[" else ""
            deep = '{"type": "t", "payload": ' + open_ * 100000 + middle + close * 100000 + "}"
            self.assertIn(self.api.send("POST", "/jobs", deep.encode()).status, (400, 413, 422))


class AList(ServerCase):
    def test_jobs_are_made_in_the_order_given(self):
        made = self.api.enqueue_many([{"type": f"t{i}", "queue": self.queue} for i in range(50)])
        self.assertEqual([check_job(job)["type"] for job in made], [f"t{i}" for i in range(50)])
        self.assertEqual(sorted(job["id"] for job in made), [job["id"] for job in made])

    def test_a_thousand_are_good_and_one_more_is_not(self):
        one = {"type": "t", "queue": self.queue}
        self.assertEqual(len(self.api.enqueue_many([one] * 1000)), 1000)
        self.refused(422, "invalid", "POST", "/jobs", {"jobs": [one] * 1001}, "/jobs")
        self.refused(422, "invalid", "POST", "/jobs", {"jobs": []}, "/jobs")
        self.assertEqual(self.api.queue(self.queue)["counts"]["queued"], 1000)

    def test_one_bad_job_spoils_them_all_and_is_named(self):
        jobs = [{"type": "t", "queue": self.queue} for _ in range(5)]
        for index, broken, field in ((3, {"priority": 2000}, "/jobs/3/priority"), (0, {"nope": 1}, "/jobs/0/nope"),
                                     (4, {"backoff": {"jitter": 9}}, "/jobs/4/backoff/jitter")):
            with self.subTest(index=index):
                bad = [dict(job) for job in jobs]
                bad[index].update(broken)
                self.refused(422, "invalid", "POST", "/jobs", {"jobs": bad}, field)
        self.assertEqual(self.api.jobs(queue=self.queue), [])

    def test_what_is_no_list_of_objects_is_invalid(self):
        for value in (5, {}, "x", None, [5], [[]], [None], [{"type": "t", "queue": self.queue}, 7]):
            with self.subTest(value=value):
                reply = self.api.call("POST", "/jobs", {"jobs": value})
                self.assertEqual((reply.status, reply.slug), (422, "invalid"), reply)
        self.refused(422, "invalid", "POST", "/jobs", {"jobs": [{"type": "t", "queue": self.queue}], "type": "t"})
        self.refused(422, "invalid", "POST", "/jobs", {"jobs": [{"type": "t", "queue": self.queue}], "queue": "x"})
        self.assertEqual(self.api.jobs(queue=self.queue), [])

    def test_a_traceparent_is_kept_with_each(self):
        body = {"jobs": [{"type": "t", "queue": self.queue}] * 2}
        made = self.api.expect(201, "POST", "/jobs", body, {"traceparent": TRACE}).json["jobs"]
        self.assertEqual([job["traceparent"] for job in made], [TRACE] * 2)

    def test_a_list_that_is_not_asked_for_is_never_dropped(self):
        body = json.dumps({"jobs": [{"type": "t"}], "jobs2": []}).encode()
        self.assertEqual(self.api.send("POST", "/jobs", body).status, 422)


if __name__ == "__main__":
    unittest.main()
