"""`Report`: the findings of a check as text, as an HTML table for notebooks, as JSON, and as figures."""

import html
import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pose.runtime.errors import DataError, ExistsError
from pose.runtime.files import printable, read_bytes, write_atomically
from pose.runtime.findings import LEVELS

ROWS_PER_KIND = 5


@dataclass
class Report:
    """The findings about a data set, the most serious kinds first.

    findings: list of `Finding`. tables: the parsed joints files, a `Table` each, for the figures.
    """

    findings: list
    tables: list = field(default_factory=list, repr=False)

    def __post_init__(self):
        self.findings = sorted(self.findings, key=lambda one: (LEVELS.index(one.level), one.kind, one.file))

    @property
    def errors(self):
        """The findings of level "error"."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def ok(self):
        """Whether there are no errors."""
        return not self.errors

    def __repr__(self):
        return f"Report({self.summary})"

    @property
    def summary(self):
        """One line: how many images, errors, warnings and notes."""
        images = ", ".join(f"{Path(table.file).name}: {_plural(len(table), 'image')}" for table in self.tables)
        count = Counter(finding.level for finding in self.findings)
        found = ", ".join(_plural(count[level], level) for level in LEVELS)
        return printable(f"{images}; {found}" if images else found)

    def __str__(self):
        lines = []
        for (level, kind, file), findings in self._groups().items():
            lines.append(f"{level.upper()} {kind} ({len(findings)}) in {Path(file).name}")
            lines += [f"    {one.where}: {one.what}; {one.todo}" for one in findings[:ROWS_PER_KIND]]
            if len(findings) > ROWS_PER_KIND:
                lines.append(f"    … and {len(findings) - ROWS_PER_KIND:,} more")
        return "\n".join([*map(printable, lines), self.summary])

    def _repr_html_(self):
        rows = []
        for (level, kind, file), findings in self._groups().items():
            for one in findings[:ROWS_PER_KIND]:
                rows.append([level, kind, Path(file).name, one.where, one.what, one.todo])
            if len(findings) > ROWS_PER_KIND:
                rows.append([level, kind, Path(file).name, f"… and {len(findings) - ROWS_PER_KIND:,} more", "", ""])
        head = "".join(f"<th>{title}</th>" for title in ("level", "kind", "file", "where", "what", "what to do"))
        body = "".join("<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        if not rows:
            return f"<p>Nothing found. {_escaped(self.summary)}</p>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{_escaped(self.summary)}</p>"

    def _groups(self):
        """{(level, kind, file): findings}, in the order of the findings."""
        groups = defaultdict(list)
        for finding in self.findings:
            groups[finding.level, finding.kind, finding.file].append(finding)
        return groups

    def write_without_errors(self, joints_txt):
        """Writes a copy of the first joints file without the lines that have errors; returns how many were left out.

        clips.csv stays as it is: a clip that begins or ends with a dropped line needs another first or last image.
        Raises DataError if an error concerns the whole file, ExistsError if `joints_txt` already exists.
        """
        if Path(joints_txt).exists():
            raise ExistsError(f"{joints_txt} already exists; choose another name")
        file = self.tables[0].file
        wrong = {one.line for one in self.errors if one.file == file}
        if None in wrong:
            raise DataError(f"{file}: an error concerns the whole file; fix it first")
        lines = read_bytes(file, "joints file").splitlines(keepends=True)
        write_atomically(
            joints_txt, b"".join(line for number, line in enumerate(lines, start=1) if number not in wrong)
        )
        return len(wrong)

    def write_json(self, path):
        """Writes all findings, their counts by level and kind, and the files with their numbers of images, as ASCII
        JSON.

        A name that is not UTF-8 has its bytes as \\udc80 … \\udcff, as Python's `os.fsdecode` gives them.
        """
        levels = Counter(finding.level for finding in self.findings)
        kinds = Counter(f"{finding.level} {finding.kind}" for finding in self.findings)
        content = {
            "ok": self.ok,
            "counts": {level: levels[level] for level in LEVELS},
            "counts_by_kind": kinds,
            "files": [
                {"file": table.file, "lines": len(table), "images_read": int(table.known.sum())}
                for table in self.tables
            ],
            "findings": [asdict(finding) for finding in self.findings],
        }
        write_atomically(path, json.dumps(content, indent=1))

    def plot_summary(self):
        """Findings by kind and level, labels per joint, where and how large the people are. Returns the figure."""
        from pose.check.figures import plot_summary

        return plot_summary(self)

    def plot_worst(self, count=12):
        """The images with the most serious findings, at most `count`, with their labels. Returns the figure."""
        from pose.check.figures import plot_worst

        return plot_worst(self, count)


def _plural(number, noun):
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _escaped(text):
    return html.escape(printable(text))
