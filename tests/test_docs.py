"""The documents say what the product has, and nothing it lacks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = re.compile(r"\benv\.[a-z]+\(\s*\"([A-Z_]+)\"")


def names_in_the_code() -> set[str]:
    modules = [path for path in (ROOT / "deskhand").rglob("*.py") if "tests" not in path.parts]
    return {name for path in modules for name in READ.findall(path.read_text())}


def test_every_setting_is_explained_and_no_other() -> None:
    explained = set(
        re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    )

    assert explained == names_in_the_code()


def test_every_dependency_has_its_reason() -> None:
    wanted = [
        re.split(r"[\[<>=]", line)[0]
        for line in (ROOT / "requirements" / "run.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()

    assert [name for name in wanted if name.lower().removeprefix("django-") not in text] == []


def test_every_command_that_the_documents_name_exists() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        command
        for path in documents
        for command in re.findall(r"`?deskhand ([a-z][a-z-]*)\b(?! is)", _code(path))
    }

    missing = [
        name for name in named if not (ROOT / "deskhand" / "cli" / f"{name.replace('-', '_')}.py").exists()
    ]
    assert missing == []


def test_links_between_documents_lead_somewhere() -> None:
    links = [
        (path.name, path.parent / target)
        for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\[[^\]]*\]\(([^)#:]+)\)", path.read_text())
    ]

    assert len(links) > 5
    assert [link for link in links if not link[1].exists()] == []


def _code(path: Path) -> str:
    """What stands in code spans and code blocks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", path.read_text(), re.DOTALL))
