#!/usr/bin/env python3
"""Runs a command on a terminal and draws what stands there at its end as an SVG.

demo-svg.py --output FILE [--columns N] -- COMMAND...
demo-svg.py --output FILE --input CAPTURE          (a capture made by script(1) or --capture)
"""

import argparse
import fcntl
import html
import os
import pathlib
import pty
import re
import struct
import sys
import termios

PLAIN = ""
CLASSES = {1: "bold", 2: "dim", 31: "red", 32: "green", 33: "yellow", 34: "blue", 36: "cyan"}
COLOURS = {"bold": "#ffffff", "dim": "#8b949e", "red": "#ff7b72", "green": "#7ee787",
           "yellow": "#e3b341", "blue": "#79c0ff", "cyan": "#76e3ea"}
LINE, CHARACTER, MARGIN, TITLE = 18, 7.83, 16, 34

# One control sequence, one control character, or a run of text.
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[^\[]|([\r\n\b\t])|([^\x1b\r\n\b\t]+)")


class Screen:
    """As much of a terminal as progress bars and colours need. It never scrolls."""

    def __init__(self):
        self.lines = [[]]
        self.row = self.column = 0
        self.style = PLAIN

    def feed(self, text):
        for token in TOKEN.finditer(text):
            parameters, command, control, run = token.groups()
            if command:
                self.sequence(parameters, command)
            elif control:
                self.control(control)
            elif run:
                self.write(run)

    def write(self, run):
        line = self.lines[self.row]
        for character in run:
            if ord(character) < 32:
                continue
            line.extend([(" ", PLAIN)] * (self.column + 1 - len(line)))
            line[self.column] = (character, self.style)
            self.column += 1

    def control(self, control):
        if control == "\r":
            self.column = 0
        elif control == "\b":
            self.column = max(0, self.column - 1)
        elif control == "\t":
            self.column += 8 - self.column % 8
        else:
            self.down(1)
            self.column = 0

    def down(self, count):
        self.row += count
        while len(self.lines) <= self.row:
            self.lines.append([])

    def sequence(self, parameters, command):
        numbers = [int(number) for number in re.findall(r"\d+", parameters)]
        first = numbers[0] if numbers else 0
        line = self.lines[self.row]
        if command == "m":
            for number in numbers or [0]:
                self.style = CLASSES.get(number, PLAIN if number in (0, 22, 39) else self.style)
        elif command == "K":
            if first == 2:
                line.clear()
            else:
                del line[self.column:]
        elif command == "J":
            del line[self.column:]
            del self.lines[self.row + 1:]
        elif command == "A":
            self.row = max(0, self.row - max(1, first))
        elif command == "B":
            self.down(max(1, first))
        elif command == "C":
            self.column += max(1, first)
        elif command == "D":
            self.column = max(0, self.column - max(1, first))
        elif command == "G":
            self.column = max(0, first - 1)


def run(command, columns):
    """The output of `command` on a terminal of that width; it is shown while it comes."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    output = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the child has closed its side
            data = b""
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        output += data
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"demo-svg.py: {command[0]} failed, so there is nothing to draw")
    return output.decode("utf-8", "replace")


def shorten(text):
    """Paths as a reader would have them, wherever the clone lies."""
    root = str(pathlib.Path(__file__).resolve().parent.parent)
    return text.replace(root, "~/holdfast")


def spans(line):
    """Runs of characters of one style, as SVG."""
    out, index = [], 0
    while index < len(line):
        style = line[index][1]
        end = index
        while end < len(line) and line[end][1] == style:
            end += 1
        text = html.escape("".join(character for character, _ in line[index:end]), quote=False)
        out.append(f'<tspan class="{style}">{text}</tspan>' if style else text)
        index = end
    return "".join(out)


def trim(lines, limit):
    """Without empty lines at the ends, and not longer than `limit`: the middle is left out."""
    while lines and not any(character.strip() for character, _ in lines[-1]):
        lines.pop()
    while lines and not any(character.strip() for character, _ in lines[0]):
        lines.pop(0)
    if len(lines) > limit:
        gap = [(character, "dim") for character in f"... {len(lines) - limit + 1} lines ..."]
        lines = lines[: limit // 2] + [gap] + lines[len(lines) - (limit - limit // 2 - 1):]
    return lines


def draw(lines, title):
    width = round(2 * MARGIN + CHARACTER * max(60, max(len(line) for line in lines)))
    height = TITLE + LINE * len(lines) + MARGIN
    styles = "".join(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items())
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{html.escape(title)}">',
        "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',"
        f"monospace;fill:#e6edf3;white-space:pre}}{styles}.bold{{font-weight:bold}}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
        *(f'<circle cx="{20 + 18 * index}" cy="17" r="5.5" fill="{colour}"/>'
          for index, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))),
        f'<text x="{width / 2:g}" y="22" text-anchor="middle" class="dim">{html.escape(title)}</text>',
    ]
    for number, line in enumerate(lines):
        if line:
            baseline = TITLE + LINE * (number + 1) - 4
            out.append(f'<text x="{MARGIN}" y="{baseline}" xml:space="preserve">{spans(line)}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", required=True, help="the SVG to write")
    parser.add_argument("--title", default="make demo", help="the words above the picture")
    parser.add_argument("--columns", type=int, default=100, help="width of the terminal")
    parser.add_argument("--lines", type=int, default=80, help="leave out the middle beyond this")
    parser.add_argument("--input", help="draw this capture; run nothing")
    parser.add_argument("command", nargs="*", help="what to run")
    arguments = parser.parse_args()
    if bool(arguments.input) == bool(arguments.command):
        parser.error("give either --input or a command")
    if arguments.input:
        text = pathlib.Path(arguments.input).read_bytes().decode("utf-8", "replace")
    else:
        text = run(arguments.command, arguments.columns)
    screen = Screen()
    screen.feed(shorten(text))
    lines = trim(screen.lines, arguments.lines)
    if not lines:
        sys.exit("demo-svg.py: there was no output to draw")
    pathlib.Path(arguments.output).write_text(draw(lines, arguments.title), encoding="utf-8")


if __name__ == "__main__":
    main()
