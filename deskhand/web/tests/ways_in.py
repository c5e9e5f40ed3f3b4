"""Opens the pages of the ways to sign in that configuration switches on; `test_signing_in.py` reads what it says.

They load other apps, so this runs in a process of its own, in a transaction that is never committed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import django
from django.db import connection, transaction

PASSWORD = "correct horse battery"
TABLES = (
    "mfa.Authenticator",
    "socialaccount.SocialApp",
    "socialaccount.SocialAccount",
    "socialaccount.SocialToken",
)


class Undo(Exception):
    pass


def main() -> None:
    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    connection.settings_dict["NAME"] = os.environ["DESKHAND_TEST_DATABASE"]
    try:
        with transaction.atomic():
            make_tables()
            for name, status, title in pages():
                sys.stdout.write(f"{name}\t{status}\t{title}\n")
            raise Undo
    except Undo:
        sys.stdout.flush()


def make_tables() -> None:
    from django.apps import apps

    for table in TABLES:
        app, name = table.split(".")
        with connection.schema_editor() as editor:
            editor.create_model(apps.get_model(app, name))


def pages() -> Iterator[tuple[str, int, str]]:
    from allauth.mfa.totp.internal import auth
    from django.test import Client

    from deskhand.web.tests.conftest import make_office

    office = make_office(datetime(2026, 11, 21, 12, tzinfo=UTC), "ways-in")
    ada = office.world.ada
    ada.set_password(PASSWORD)
    ada.save()
    browser = Client()

    def look(name: str, path: str, form: dict[str, str] | None = None) -> tuple[str, int, str]:
        answer = browser.get(path, follow=True) if form is None else browser.post(path, form, follow=True)
        title = re.search(r"<title>(.*?) ·", answer.content.decode())
        return name, answer.status_code, title[1] if title else ""

    yield look("login", "/account/login/")
    yield look("provider", "/account/oidc/oidc/login/")
    yield look("provider-cancelled", "/account/3rdparty/login/cancelled/")
    yield look("provider-signup", "/account/3rdparty/signup/")
    yield look("signed-in", "/account/login/", {"login": ada.email, "password": PASSWORD})
    yield look("confirm", "/account/2fa/totp/activate/")
    yield look(
        "confirmed", "/account/reauthenticate/", {"password": PASSWORD, "next": "/account/2fa/totp/activate/"}
    )
    yield look("steps", "/account/2fa/")
    yield look("keys", "/account/2fa/webauthn/")
    yield look("key-new", "/account/2fa/webauthn/add/")
    yield look("key-refused", "/account/2fa/webauthn/add/", {"name": "Laptop", "credential": "{}"})
    yield look("connected", "/account/3rdparty/")
    yield look("app", "/account/2fa/totp/activate/")
    secret = browser.session["mfa.totp.secret"]
    code = str(auth.hotp_value(secret, next(auth.yield_hotp_counters_from_time()))).zfill(6)
    yield look("app-refused", "/account/2fa/totp/activate/", {"code": "12"})
    yield look("app-on", "/account/2fa/totp/activate/", {"code": code})
    yield look("codes-new", "/account/2fa/recovery-codes/generate/")
    yield look("app-off", "/account/2fa/totp/deactivate/")
    yield look("confirm-by-code", "/account/2fa/reauthenticate/")
    yield look("confirm-by-key", "/account/2fa/webauthn/reauthenticate/")
    yield look("signed-out", "/account/logout/", {})
    yield look("second-step", "/account/login/", {"login": ada.email, "password": PASSWORD})
    yield look("second-step-refused", "/account/2fa/authenticate/", {"code": "12"})


if __name__ == "__main__":
    main()
