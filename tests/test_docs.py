"""What the documentation shows is what happens: links, command lines, examples and tables."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner

from aslive.gadgets.limits.profile import profile_of
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.chain import Timing
from aslive.streaming.cli import main
from aslive.streaming.config import addressed, build, converted, listed_recipe, named_recipe, read_settings, xml_recipe
from aslive.streaming.gadget import Gadget
from aslive.streaming.header import read_header
from aslive.streaming.messages import ConfigFile, Text
from aslive.streaming.notices import Measure
from aslive.streaming.perfusion import MapName
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.sinks.bids_names import NAMES
from aslive.streaming.sinks.reply import SERIES, Reply
from aslive.streaming.worker import summary

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
EXAMPLE = DOCS / "how-to" / "example-gadget"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES_OF_PAGES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_SOURCES = [*(ROOT / "gadgets").rglob("*.py"), *(ROOT / "streaming").rglob("*.py")]
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_EMPTY_HEADER = '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"/>'
_QUOTING = (
    "reconstruct-a-readout.md",
    "measure-noise-once.md",
    "measure-several-delays.md",
    "subtract-complex-images.md",
)
"""How-tos with a table of what the server says."""
_OUTPUTS = {"Units", "readouts"}
"""Keys that only what aslive writes has; such examples are no settings."""


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Give every fenced block in one of the languages, with the name of its page."""
    for name, page in zip(NAMES_OF_PAGES, PAGES, strict=True):
        for language, text in _FENCE.findall(page.read_text()):
            if language in languages:
                yield name, text


def command_lines() -> list[tuple[str, str]]:
    """Give every ``aslive ...`` command line of the documentation, with its page."""
    return [
        (page, command.strip())
        for page, text in blocks("bash", "sh", "console")
        for line in text.replace("\\\n", " ").splitlines()
        for command in re.split(r"&&|[|;]", line)
        if command.strip().startswith("aslive ")
    ]


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings_examples() -> list[Any]:  # Any: pytest's parameter sets
    """Give the JSON examples that are meant for aslive."""
    found = [(page, json.loads(text)) for page, text in blocks("json")]
    return [pytest.param(example, id=page) for page, example in found if not _OUTPUTS & set(example)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Install the example gadget, as pip would: its module on the path, its entry point in a dist-info."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    information = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (information / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLE)
    return Registry([EXAMPLE / "chains"])


# Links


@pytest.mark.parametrize("page", PAGES, ids=NAMES_OF_PAGES)
def test_every_relative_link_resolves(page):
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        inside = file.is_relative_to(ROOT)
        if not inside or not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_index():
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall((DOCS / "index.md").read_text())}
    pages = {page.resolve() for page in DOCS.rglob("*.md") if page.name != "index.md"}
    assert pages <= listed


# Command lines


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_can_be_typed(page, line):
    words = shlex.split(line, comments=True)[1:]
    command = main if words[0].startswith("-") else _command(words.pop(0))
    if words in (["--help"], ["--version"]):
        return
    context = click.Context(command, info_name="aslive")
    values, rest, _ = command.make_parser(context).parse_args(words)
    assert not rest
    for parameter in command.params:
        value = values.get(parameter.name)
        given = parameter.name in values and value is not None and value.__class__.__name__ != "Sentinel"
        assert given or not parameter.required, f"{parameter.name} is missing"
        if given and not _about_files(parameter):  # files need not be there
            parameter.type_cast_value(context, value)


def test_the_documentation_has_command_lines_for_every_command():
    shown = {shlex.split(line)[1] for _, line in command_lines()}
    assert set(main.list_commands(click.Context(main))) <= shown


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_and_option_stands_in_the_reference(name):
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0
    section = (REFERENCE / "command-line.md").read_text().partition(f"## aslive {name}\n")[2].partition("\n## ")[0]
    options = {option for parameter in _command(name).params if _optional(parameter) for option in parameter.opts}
    documented = set(re.findall(r"`(--?[a-z0-9-]+)[ `]", section))
    assert options - {"--help", "-h"} <= documented
    assert documented - {"--no-nul", "--help"} <= options


