"""The blocks of the pages for users, and the history that they speak of."""
import json
import re
from dataclasses import dataclass
from pathlib import Path

from wire import graphql

ROOT = Path(__file__).parent.parent.parent
# Where the pages have the server.
ADDRESS = "http://127.0.0.1:8181"
REAL_CLIENTS = ("docs/clients.md", "docs/pytest.md")
PYTEST = ("pytest ", "pip install ")


@dataclass
class Block:
    page: str
    line: int
    section: str
    language: str
    file: str | None
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"

    def commands(self):
        """One for each line that does not continue the one before."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]

    def is_for_real_clients(self):
        """As tests/documentation/mod.rs has it, which runs the others."""
        return self.page in REAL_CLIENTS or any(line.startswith(PYTEST) for line in self.commands())


def blocks(page):
    found, section, text = [], "", None
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        if line.startswith("```") and text is None:
            language, file, *_ = [*line[3:].split(), "", ""]
            text, begin = [], (number, language, file or None)
        elif line.startswith("```"):
            found.append(Block(page, begin[0], section, begin[1], begin[2], "\n".join(text) + "\n"))
            text = None
        elif text is not None:
            text.append(line)
        elif heading := re.match(r"#+ (.+)", line):
            section = heading[1]
    return found


def tables(page, section):
    """The cells of the rows of a section's tables, headings and rules left out."""
    text = (ROOT / page).read_text().split(f"# {section}\n", 1)[1].split("\n#", 1)[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    rules = [number for number, row in enumerate(rows) if set("".join(row)) <= {"-"}]
    return [[cell.strip() for cell in row] for number, row in enumerate(rows) if not {number, number + 1} & set(rules)]


def seed(url):
    history = json.loads((ROOT / "tests" / "data" / "documented.json").read_text())
    inputs = [
        *(("announceContext", "AnnounceContextInput", each) for each in history["contexts"]),
        *(("announceSession", "AnnounceSessionInput", each) for each in history["sessions"]),
        ("recordMetrics", "RecordMetricsInput", {"metrics": history["metrics"]}),
    ]
    for field, kind, given in inputs:
        query = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ userErrors {{ message }} }} }}"
        errors = graphql(url, query, {"input": given})[field]["userErrors"]
        if errors:
            raise RuntimeError(f"{field}: {errors}")
