"""Static files that are made, not written: the icon sprite, the one stylesheet, and the import map."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage, Storage
from django.templatetags.static import static
from markupsafe import Markup

from deskhand.web import icons

HERE = Path(__file__).resolve().parent / "static"
#: Part of every page, in this order; screens bring their own sheet beside it.
STYLES = (
    "tokens",
    "base",
    "shell",
    "button",
    "badge",
    "menu",
    "field",
    "feedback",
    "dialog",
    "palette",
    "bell",
    "tabs",
    "utilities",
)
STYLESHEET = "css/deskhand.css"
#: Fetched only by who writes with formatting.
EDITOR = "js/vendor/prosemirror.js"
#: Loaded with every page; the others are fetched when an element asks for them.
EAGER = ("main", "behaviors", "keys", "once", "theme", "ticked", "times", "toast")


class GeneratedFinder(BaseFinder):
    """Offers the made files to collectstatic and to WhiteNoise as if they lay in a folder."""

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        if path not in _makers():
            return []
        found = str(_write(path))
        return [found] if find_all or kwargs.get("all") else found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        folder = FileSystemStorage(location=_folder())
        for path in _makers():
            _write(path)
            yield path, folder


def _makers() -> dict[str, Any]:
    return {icons.SPRITE: icons.sprite, STYLESHEET: stylesheet, EDITOR: editor}


def editor() -> str:
    """The editor of rich text, which comes ready made; without the address of a map that is not served."""
    package = resources.files("django_prose_editor")
    script = (package / "static" / "django_prose_editor" / "editor.js").read_text()
    return script.partition("//# sourceMappingURL=")[0]


def stylesheet() -> str:
    return "".join((HERE / "css" / f"{name}.css").read_text() for name in STYLES)


def _write(path: str) -> Path:
    target = Path(_folder()) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_makers()[path]())
    return target


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="deskhand-static-")


def _folder() -> str:
    return _temporary().name


def import_map() -> Markup:
    return Markup(f'<script type="importmap">{import_map_json()}</script>') + Markup("").join(
        map(_hint, EAGER)
    )


def preload(*modules: str) -> Markup:
    """Return hints for what appears later on a page: fetched at once, and ready before an element asks for it."""
    return Markup("").join(_hint(name, Markup(' data-module="{}"').format(name)) for name in modules)


def _hint(module: str, more: str = "") -> Markup:
    return Markup('<link rel="modulepreload" href="{}"{}>').format(static(f"js/{module}.js"), more)


def import_map_json() -> str:
    return _import_map_json() if not settings.DEBUG else _import_map_json.__wrapped__()


@cache
def _import_map_json() -> str:
    modules = {f"app/{file.stem}": static(f"js/{file.name}") for file in sorted((HERE / "js").glob("*.js"))}
    modules["vendor/prosemirror"] = static(EDITOR)
    return json.dumps({"imports": modules}, separators=(",", ":"))


def _sign_in_hosts() -> list[str]:
    """The provider that the button for single sign-on leads to; browsers follow forms to allowed places only."""
    apps = getattr(settings, "SOCIALACCOUNT_PROVIDERS", {}).get("openid_connect", {}).get("APPS", [])
    issuers = [urlsplit(str(app["settings"]["server_url"])) for app in apps]
    return [f"{issuer.scheme}://{issuer.netloc}" for issuer in issuers if issuer.netloc]


@cache
def push_worker() -> str:
    """Not a static file: those have an address that changes, and hold for the pages below it alone."""
    return (HERE / "worker" / "push-worker.js").read_text()


def content_security_policy() -> str:
    """Return the policy of every page. Inline scripts: none but the import map, named by its hash.

    Style attributes are allowed (an avatar's hue, a mail's own styles in its frame), style elements are not.
    """
    digest = base64.b64encode(hashlib.sha256(import_map_json().encode()).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-src 'self'",
            " ".join(("form-action 'self'", *_sign_in_hosts())),
            "base-uri 'none'",
            "frame-ancestors 'self'",
        )
    )
