"""The page in a real browser: nothing fails, nothing is fetched, and a click on a head sorts the table.

A script that is added to a copy of the page clicks and writes down what it sees; the browser hands back the result.
"""

import hashlib
import html
import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from report.samples import everything

from ffnn.report.html import write_html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to open the page in")

PROBE = """
const seen = {problems: window.problems, title: document.title, orders: [], sorted: []};
const column = (table, at) => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent);
const table = document.querySelector("table.sortable");
for (const [head, times] of [[1, 1], [1, 2], [0, 1]]) {
  for (let n = 0; n < (times === 2 ? 1 : times); n++) table.tHead.rows[0].cells[head].querySelector("button").click();
  seen.orders.push(column(table, 0).map((text) => text.slice(0, 8)));
  seen.sorted.push(table.tHead.rows[0].cells[head].getAttribute("aria-sort"));
}
seen.images = [...document.images].map((image) => image.complete && image.naturalWidth > 0);
seen.requests = performance.getEntriesByType("resource").map((entry) => entry.name)
  .filter((name) => !name.startsWith("data:"));
seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
seen.back = getComputedStyle(document.body).backgroundColor;
const result = document.createElement("pre");
result.id = "seen";
result.textContent = JSON.stringify(seen);
document.body.append(result);
"""
WATCH = """
window.problems = [];
window.addEventListener("error", (event) => window.problems.push(event.message || "a resource failed"), true);
window.addEventListener("securitypolicyviolation", (event) => window.problems.push(event.violatedDirective));
"""


def allowed(script: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def look(page: str, folder: Path, *options: str) -> tuple[dict[str, object], str]:
    """What the probe saw, and what the browser wrote to its console."""
    page = page.replace("script-src ", f"script-src {allowed(WATCH)} {allowed(PROBE)} ")
    page = page.replace("<style>", f"<script>{WATCH}</script><style>", 1)
    page = page.replace("</body>", f"<script>{PROBE}</script></body>")
    (folder / "probed.html").write_text(page)
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", *options, "--dump-dom",
         (folder / "probed.html").as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    (found,) = re.findall(r'<pre id="seen">(.*?)</pre>', done.stdout)
    return json.loads(html.unescape(found)), "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    write_html(everything(folder), folder / "page.html")
    return (folder / "page.html").read_text()


def test_the_page_works_in_a_browser_and_asks_for_nothing(page: str, tmp_path: Path) -> None:
    seen, console = look(page, tmp_path)
    assert console == ""
    assert seen["problems"] == []
    assert seen["requests"] == []
    assert seen["images"] == [True, True, True]
    assert str(seen["title"]).startswith("Title <script>"), "no script of the data has run"
    assert seen["sorted"] == ["descending", "ascending", "ascending"]
    # By numbers, not letters: 10, 2, 9e-05; what is unknown stands last both times. Then by words.
    assert seen["orders"] == [
        ["ten", "two", "<script>", "unknown"],
        ["<script>", "two", "ten", "unknown"],
        ["<script>", "ten", "two", "unknown"],
    ]
    assert seen["back"] == "rgb(255, 255, 255)"


def test_the_page_fits_a_small_window_and_is_dark_where_that_is_wished(page: str, tmp_path: Path) -> None:
    seen, console = look(page, tmp_path, "--window-size=500,800", "--blink-settings=preferredColorScheme=0")
    assert console == ""
    assert seen["wide"] == 0
    assert seen["back"] == "rgb(20, 23, 26)"