def _command(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"there is no command {name}"
    return command


def _about_files(parameter: click.Parameter) -> bool:
    return isinstance(parameter.type, click.Path)


def _optional(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option)


# Examples


@pytest.mark.parametrize("example", settings_examples())
def test_every_settings_example_is_understood(example, site):
    settings = read_settings(json.dumps(example)) or {}
    if "chain" in settings:
        build(listed_recipe(settings["chain"]), site, settings)
        return
    recipe = named_recipe("asl", site)
    assert recipe
    build(recipe, site, settings)
    converted("reply", Reply.parameters(), addressed("reply", settings))
    refused = [note for note in read_header(_EMPTY_HEADER, settings).notes if "not used" in note]
    assert not refused
    gadgets = {step.name for step in recipe.steps} | {"reply"}
    strangers = {key.partition(".")[0] for key in settings if key[0].islower()} - gadgets
    assert strangers <= {"rule", "override", "parameters", "labeling", "asl", "aslcontext", "chain"}


@pytest.mark.parametrize(("page", "text"), list(blocks("xml")))
def test_every_xml_example_is_understood(page, text, site):
    root = ElementTree.fromstring(text.encode())  # noqa: S314  (our own pages)
    tag = root.tag.rpartition("}")[2]
    if tag == "ismrmrdHeader":
        scan = read_header(text)
        assert scan.labeling.context
        assert not [note for note in scan.notes if "not used" in note]
    elif tag in ("configuration", "gadgetronStreamConfiguration"):
        build(xml_recipe(text), site)
    else:
        assert tag == "gadget"


@pytest.mark.parametrize(("page", "text"), list(blocks("python")))
def test_every_python_example_compiles(page, text):
    compile(text, page, "exec")


def test_the_examples_of_the_how_to_are_the_files():
    page = (DOCS / "how-to" / "add-a-gadget.md").read_text()
    for file in ("report_flow.py", "pyproject.toml", "chains/asl-report.xml"):
        assert (EXAMPLE / file).read_text() in page


# The example gadget


def test_the_example_gadget_is_a_gadget(site):
    assert issubclass(site.gadget("report_flow"), Gadget)


def test_the_example_gadget_works_alone(site):
    page = (DOCS / "how-to" / "add-a-gadget.md").read_text()
    alone = page.partition("## 4.")[2]
    exec(compile(_FENCE.findall(alone)[0][1], "add-a-gadget.md", "exec"), {})  # noqa: S102  (our own page)


def test_the_example_chain_reports_the_flow_of_a_scan(site):
    protocol = Protocol(matrix=(16, 16, 4), field_of_view=(0.22, 0.22, 0.12), coils=2, pairs=4)
    session = Session(site)
    replies = list(session.receive(ConfigFile("asl-report")))
    for message in Scanner(protocol).messages():
        replies.extend(session.receive(message))
    reports = [reply.text for reply in replies if isinstance(reply, Text) and "in the brain" in reply.text]
    assert [report.partition(":")[2].split(" pairs")[0] for report in reports] == [" After 2", " After 4"]


# Tables


def test_every_map_stands_in_the_reference_with_its_series_and_file():
    page = (REFERENCE / "outputs.md").read_text()
    for name in MapName:
        assert f"| `{name}` | {SERIES[name]} |" in page
        assert f"`sub-aslive_{NAMES.get(name, f'desc-{name}_asl')}.nii.gz`" in page


def test_every_chain_stands_in_the_reference_with_its_gadgets():
    page, registry = (REFERENCE / "chains.md").read_text(), Registry()
    for name in registry.chains:
        recipe = named_recipe(name, registry)
        assert recipe
        assert re.search(rf"^\| `{name}` \|.*\| {', '.join(step.gadget for step in recipe.steps)} \|$", page, re.M)


def test_every_parameter_of_the_reply_stands_in_the_reference():
    section = (REFERENCE / "settings.md").read_text().partition("## reply")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(Reply.parameters())
    assert f"| `{', '.join(Reply().maps)}` |" in section


def test_every_measurement_stands_in_the_reference():
    cells = re.findall(r"^\| (`.*?) \|", (REFERENCE / "quality.md").read_text(), re.M)
    assert set(Measure) <= set(re.findall(r"`(\w+)`", " ".join(cells)))


def test_every_alarm_stands_in_the_reference_with_its_limits():
    page = (REFERENCE / "alarms.md").read_text()
    for rule in profile_of("research").rules:
        limits = "; ".join(map(str, rule.limits))
        assert f"| `{rule.alarm}` | {rule.severity} | {limits} |" in page


def test_every_entry_of_the_summary_stands_in_the_reference():
    page = (REFERENCE / "outputs.md").read_text()
    examples = [json.loads(text) for language, text in _FENCE.findall(page) if language == "json"]
    (example,) = (example for example in examples if "readouts" in example)
    assert set(example) == set(summary(Session(Registry()), 0.0))
    assert set(example["gadgets"][0]) == {field.name for field in fields(Timing)}
    assert set(example["measured"]) <= set(Measure)


def test_every_gadget_that_a_chain_may_leave_out_has_its_reason_in_the_reference():
    section = (REFERENCE / "chains.md").read_text().partition("| in the header | then |")[2].partition("\n\n")[0]
    reasons = set(
        re.findall(r"`(\w+)`", " ".join(row.split("|")[2] for row in section.splitlines() if row.count("|") > 2))
    )
    registry = Registry()
    choosy = {name for name in registry.gadgets if "needed" in vars(registry.gadget(name))}
    assert choosy <= reasons


def test_the_gadgets_stand_in_the_order_of_the_chain():
    recipe = named_recipe("asl", Registry())
    assert recipe
    headings = _HEADING.findall((REFERENCE / "gadgets.md").read_text())
    table = re.findall(r"^\| \[`(\w+)`\]", (REFERENCE / "gadgets.md").read_text(), re.M)
    assert headings[1:] == table == [step.gadget for step in recipe.steps]


def test_the_picture_of_the_chains_shows_every_gadget_of_the_chain():
    recipe = named_recipe("asl", Registry())
    assert recipe
    script = (DOCS / "images" / "draw_chains.py").read_text()
    assert all(f'"{step.gadget}"' in script for step in recipe.steps)


def test_every_decision_has_the_number_of_its_file():
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    assert all(page.read_text().startswith(f"# {int(page.name[:4])}. ") for page in decisions)


def test_every_picture_is_shown_and_every_page_shows_pictures_that_exist():
    shown = {(page.parent / target).resolve() for page in PAGES for target in _PICTURE.findall(page.read_text())}
    assert shown == {picture.resolve() for picture in (DOCS / "images").glob("*.png")}


def test_what_the_how_tos_say_that_the_server_says_is_in_the_code():
    """The beginning of each line that a how-to quotes in a table stands in the sources."""
    sources = "".join(re.sub(r"\"\s*\n\s*f?\"", "", file.read_text()) for file in _SOURCES)
    lost = [
        (page, quote)
        for page in _QUOTING
        for quote in re.findall(r"^\| `([^`|]*\.\.\.[^`|]*)`", (DOCS / "how-to" / page).read_text(), re.M)
        for piece in quote.split("...")
        if piece.strip() and piece.strip(" .") not in sources
    ]
    assert not lost


def test_every_gadget_and_parameter_stands_in_the_reference():
    page, registry = (REFERENCE / "gadgets.md").read_text(), Registry()
    for name in registry.gadgets:
        kind = registry.gadget(name)
        if kind.__module__.startswith("aslive."):
            missing = [word for word in (name, *kind.parameters()) if f"`{word}`" not in page]
            assert not missing, f"{name}: {missing}"


# README


def test_the_readmes_two_commands_are_those_that_ci_runs():
    demo, tests = (
        text.strip() for language, text in _FENCE.findall((ROOT / "README.md").read_text()) if language == "bash"
    )
    assert demo == "pip install '.[sim]' && aslive demo"
    install, run = tests.split(" && ")
    checks = (ROOT / ".ci" / "run").read_text().splitlines()
    assert run in checks
    assert install.split()[-1] in " ".join(line for line in checks if line.startswith("pip install"))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
