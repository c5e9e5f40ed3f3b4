import pytest
from django.db import ProgrammingError, connection, transaction

from deskhand.accounts import accounts, audit, teams, users
from deskhand.accounts.models import AuditEntry
from deskhand.events.models import EventRow

pytestmark = pytest.mark.usefixtures("scope")


def test_an_admin_action_keeps_who_what_before_and_after(account, ada, bob, by_ada):
    users.set_seat(account.pk, bob.pk, has_seat=False, by=by_ada)

    entry = AuditEntry.objects.order_by("-number").first()
    assert (entry.actor_kind, entry.actor_id) == ("user", ada.pk)
    assert (entry.action, entry.target_type, entry.target_id) == ("user.seat_changed", "user", bob.pk)
    assert (entry.before, entry.after) == ({"has_seat": True}, {"has_seat": False})


def test_what_changes_nothing_is_not_kept(account, bob, by_ada):
    count = AuditEntry.objects.count()

    users.set_seat(account.pk, bob.pk, has_seat=True, by=by_ada)
    teams.set_teams_of(account.pk, bob.pk, main_id=None, by=by_ada)
    accounts.update(account.pk, name="Nordlys", by=by_ada)

    assert AuditEntry.objects.count() == count


def test_an_entry_is_an_event_too(account, bob, by_ada):
    users.set_seat(account.pk, bob.pk, has_seat=False, by=by_ada)

    event = EventRow.objects.get(account_id=account.pk, kind="user.seat_changed")
    assert (event.object_type, event.object_id) == ("user", bob.pk)


def test_an_action_that_is_rolled_back_leaves_no_entry(account, bob, by_ada):
    count = AuditEntry.objects.count()

    with transaction.atomic():
        users.set_seat(account.pk, bob.pk, has_seat=False, by=by_ada)
        transaction.set_rollback(True)

    assert AuditEntry.objects.count() == count


@pytest.mark.parametrize(
    "change", [lambda found: found.update(action="nothing"), lambda found: found.delete()]
)
def test_the_audit_can_not_be_rewritten(account, bob, change):
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        change(AuditEntry.objects.all())


@pytest.mark.parametrize(
    "forgery",
    [
        "update accounts_auditentry set after = '{\"has_seat\": true}' where number = 2",
        "update accounts_auditentry set actor_id = 99 where number = 2",
        "update accounts_auditentry set at = at + interval '1 s' where number = 2",
        "delete from accounts_auditentry where number = 2",
    ],
)
def test_a_change_behind_our_back_shows(account, ada, bob, by_ada, forgery: str):
    users.set_seat(account.pk, bob.pk, has_seat=False, by=by_ada)
    assert audit.first_broken(account.pk) is None

    with connection.cursor() as cursor:
        cursor.execute("alter table accounts_auditentry disable trigger audit_is_append_only")
        cursor.execute(forgery)

    assert audit.first_broken(account.pk) == 2


def test_the_chain_holds_when_the_key_is_rotated(account, bob, by_ada, settings):
    settings.ENCRYPTION_KEYS_BEFORE = [settings.ENCRYPTION_KEY]
    settings.ENCRYPTION_KEY = "new"
    users.set_seat(account.pk, bob.pk, has_seat=False, by=by_ada)

    assert audit.first_broken(account.pk) is None


def test_the_audit_of_another_account_is_not_read(account, bob):
    """S9."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('deskhand.account', %s, true)", [str(account.pk + 1)])
        cursor.execute("select count(*) from accounts_auditentry")
        assert cursor.fetchone() == (0,)
        cursor.execute("select set_config('deskhand.account', %s, true)", [str(account.pk)])
        cursor.execute("select count(*) from accounts_auditentry")
        assert cursor.fetchone() == (2,)
