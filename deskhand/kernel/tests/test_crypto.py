import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kernel import crypto
from deskhand.kernel.errors import Invalid

IMAP = {"account_id": 7, "purpose": "imap"}


@given(st.text(min_size=1))
def test_what_was_encrypted_comes_back(plain: str):
    assert crypto.decrypt(crypto.encrypt(plain, **IMAP), **IMAP) == plain


def test_nothing_stays_nothing():
    assert crypto.encrypt("", **IMAP) == ""
    assert crypto.decrypt("", **IMAP) == ""


def test_the_same_secret_never_looks_the_same():
    assert crypto.encrypt("hunter2", **IMAP) != crypto.encrypt("hunter2", **IMAP)


@pytest.mark.parametrize(
    "other", [{"account_id": 8, "purpose": "imap"}, {"account_id": 7, "purpose": "smtp"}]
)
def test_a_secret_of_another_account_or_purpose_is_not_read(other: dict):
    with pytest.raises(Invalid, match="can't be read"):
        crypto.decrypt(crypto.encrypt("hunter2", **IMAP), **other)


@pytest.mark.parametrize(
    "broken",
    [
        "hunter2",
        "e1.abc",
        "e1.00000000.AAAA",
        "e2.{name}.{text}",
        "e1.{name}.!",
        "e1.{name}.",
        "e1.{name}.A{text}",
        "e1.{name}.{text}A",
    ],
)
def test_a_changed_secret_is_refused(broken: str):
    _form, name, text = crypto.encrypt("hunter2", **IMAP).split(".")

    with pytest.raises(Invalid):
        crypto.decrypt(broken.format(name=name, text=text), **IMAP)


def test_a_former_key_still_reads_but_no_longer_writes(settings):
    settings.ENCRYPTION_KEY = "old"
    secret, signature = crypto.encrypt("hunter2", **IMAP), crypto.sign(b"thread 4", **IMAP)

    settings.ENCRYPTION_KEY = "new"
    settings.ENCRYPTION_KEYS_BEFORE = ["old"]

    assert crypto.decrypt(secret, **IMAP) == "hunter2"
    assert crypto.is_signed(b"thread 4", signature, **IMAP)
    assert crypto.is_stale(secret)
    assert not crypto.is_stale(crypto.encrypt("hunter2", **IMAP))


def test_a_key_that_was_taken_away_reads_nothing(settings):
    settings.ENCRYPTION_KEY = "old"
    secret, signature = crypto.encrypt("hunter2", **IMAP), crypto.sign(b"thread 4", **IMAP)

    settings.ENCRYPTION_KEY = "new"

    assert not crypto.is_signed(b"thread 4", signature, **IMAP)
    with pytest.raises(Invalid):
        crypto.decrypt(secret, **IMAP)


def test_a_signature_holds_for_its_message_account_and_purpose_only():
    signature = crypto.sign(b"thread 4", **IMAP)

    assert crypto.is_signed(b"thread 4", signature, **IMAP)
    assert not crypto.is_signed(b"thread 5", signature, **IMAP)
    assert not crypto.is_signed(b"thread 4", signature, account_id=8, purpose="imap")
    assert not crypto.is_signed(b"thread 4", signature, account_id=7, purpose="smtp")
    assert not crypto.is_signed(b"thread 4", "ü", **IMAP)
    assert not crypto.is_signed(b"thread 4", "", **IMAP)
