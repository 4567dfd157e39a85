"""The runbook and doctor hold together: each section is found by a check in a test, or says why it cannot be."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from streams.doctor.run import AT_BROKERS, AT_TOPICS, HERE, TRUSTED
from streams.doctor.worker import LOOKS
from tests.support.sources import parsed

PAGE = Path(__file__).parents[3] / "streams" / "RUNBOOK.md"
CHECKS = {
    "broker",
    "metrics port",
    "versions",
    "parameters",
    *AT_BROKERS,
    *AT_TOPICS,
    *HERE,
    *(f"worker{name}" for name in LOOKS),
}


def sections() -> dict[str, str]:
    parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


def said() -> dict[str, set[str]]:
    """The checks that each section names."""
    told = {}
    for name, text in sections().items():
        (line,) = re.findall(r"^\*\*Doctor:\*\* (.+?)(?=\n\n|\n\*\*|\Z)", text, re.MULTILINE | re.DOTALL)
        told[name] = set() if line.startswith("cannot see it") else set(re.findall(r"`([^`-]+)`", line))
    return told


def shown() -> Iterator[tuple[str, str]]:
    """Section and check of every test that says that it finds something."""
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(parsed(file)):
            for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "finds":
                    section, check = (ast.literal_eval(argument) for argument in decorator.args)
                    yield section, check


def test_every_section_is_found_by_the_checks_that_it_names() -> None:
    found = defaultdict(set)
    for section, check in shown():
        found[section].add(check)
    assert {name: checks for name, checks in said().items() if checks} == found


def test_a_section_that_names_no_check_says_why() -> None:
    for name, checks in said().items():
        assert checks or re.search(r"^\*\*Doctor:\*\* cannot see it: \w", sections()[name], re.MULTILINE), name


def test_every_check_belongs_to_a_section() -> None:
    assert set().union(*said().values()) == CHECKS
    assert set(TRUSTED) <= set(AT_TOPICS)


def test_pages_point_at_sections_that_exist() -> None:
    page = (PAGE.parent / "OPERATING.md").read_text()
    table = page.split("\n## When something is wrong\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+) \| (.+) \|$", table, re.MULTILINE)[2:]
    assert len(rows) > 20
    for symptom, section in rows:
        assert section in sections(), symptom
