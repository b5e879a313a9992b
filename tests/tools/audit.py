"""Reports known vulnerabilities in the packages of this environment, using pip-audit.

    pip install pip-audit
    python tests/tools/audit.py

Exits 1 if a package has one that a newer version fixes. If pip-audit is not installed, or its service cannot be reached
or knows none of the packages, nothing is known: it says so and exits 0.
"""

import json
import subprocess
import sys
from importlib.util import find_spec

SECONDS = 60


def main():
    if find_spec("pip_audit") is None:
        print("skipped: pip-audit is not installed; pip install pip-audit")
        return 0
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"skipped: no answer in {SECONDS} seconds")
        return 0
    except ValueError:  # nothing but messages
        print(f"skipped: {(done.stderr.strip().splitlines() or ['pip-audit gave no answer'])[-1]}")
        return 0
    known = [package for package in packages if "vulns" in package]
    if not known:
        print(f"skipped: the service knows none of the {len(packages)} packages")
        return 0
    return report(known, len(packages))


def report(known, installed):
    """Prints the vulnerabilities of packages as pip-audit describes them; 1 if one can be fixed, else 0."""
    fixable = 0
    for package in known:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"])
            fixable += bool(fixed)
            names = " ".join([found["id"], *found.get("aliases", [])])
            cure = f"fixed in {fixed}" if fixed else "not fixed yet"
            print(f"{package['name']} {package['version']}: {names}; {cure}")
    print(f"{len(known)} of {installed} packages looked up; vulnerabilities that a newer version fixes: {fixable}")
    return int(fixable > 0)


if __name__ == "__main__":
    sys.exit(main())
