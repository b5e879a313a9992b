"""What is found in a data set: one `Finding` for each thing that is wrong or deserves a look."""

from dataclasses import dataclass

LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    level: "error" (surely wrong, or not readable), "warning" (a person should look) or "note" (harmless).
    kind: a short slug, such as "outside". what: what is the matter; todo: what to do about it.
    file: the joints or clips file; line: in it, from 1, None for the whole file.
    image: the image's name in the file, "" without one; joint: the joint's name, "" without one.
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
        """Line, image and joint, as far as the finding has them."""
        parts = [f"line {self.line}" if self.line else "", self.image, self.joint]
        return ", ".join(part for part in parts if part) or "whole file"

    @property
    def message(self):
        """File and line, what is the matter, and what to do."""
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.joint, f"{self.what}; {self.todo}") if part)


def raise_errors(findings, error):
    """Raises `error` with the messages of all findings of level "error", by line, if there are any."""
    wrong = sorted((one for one in findings if one.level == "error"), key=lambda one: one.line or 0)
    if wrong:
        raise error([one.message for one in wrong])
