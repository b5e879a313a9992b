"""The table of promises in README.md names existing tests."""

import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_each_test_that_proves_a_promise_exists():
    modules = {path.stem: path.read_text(encoding="utf-8") for path in TESTS.glob("test_*.py")}
    functions = {name for text in modules.values() for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    rows = re.findall(r"^\| .+ \| (.*`.*) \|$", (TESTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [part.strip() for row in rows for code in re.findall(r"`([^`]+)`", row) for part in code.split(":")]
    tests = [name for name in named if "test" in name or name.startswith("…")]
    tests = [name for name in tests if not re.search(r"[./]", name)]
    assert len(tests) > 50
    known = modules.keys() | functions
    assert [name for name in tests if not any(re.fullmatch(name.replace("…", r"\w*"), one) for one in known)] == []
