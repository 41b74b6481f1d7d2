"""The pages of the book say what there is: every option, every field, every link, and nothing that is not there."""

import itertools
import re
from pathlib import Path

import click
import pytest

from ci import docs
from maelstrom_admin.cli import commands as admin_commands
from maelstrom_core.layer_parse import LAYER_KINDS
from maelstrom_core.spec import Limits, PrefixOptions
from maelstrom_core.spec_parse import _JOB_NAMES, _MOUNT_FIELDS
from maelstrom_pytest.plugin import OPTIONS
from tests.support.book import blocks

BOOK = docs.BOOK
PAGES = {path.name: path.read_text() for path in sorted(BOOK.glob("*.md"))}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")

# options of other programs: of pytest and its plugins, and of what a page says to do outside
OTHERS = {
    *("--cov", "--cov-report", "--cov-fail-under", "--pdb", "--trace", "--setup-show", "--setup-only", "--setup-plan"),
    *("--user", "--scope", "--security-opt"),
    *("--exact", "--skip", "--ignored", "--include-ignored"),
    *("--system", "--create-home", "--now", "--raw-command"),
    *("--job-name", "--nodes", "--ntasks-per-node", "--exclusive", "--time", "--signal"),
}


def options(command: click.Command) -> set[str]:
    """Return all long options of a command."""
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {name for name in names if name.startswith("--")}


def section(page: str, title: str) -> str:
    """Return the text below a heading, up to the next one."""
    return re.split(r"^#+ ", PAGES[page].split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> set[str]:
    """Return what stands in backquotes in the first cells of tables."""
    return {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    }


def anchors(path: Path) -> set[str]:
    """Return what a link can name in a page."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_references_of_options_are_what_the_programs_say():
    assert docs.main(["--check"]) == 0


def test_another_reference_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(docs, "BOOK", tmp_path)
    assert docs.main(["--check"]) == 1
    written = capsys.readouterr().err
    assert all(
        f"options-{name}.md" in written for name in ("admin", "broker", "cargo", "go-test", "pytest", "run", "worker")
    )
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    page = tmp_path / "options-run.md"
    page.write_text(page.read_text().replace("--slots", "--slot"))
    assert docs.main(["--check"]) == 1


def test_every_option_that_a_page_names_exists():
    commands = (
        docs.pytest_command(),
        docs.run_command(),
        docs.broker_command(),
        docs.worker_command(),
        docs.cargo_command(),
        docs.go_test_command(),
        *admin_commands(),
    )
    known = OTHERS.union(*map(options, commands))
    known |= {"--help", "--maelstrom", *(f"--maelstrom-{name}" for name, *_ in OPTIONS)}
    named = {(name, option) for name, text in PAGES.items() for option in OPTION.findall(text)}
    assert len(named) > 100
    assert {pair for pair in named if pair[1] not in known} == set()


def test_options_of_other_programs_are_named_somewhere():
    everything = {option for text in PAGES.values() for option in OPTION.findall(text)}
    assert everything >= OTHERS


def test_every_field_of_a_job_is_in_its_reference():
    program, container = section("job-fields.md", "The program"), section("job-fields.md", "The container")
    fields = first_cells(program) | first_cells(container)
    assert fields == set(_JOB_NAMES[""])


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Layers", {*LAYER_KINDS, *PrefixOptions.__struct_fields__}),
        ("Mounts", {"type", *_JOB_NAMES["type"]}),
        ("Limits", set(Limits.__struct_fields__)),
    ],
)
def test_every_kind_of_a_job_s_parts_is_in_its_reference(title, names):
    assert first_cells(section("job-fields.md", title)) == names


def test_all_values_of_a_mount_are_in_their_reference():
    text = section("job-fields.md", "Mounts")
    assert {name for name in (*_MOUNT_FIELDS, *_JOB_NAMES["devices"]) if f"`{name}`" not in text} == set()


def test_every_page_is_in_the_contents_once():
    linked = re.findall(r"^- \[.*\]\((\S+)\)$", PAGES["index.md"], re.MULTILINE)
    assert sorted(name for name in linked if "/" not in name) == sorted(PAGES.keys() - {"index.md"})


def test_links_lead_to_pages_and_headings():
    wrong = []
    for name, text in PAGES.items():
        for link in LINK.findall(text):
            path, _, anchor = link.partition("#")
            if ":" in path:
                continue
            target = BOOK / path if path else BOOK / name
            if not target.is_file() or (anchor and anchor not in anchors(target)):
                wrong.append(f"{name}: {link}")
    assert wrong == []


def test_a_page_begins_with_its_only_title():
    for name, text in PAGES.items():
        lines = text.splitlines()
        start = next(line for line in lines if line and not line.startswith("<!--"))
        assert start.startswith("# "), name
        code = set(itertools.chain.from_iterable(block.text.splitlines() for block in blocks(text)))
        assert sum(line.startswith("# ") and line not in code for line in lines) == 1, name
