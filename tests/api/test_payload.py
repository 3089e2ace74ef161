# SPDX-License-Identifier: MIT
"""Payload and result come back as the very JSON that was sent."""
import unittest

from harness import ServerCase
from rawtext import raw_member

TEXTS = [
    '{}', 'null', '0', '-0', '"a"', '[]', 'false',
    '9007199254740993', '-123456789012345678901234567890', '1e400', '-1E-400', '1.10', '1.0e+2', '0.1000000000000000055',
    '{"z": 1, "a": 2, "m": {"b": 1, "B": 2, "a": 3}}', '{ "spaced" :  [ 1 , 2 ] }', '"\\u0000"', '{"\\u0000": "a\\u0000b"}',
    '"\\ud83d\\ude00"', '"\U0001F600 é \u2028"', '"\\/ \\b\\f\\n\\r\\t\\" \\\\"', '{"": ""}', '[[[[[[[[[[1]]]]]]]]]]',
    '{"jobs": [{"type": "x"}], "type": 5, "payload": {"payload": 1}}', '"</script><!--"',
]


class TheVeryText(ServerCase):
    def post(self, path, text, status):
        reply = self.api.send("POST", path, text.encode())
        self.assertEqual(reply.status, status, reply)
        return reply

    def test_a_payload_is_never_altered_by_any_endpoint(self):
        for text in TEXTS:
            with self.subTest(text=text):
                made = self.post("/jobs", f'{{"type": "t", "queue": "{self.queue}", "payload": {text}}}', 201)
                self.assertEqual(raw_member(made.text, "payload"), text)
                claimed = self.api.expect(200, "GET", f"/next-job?queue={self.queue}")
                self.assertEqual(raw_member(claimed.text, "payload"), text)
                shown = self.api.expect(200, "GET", f"/jobs/{made.json['id']}")
                self.assertEqual(raw_member(shown.text, "payload"), text)

    def test_a_result_is_never_altered_by_any_endpoint(self):
        for text in TEXTS:
            with self.subTest(text=text):
                job = self.started()
                body = f'{{"result": {text}, "version": {job["version"]}, "status": "succeeded"}}'
                done = self.post(f"/jobs/{job['id']}/complete", body, 200)
                self.assertEqual(raw_member(done.text, "result") or "null", text)
                shown = self.api.expect(200, "GET", f"/jobs/{job['id']}")
                self.assertEqual(raw_member(shown.text, "result") or "null", text)

    def test_a_payload_in_a_list_is_never_altered(self):
        for text in TEXTS:
            with self.subTest(text=text):
                reply = self.post("/jobs", f'{{"jobs":[{{"payload":{text},"type":"t","queue":"{self.queue}"}}]}}', 201)
                self.assertIn(text.encode(), reply.body)
                listed = self.api.expect(200, "GET", f"/jobs?queue={self.queue}&limit=1")
                self.assertIn(text.encode(), listed.body)

    def test_a_result_in_a_list_of_reports_is_never_altered(self):
        for text in TEXTS:
            with self.subTest(text=text):
                job = self.started()
                self.post("/jobs/complete", f'{{"completions": [{{"result": {text}, "status": "succeeded", '
                          f'"id": {job["id"]}, "version": {job["version"]}}}]}}', 200)
                shown = self.api.expect(200, "GET", f"/jobs/{job['id']}")
                self.assertEqual(raw_member(shown.text, "result") or "null", text)

    def test_payload_and_result_of_nearly_a_mebibyte_are_kept(self):
        text = '"' + "x" * (1024 * 1024 - 200) + '"'
        made = self.post("/jobs", f'{{"type": "t", "queue": "{self.queue}", "payload": {text}}}', 201).json
        job = self.claim()
        self.assertEqual((job["id"], len(job["payload"])), (made["id"], len(text) - 2))
        self.post(f"/jobs/{job['id']}/complete", f'{{"version": {job["version"]}, "status": "succeeded", "result": {text}}}', 200)
        self.assertEqual(len(self.api.job(job["id"])["result"]), len(text) - 2)

    def test_the_same_key_twice_inside_a_payload_is_the_senders_own_business_or_refused(self):
        reply = self.api.send("POST", "/jobs", f'{{"type": "t", "queue": "{self.queue}", "payload": {{"a": 1, "a": 2}}}}'.encode())
        self.assertIn(reply.status, (201, 422))
        if reply.status == 201:
            self.assertEqual(raw_member(reply.text, "payload"), '{"a": 1, "a": 2}')


if __name__ == "__main__":
    unittest.main()
