"""Lines a program wrote or reads: code, what stands after a prompt, logs, tracebacks, tables of figures."""

from __future__ import annotations

import re

MIN_CODE_LINES = 4
MAX_CHARACTERS = 400
"""Of a line longer than that the beginning is looked at: patterns may take time in the square of a line's length."""

_FENCE = "```"
_PROMPT = (
    r"\s{0,8}(?:>{1,3} ?|\$ |% |mysql> |In \[\d+\]: )\S.*(?:[(){}\[\]=<$\\/|_]| --?\w)"
    r"|\s{0,8}[\w.-]{1,30}(?:@| at )[\w.-]{1,40}:\S{0,80}\s?[$#]|\s{0,8}\(?\w*\)?\s?root@"
)
_OUTPUT = (
    r"\s*\[\d*,?\d*\](?:\s|$)|\s*(?:E|W|N|D|I|WARNING|ERROR|INFO|DEBUG):\s|\s*(?:Err|Hit|Get|Ign)(?::\d+)?\s+\S+:/|"
    r"\s*(?:Traceback \(|File \".*\", line \d|at [\w.$<>]+\(|Caused by:|Error(?: in |:)|Warning messages?:|Calls:|"
    r"Execution halted|make(?:\[\d+\])?:|g(?:cc|\+\+|fortran)(?:-[\d.]+)?\s-|dpkg(?:-\w+)?:|gpg:|apt:|sh:|deb(?:-src)? \S+:/|"
    r"ii\s\s|\*{1,2} (?:installing|DONE|removing|testing|R$|libs|inst|byte-compile|preparing|building|help|data)|"
    r"checking \S.*\.\.\.|"
    r"(?:Reading|Building|Unpacking|Selecting|Setting up|Processing triggers|Preparing to)\b.*(?:\.\.\.|\))|"
    r"(?:attached base packages|other attached packages|loaded via a namespace|locale|Platform|Matrix products):|"
    r"LC_\w+=|-[WDLlIfO]\w\S*\s-\S|configure:|R version \d|The downloaded)"
)
_CODE = (
    r"\s*[\w.$\[\]\"']{1,40}\s*(?:<-|:=|[-+*/]?=(?=\S|\s[\"'\d(\[{]|\s\w+[(\[]))\s*\S|"
    r".*(?:[{}]|\);|=.*;|\\|&&|\|\|)\s*$|"
    r"\s*(?:import \w|from \S+ import |def \w+\(|class \w+[(:]|return\b.*[()=]|#include|library\(|require\(|function\s?\(|"
    r"(?:sudo|apt|apt-get|aptitude|git|pip|docker|wget|curl|chmod|cd|R CMD|./configure)\s+[-\w./~:]+)|"
    r"\s*(?:<!--|</[a-z]\w*>|<[a-z]\w*\s[\w-]+=)|\s*[\w.:]+\([^()]*[=,\"'][^()]*\)\s*$"
)
_COLUMNS = r"\s{0,40}\S.{0,60}\S {3,}\S.{0,60}\S {3,}\S|\s*(?:[-+]?\d[\d.,e+-]*\s+){3,}|\s*(?:[-=+|~^ ]{6,})$"
_PATHS = r"\s*(?:/[\w.+-]+){2,}\S*|\s*(?!<?https?:)(?:[^\s/]*/){3,}\S*\s*$"
_LINE = re.compile("|".join((_PROMPT, _OUTPUT, _CODE, _COLUMNS, _PATHS)))
_INDENTED = re.compile(r"(?: {4,}|\t).*(?:[{}\[\]=$\\|_]|\w\()")


def is_program_line(line: str) -> bool:
    """Whether a line looks like code, a command, or what a program printed."""
    line = line[:MAX_CHARACTERS]
    return _LINE.match(line) is not None or _INDENTED.match(line) is not None


def is_mostly_program_text(text: str) -> bool:
    """Whether more than half of the characters of `text` stand in lines of code or output, four lines at least.

    Lines between two ``` count whatever they look like.
    """
    code = others = lines = 0
    fenced = False
    for line in text.split("\n"):
        size = len(line.strip())
        if line.lstrip().startswith(_FENCE):
            fenced = not fenced
        elif fenced or is_program_line(line):
            code += size
            lines += size > 0
        else:
            others += size
    return lines >= MIN_CODE_LINES and code > others
