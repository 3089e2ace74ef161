# SPDX-License-Identifier: MIT
"""The pages at /docs, in a real browser: they show all there is, can be used by keyboard and by ear, and reach nothing but the server."""
import json
import re
import shutil
import subprocess
import unittest
import urllib.request

import tools
from browser import CHROMIUM, DRIVER, ELEMENT, Browser
from harness import ServerCase
from waiting import wait_until

CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const paper = (node) => { for (; node; node = node.parentElement) { const c = rgb(getComputedStyle(node).backgroundColor); if (c[3] !== 0) return c; } };
return [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility() && [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
    .map((node) => { const a = light(rgb(getComputedStyle(node).color)), b = light(paper(node));
        return [node.tagName + "." + node.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; }).filter(([, ratio]) => ratio < 4.5);
"""


class ThePages(ServerCase):
    dark = False

    def setUp(self):
        super().setUp()
        self.document = self.api.get("/openapi.json").json
        self.browser = Browser(self.dark)
        self.addCleanup(self.browser.close)
        self.browser.open(self.server.url + "/docs")
        wait_until(lambda: self.browser.run("return document.querySelectorAll('#index a').length"), what="the list of operations")

    def tearDown(self):
        # That an answer was a 422 is said there too; the test that asks for one knows.
        self.assertEqual([line for line in self.browser.complaints() if "status of 422" not in line], [])

    def open_trial(self, operation):
        self.browser.run("for (const box of document.querySelectorAll(`#${arguments[0]} details`)) box.open = true", operation)
        wait_until(lambda: self.browser.run("return !!document.querySelector(`#${arguments[0]} form`)", operation), what="the form")

    def answer(self, operation, status):
        text = f"return document.querySelector('#{operation} .answer').textContent"
        return wait_until(lambda: (shown := self.browser.run(text)).startswith(str(status)) and shown, what=f"an answer with {status}")

    def test_every_operation_is_there(self):
        shown = self.browser.run("return [...document.querySelectorAll('section.operation')].map((one) => one.id)")
        wanted = [item[method]["operationId"] for item in self.document["paths"].values() for method in item if method != "parameters"]
        self.assertEqual(sorted(shown), sorted(wanted))

    def test_a_job_is_enqueued_by_keyboard_alone(self):
        browser = self.browser
        browser.press("tab")
        self.assertEqual(browser.run("return document.activeElement.className"), "skip")
        browser.press("enter")
        self.assertEqual(browser.run("return document.activeElement.id"), "main")
        for _ in range(200):
            browser.press("tab")
            if browser.run("return document.activeElement.matches('#enqueueJobs > details:last-of-type > summary')"):
                break
        browser.press("enter")
        wait_until(lambda: browser.run("return !!document.querySelector('#enqueueJobs form')"), what="the form")
        for _ in range(20):
            browser.press("tab")
            if browser.run("return document.activeElement.tagName") == "TEXTAREA":
                break
        browser.run("document.activeElement.select()")
        browser.press(*json.dumps({"type": "t", "queue": self.queue, "payload": 2**60 + 1}))
        browser.press("tab", "enter")
        self.assertIn(f'"payload": {2**60 + 1}', self.answer("enqueueJobs", 201))
        self.assertEqual([job["type"] for job in self.api.jobs(queue=self.queue)], ["t"])

    def test_the_curl_line_does_the_same(self):
        self.open_trial("enqueueJobs")
        self.browser.type("#enqueueJobs textarea", json.dumps({"type": "t", "queue": self.queue, "payload": "it's $HOME `x` \\"}))
        line = self.browser.run("return document.querySelector('#enqueueJobs .curl').textContent")
        if not shutil.which("curl"):
            self.skipTest("there is no curl")
        made = json.loads(subprocess.run(["sh", "-c", line], check=True, capture_output=True, text=True, timeout=60).stdout)
        self.assertEqual((made["payload"], made["queue"]), ("it's $HOME `x` \\", self.queue))

    def test_parameters_go_where_they_belong(self):
        job = self.enqueue()
        self.open_trial("getJob")
        self.browser.type("#getJob input", str(job["id"]))
        self.browser.click("#getJob button.send")
        self.assertIn(self.queue, self.answer("getJob", 200))
        self.open_trial("claimJobs")
        self.browser.type("#claimJobs input", self.queue)
        self.browser.click("#claimJobs button.send")
        self.assertIn('"state": "running"', self.answer("claimJobs", 200))
        self.open_trial("listJobs")
        self.browser.type("#listJobs .field:nth-of-type(8) input", "5000")
        self.browser.click("#listJobs button.send")
        self.assertIn("urn:taskq:problem:invalid", self.answer("listJobs", 422))

    def test_the_token_goes_with_the_request_and_not_into_the_curl_line(self):
        self.open_trial("listQueues")
        self.browser.run("window.sent = []; const before = fetch; window.fetch = (url, init) => { sent.push(init.headers); return before(url, init); }")
        self.browser.type("#token", "s3cret")
        self.browser.click("#listQueues button.send")
        self.answer("listQueues", 200)
        self.assertEqual(self.browser.run("return sent"), [{"Authorization": "Bearer s3cret"}])
        line = self.browser.run("return document.querySelector('#listQueues .curl').textContent")
        self.assertIn("Bearer $TASKQ_TOKEN", line)
        self.assertNotIn("s3cret", line)

    def test_the_filter_finds(self):
        self.browser.type("#filter", "heartbeat")
        self.assertEqual(self.browser.run("return [...document.querySelectorAll('section.operation:not([hidden])')].map((one) => one.id).sort()"),
                         ["heartbeatJob", "heartbeatJobs"])
        self.assertEqual(self.browser.run("return document.getElementById('count').textContent"), "2 operations")

    def test_everything_has_a_name_for_those_who_listen(self):
        for operation in ("enqueueJobs", "listJobs", "completeJob"):
            self.open_trial(operation)
        self.assertEqual(self.browser.run("return ['header', 'nav', 'main', 'h1'].map((tag) => document.querySelectorAll(tag).length)"), [1, 1, 1, 1])
        self.assertEqual(self.browser.run("return document.documentElement.lang"), "en")
        self.assertTrue(self.browser.run("const all = [...document.querySelectorAll('[id]')].map((one) => one.id); return new Set(all).size === all.length"))
        fields = self.browser.run("return [...document.querySelectorAll('input, textarea, select, button, summary, a, nav')]"
                                  ".filter((one) => one.checkVisibility())")
        self.assertGreater(len(fields), 60)
        for field in fields:
            name = self.browser.call("GET", f"/element/{field[ELEMENT]}/computedlabel")
            self.assertTrue(name.strip(), self.browser.run("return arguments[0].outerHTML", field))
        levels = self.browser.run("return [...document.querySelectorAll('h1, h2, h3')].filter((one) => one.closest('main, header')).map((one) => +one.tagName[1])")
        self.assertTrue(all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels)

    def test_what_is_written_can_be_read(self):
        self.assertEqual(self.browser.run("return matchMedia('(prefers-color-scheme: dark)').matches"), self.dark)
        self.open_trial("enqueueJobs")
        self.browser.click("#enqueueJobs button.send")
        self.answer("enqueueJobs", 201)
        self.assertEqual(self.browser.run(CONTRAST), [])
        self.assertFalse(self.browser.run("return document.documentElement.scrollWidth > innerWidth"))


class ThePagesInTheDark(ThePages):
    dark = True


# The theme changes colours alone: one test of each kind is enough in the dark.
for name in [name for name in dir(ThePages) if name.startswith("test_") and name != "test_what_is_written_can_be_read"]:
    setattr(ThePagesInTheDark, name, None)


class WithoutABrowser(ServerCase):
    def fetch(self, path):
        with urllib.request.urlopen(self.server.url + path) as answer:
            return answer.headers, answer.read().decode()

    def test_a_strict_policy_stands_over_the_page(self):
        headers, page = self.fetch("/docs")
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        policy = headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertNotRegex(policy, "unsafe|https?:|data:|\\*")
        self.assertNotRegex(page, r"<script(?![^>]* src=)|<style| on[a-z]+=|style=|javascript:")

    def test_nothing_comes_from_elsewhere(self):
        for path, kind in (("/docs", "text/html"), ("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript")):
            headers, text = self.fetch(path)
            self.assertTrue(headers["Content-Type"].startswith(kind), path)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(re.findall(r"https?://[^\s\"')]+", text), [], path)

    def test_it_is_small(self):
        self.assertLess(sum(len(self.fetch(path)[1]) for path in ("/docs", "/docs/docs.css", "/docs/docs.js")), 32768)


if not (CHROMIUM and DRIVER):
    tools.without(ThePages, ThePagesInTheDark, reason="chromium and chromium-driver are not installed: ./dev tools")

if __name__ == "__main__":
    unittest.main()
