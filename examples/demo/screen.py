# SPDX-License-Identifier: MIT
"""What the demo shows: events as lines, progress as one line that is drawn again and again on a terminal, tables."""
import os
import shutil
import sys
import time

BAR = 24
ROOM_MIN = 40  # columns that the last column of a table needs beside the others


class Screen:
    def __init__(self):
        self.terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.colors = self.terminal and not os.environ.get("NO_COLOR")
        self.started = time.monotonic()
        self.drawn = ""
        self.last = (0.0, "")

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colors else text

    def bold(self, text):
        return self.paint("1", text)

    def dim(self, text):
        return self.paint("2", text)

    def good(self, text):
        return self.paint("32", text)

    def bad(self, text):
        return self.paint("31", text)

    def clear(self):
        if self.drawn:
            sys.stdout.write("\r\033[K")
            self.drawn = ""

    def line(self, text=""):
        self.clear()
        print(text, flush=True)

    def title(self, text):
        self.line("\n" + self.bold(text))

    def event(self, text):
        self.line(self.dim(f"{time.monotonic() - self.started:6.1f} s  ") + text)

    def progress(self, done, total, counts):
        """counts: what is not done, as (number, word)."""
        filled = BAR * done // max(total, 1)
        rest = ", ".join(f"{number} {word}" for number, word in counts if number)
        text = f"[{'#' * filled}{'.' * (BAR - filled)}] {done} of {total} jobs done" + (f"; {rest}" if rest else "")
        if self.terminal:
            text = f"{time.monotonic() - self.started:6.1f} s  {text}"[:shutil.get_terminal_size().columns - 1]
            sys.stdout.write("\r\033[K" + text)
            sys.stdout.flush()
            self.drawn = text
        elif text != self.last[1] and time.monotonic() - self.last[0] >= 1:
            self.last = (time.monotonic(), text)
            self.event(text)

    def table(self, head, rows):
        """Rows of texts; a text may be (text, painter). The last column is not padded but wrapped, and stands below the others
        where the terminal is narrow."""
        plain = [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in [head, *rows]]
        widths = [max(len(row[i]) for row in plain) for i in range(len(head) - 1)]
        columns = min(shutil.get_terminal_size((120, 24)).columns, 150)
        before = sum(widths) + 2 * len(widths)
        below = columns - before < ROOM_MIN
        if below:
            before = 4
        for number, row in enumerate([head, *rows]):
            cells = []
            for i, width in enumerate(widths):
                text = plain[number][i].ljust(width)
                cells.append(text if isinstance(row[i], str) else row[i][1](text))
            parts = wrap(plain[number][-1], max(ROOM_MIN, columns - before - 1))
            first = "  ".join(cells if below else [*cells, parts.pop(0)]).rstrip()
            self.line(self.bold(first) if number == 0 else first)
            for part in parts if number > 0 or not below else []:
                self.line(" " * before + part)


def wrap(text, room):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines
