"""JupyterLab and Notebook in a real browser: a server with a folder, and pages with a notebook."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil

PROJECT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
LAB, NOTEBOOK = "lab/tree", "notebooks"
PATIENCE = 60  # s


class Jupyter:
    """A Jupyter server whose root is `folder`; it serves both JupyterLab and Notebook."""

    def __init__(self, folder):
        self.folder, self.port = Path(folder), free_port()
        settings = self.folder / ".jupyter"
        news = settings / "lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
        news.parent.mkdir(parents=True)
        news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # no question in front of the page
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "JUPYTER_CONFIG_DIR": str(settings)}
        command = ["-m", "jupyterlab", "--allow-root", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}"]
        options = ["--IdentityProvider.token=t", f"--ServerApp.root_dir={folder}"]
        self.log = (self.folder / "jupyter.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, *command, *options], stdout=self.log, stderr=self.log, env=environment
        )
        self._wait()

    def _wait(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                return self.ask("api/status")
            except OSError:
                time.sleep(0.3)
        raise TimeoutError((self.folder / "jupyter.log").read_text()[-2000:])

    def ask(self, path):
        """The server's answer to a request, from JSON."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}?token=t", timeout=10) as answer:
            return json.load(answer)

    def write_notebook(self, name, *cells):
        """Writes a notebook with these code cells."""
        cells = [nbformat.v4.new_code_cell(source) for source in cells]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.folder / name)

    def open(self, page, name, kind=LAB):
        """Opens a notebook in a page, with kernel."""
        query = "?token=t&reset" if kind == LAB else "?token=t"
        page.goto(f"http://127.0.0.1:{self.port}/{kind}/{name}{query}")
        page.wait_for_selector(".jp-Notebook .cm-content", timeout=1000 * PATIENCE)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=1000 * PATIENCE)

    def kill_kernels(self):
        """Kills all kernels, as a crash would."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if any("ipykernel" in word for word in child.cmdline()):
                child.kill()

    def stop(self):
        for child in psutil.Process(self.process.pid).children(recursive=True):
            child.kill()
        self.process.terminate()
        self.process.wait()
        self.log.close()


def run_cell(page, index=0):
    """Runs a cell of the notebook that a page shows, until it is done; again where a kernel that starts forgot it."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(index)
    prompt = cell.locator(".jp-InputPrompt")
    before, end = prompt.inner_text(), time.monotonic() + 3 * PATIENCE
    while time.monotonic() < end:
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        for _ in range(20):
            if prompt.inner_text() != before:
                break
            page.wait_for_timeout(100)
        else:
            continue
        while "*" in prompt.inner_text() and time.monotonic() < end:
            page.wait_for_timeout(100)
        if any(letter.isdigit() for letter in prompt.inner_text()):
            return
    raise TimeoutError(f"the cell does not run: {cell.inner_text()[-2000:]}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
