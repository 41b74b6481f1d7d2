"""The broker's page in a real browser: it moves, complains of nothing, asks nobody else, and can be heard and typed.

MAELSTROM_SCREENS=docs/screens has it leave what it saw there.
"""

from __future__ import annotations

import os
from pathlib import Path

from maelstrom_core import messages as m
from maelstrom_core.wire import Greeted, Received
from tests.support.broker import Peer, Running, running
from tests.support.certificates import Authority
from tests.support.chromium import Page, page


def work(broker: Running, client: Peer, workers: list[Peer], rounds: range) -> None:
    """Have one job for each round ended, by each worker in its turn."""
    for sequence in rounds:
        client.say(m.Submit(sequence), b"job")
        worker = workers[sequence % len(workers)]
        while True:
            event = worker.next()
            assert isinstance(event, Received)
            if isinstance(event.message, m.Run):
                break
        worker.say(m.Started(event.message.attempt))
        worker.say(m.Ended(event.message.attempt))
        client.next()


def test_the_page_moves_while_jobs_run_and_complains_of_nothing(tmp_path: Path) -> None:
    with (
        running(tmp_path / "credentials.toml", "--http", "127.0.0.1:0") as broker,
        page(tmp_path / "profile") as browser,
        broker.client("laptop-9f3b2c") as client,
        broker.worker(slots=4, name="anvil <b>x</b>") as worker,
    ):
        assert isinstance(client.next(), Greeted)
        assert isinstance(worker.next(), Greeted)
        url = f"http://127.0.0.1:{broker.http}"
        browser.open(f"{url}/")
        assert browser.becomes("document.querySelector('[data-now=slots]').textContent === '4'")
        work(broker, client, [worker], range(3))
        assert browser.becomes("document.querySelector('[data-now=finished]').textContent === '3'")
        for sequence in range(10, 22):
            client.say(m.Submit(sequence), b"job")
        assert browser.becomes("document.querySelector('[data-now=used]').textContent === '4'")
        assert browser.becomes("document.querySelector('[data-now=queued]').textContent === '4'")
        assert browser.becomes("document.querySelectorAll('#jobs tbody tr').length === 12")
        # names are shown as they are, and not as markup
        assert browser.js("document.querySelector('#workers tbody th').textContent") == "anvil <b>x</b>"
        assert browser.becomes("[...document.querySelectorAll('#charts [role=img]')][0].ariaLabel.includes('in use 4')")
        _can_be_heard(browser)
        _can_be_typed(browser)
        screens = os.environ.get("MAELSTROM_SCREENS")
        browser.js("scrollTo(0, 0)")
        for dark in (False, True):
            picture = browser.look(dark=dark)
            assert picture.startswith(b"\x89PNG")
            if screens:
                Path(screens, f"broker-{'dark' if dark else 'light'}.png").write_bytes(picture)
        assert browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 26)"
        assert browser.complaints == []
        assert [request for request in browser.requests if not request.startswith(f"{url}/")] == []
        broker.process.terminate()
        assert browser.becomes("document.getElementById('connection').className === 'lost'")


def _can_be_heard(browser: Page) -> None:
    """Landmarks, tables with heads, and a status that is said when it changes."""
    names = browser.names()
    assert {"banner", "main", "contentinfo"} <= names.keys()
    assert {"Now", "History", "Workers", "Clients", "Jobs"} <= set(names["heading"])
    assert {"Name", "Slots", "Job", "State"} <= set(names["columnheader"])
    assert "anvil <b>x</b>" in names["rowheader"]
    assert any(name.startswith("Slots: in use 4") for name in names["image"])
    assert browser.js("document.getElementById('connection').getAttribute('aria-live')") == "polite"
    assert browser.js("[...document.querySelectorAll('input, select')].every((field) => field.labels.length)")


def _can_be_typed(browser: Page) -> None:
    """The keyboard reaches everything, in order, and does what a mouse does."""
    browser.press("Tab", 9)
    assert browser.js("document.activeElement.className") == "skip"
    browser.press("Tab", 9)
    assert browser.js("document.activeElement.name") == "level"
    browser.press("ArrowRight", 39)
    assert browser.js("document.activeElement.value") == "1"
    browser.press("ArrowLeft", 37)
    while browser.js("document.activeElement.tagName") != "BUTTON":
        browser.press("Tab", 9)
    browser.press("Enter", 13, "\r")
    assert browser.js("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"


def test_beyond_loopback_the_page_asks_for_a_token(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    arguments = ("--http", "0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key)
    with running(tmp_path / "credentials.toml", *arguments) as broker, page(tmp_path / "profile") as browser:
        browser.call("Security.setIgnoreCertificateErrors", ignore=True)
        browser.open(f"https://localhost:{broker.http}/")
        assert browser.becomes("document.getElementById('sign-in')?.hidden === false")
        browser.js("document.getElementById('token').focus()")
        browser.call("Input.insertText", text="wrong")
        browser.press("Enter", 13, "\r")
        assert browser.becomes("document.getElementById('connection').textContent === 'The token is wrong.'")
        browser.js("document.getElementById('token').focus()")
        browser.call("Input.insertText", text=broker.credentials.monitor)
        browser.press("Enter", 13, "\r")
        assert browser.becomes("document.getElementById('connection').textContent === 'Connected.'")
        assert browser.js("document.getElementById('sign-in').hidden")
        assert all("401" in complaint for complaint in browser.complaints)
