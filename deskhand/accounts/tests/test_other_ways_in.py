"""Ways to sign in that configuration switches on. They load other apps, so each is tried in a process of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

from deskhand.accounts.vouching import is_vouched_for


@pytest.mark.parametrize(
    ("email", "verified", "is_vouched"),
    [
        ("ada@nordlys.example", True, True),
        ("Ada@NORDLYS.example", True, True),
        ("ada@nordlys.example", False, False),
        ("ada@nordlys.example", None, False),
        ("ada@nordlys.example", "false", False),
        ("ada@nordlys.example", "true", False),
        ("ada@evil.example", True, False),
        ("ada@nordlys.example.evil.example", True, False),
        ("nordlys.example@evil.example", True, False),
        ("", True, False),
    ],
)
def test_only_verified_addresses_of_our_domains_are_believed(email: str, verified: object, is_vouched: bool):
    """S12."""
    assert is_vouched_for(email, verified, ["nordlys.example"]) is is_vouched


def run(code: str, **environment: str) -> str:
    setup = "import django; django.setup()\nfrom django.conf import settings\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", setup + textwrap.dedent(code)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "deskhand.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_secrets_of_second_factors_are_encrypted():
    """S33."""
    said = run(
        """
        from deskhand.accounts.second_factor import SecondFactorAdapter
        adapter = SecondFactorAdapter()
        stored = adapter.encrypt("JBSWY3DP")
        print("JBSWY3DP" in stored, adapter.decrypt(stored), adapter.get_public_key_credential_rp_entity()["id"])
        """,
        SIGN_IN_WITH="totp,passkeys",
        SITE_URL="https://desk.nordlys.example",
    )

    assert said == "False JBSWY3DP desk.nordlys.example"


def test_single_sign_on_makes_nobody():
    """S12."""
    said = run(
        """
        from deskhand.accounts.single_sign_on import SingleSignOnAdapter
        print(SingleSignOnAdapter().is_open_for_signup(None, None))
        """,
        SIGN_IN_WITH="oidc",
        OIDC_ISSUER="https://id.nordlys.example",
        OIDC_CLIENT_ID="desk",
        OIDC_CLIENT_SECRET="secret",
        OIDC_DOMAINS="nordlys.example",
    )

    assert said == "False"
