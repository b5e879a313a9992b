"""`Finding`: one problem in a data set, or something that deserves a look."""

from dataclasses import dataclass

LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One problem in a data set.

    level: "error" (certainly wrong, or unreadable), "warning" (needs a human look) or "note" (harmless).
    kind: a short slug, such as "outside". what: the problem; todo: what to do about it.
    file: the joints or clips file; line: its line number from 1, None for the whole file.
    image: the image's name in the file; joint: the joint's name; "" if there is none.
    """

    level: str
    kind: str
    what: str
    todo: str
    file: str = ""
    line: int | None = None
    image: str = ""
    joint: str = ""

    @property
    def where(self):
        """Line, image and joint, as far as known."""
        parts = [f"line {self.line}" if self.line else "", self.image, self.joint]
        return ", ".join(part for part in parts if part) or "whole file"

    @property
    def message(self):
        """File and line, the problem, and what to do."""
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.joint, f"{self.what}; {self.todo}") if part)


def raise_errors(findings, error):
    """Raises `error` with the messages of all findings of level "error", sorted by line, if there are any."""
    wrong = sorted((one for one in findings if one.level == "error"), key=lambda one: one.line or 0)
    if wrong:
        raise error([one.message for one in wrong])
