"""Programs of others that work with an account (api.md §1.3, §2.8)."""

import pytest

from deskhand.accounts import accounts, audit, connected_apps, tokens
from deskhand.accounts.models import App, AuditEntry
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound

HOME = "https://shop.example/back"


@pytest.fixture
def made(account, by_ada) -> tuple[App, str]:
    return connected_apps.create(
        account.pk, name=" Shop ", redirect_urls=[HOME], scopes=["tickets"], by=by_ada
    )


def test_an_app_is_found_by_its_public_id_and_known_by_its_secret(made, ada):
    """api.md §1.3."""
    app, secret = made
    found = connected_apps.by_client_id(str(app.client_id))

    assert found == app
    assert (found.name, found.redirect_urls, found.scopes, found.created_by_id) == (
        "Shop",
        [HOME],
        ["tickets"],
        ada.pk,
    )
    assert connected_apps.is_secret(found, secret)
    assert not connected_apps.is_secret(found, secret[:-1])


def test_the_secret_is_kept_encrypted_and_in_no_entry_of_the_audit(account, made):
    """S10, S33."""
    app, secret = made

    assert secret not in str(App.objects.filter(pk=app.pk).values().get())
    with account_scope(account.pk):
        assert secret not in str(list(AuditEntry.objects.values()))
        assert audit.entries(account.pk, audit.Asked(kind="app"), limit=1)[0].after["name"] == "Shop"


def test_a_new_secret_takes_the_old_ones_place_at_once(account, made, by_ada):
    """S33."""
    app, secret = made

    new = connected_apps.rotate_secret(account.pk, app.pk, by=by_ada)

    app.refresh_from_db()
    assert connected_apps.is_secret(app, new)
    assert not connected_apps.is_secret(app, secret)


def test_a_revoked_app_is_none_any_more(account, made, by_ada):
    """api.md §1.3."""
    app, _secret = made

    connected_apps.revoke(account.pk, app.pk, by=by_ada)
    connected_apps.revoke(account.pk, app.pk, by=by_ada)

    assert connected_apps.by_client_id(str(app.client_id)) is None
    assert connected_apps.known(account.pk) == []
    with account_scope(account.pk):
        assert len(audit.entries(account.pk, audit.Asked(kind="app"), limit=9)) == 2
    with pytest.raises(NotFound):
        connected_apps.rotate_secret(account.pk, app.pk, by=by_ada)


def test_what_changes_is_told_once_with_what_was_before(account, made, by_ada):
    """style.md §8: one entry where something changed, none where nothing did."""
    app, _secret = made

    for _ in range(2):
        connected_apps.update(account.pk, app.pk, name="Store", redirect_urls=[], scopes=[], by=by_ada)

    with account_scope(account.pk):
        entries = audit.entries(account.pk, audit.Asked(kind="app"), limit=9)
    assert [entry.action for entry in entries] == ["app.updated", "app.created"]
    assert (entries[0].before["name"], entries[0].after["name"]) == ("Shop", "Store")


def test_another_accounts_app_is_not_there(made, by_ada):
    """S9."""
    other = accounts.create(slug="other", name="Other").pk
    app = made[0]

    for verb in (connected_apps.rotate_secret, connected_apps.revoke):
        with pytest.raises(NotFound):
            verb(other, app.pk, by=by_ada)
    with pytest.raises(NotFound):
        connected_apps.update(other, app.pk, name="Mine", redirect_urls=[], scopes=[], by=by_ada)
    assert connected_apps.known(other) == []


@pytest.mark.parametrize("given", ["", "guess", "00000000-0000-0000-0000-000000000000", "\0", "é" * 36])
def test_what_is_no_client_id_is_nobody(made, given: str):
    """api.md §1.3."""
    assert connected_apps.by_client_id(given) is None


@pytest.mark.parametrize(
    "url",
    ["http://shop.example/back", "javascript:alert(1)", "https://", "https://a@shop.example", "https://shop.example/#x",
     "https://shop.example/a b", "https://[", f"https://shop.example/{'x' * 2000}", ""],
)  # fmt: skip
def test_codes_are_sent_only_where_nobody_reads_them(account, by_ada, url: str):
    """RFC 6749 §3.1.2."""
    with pytest.raises(Invalid) as refusal:
        connected_apps.create(account.pk, name="Shop", redirect_urls=[url], by=by_ada)
    assert refusal.value.field == "redirect_urls"


def test_who_writes_a_program_may_use_their_own_computer(account, by_ada):
    """RFC 8252 §7.3."""
    urls = ["http://localhost:3000/back", "http://127.0.0.1/back"]

    assert (
        connected_apps.create(account.pk, name="Mine", redirect_urls=urls, by=by_ada)[0].redirect_urls == urls
    )


@pytest.mark.parametrize(("name", "scopes"), [("", []), ("x" * 101, []), ("Shop", ["everything"])])
def test_names_and_scopes_are_checked(account, by_ada, name: str, scopes: list[str]):
    """api.md §1.3."""
    with pytest.raises(Invalid):
        connected_apps.create(account.pk, name=name, scopes=scopes, by=by_ada)
    assert set(scopes).isdisjoint(tokens.SCOPES)
