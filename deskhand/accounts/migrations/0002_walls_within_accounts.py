"""Links between rows of two accounts are impossible, and the audit can't be rewritten."""

from django.db import migrations

LINKS = """
alter table accounts_membership add constraint membership_role_same_account
    foreign key (account_id, role_id) references accounts_role (account_id, id) deferrable initially deferred;
alter table accounts_team add constraint team_parent_same_account
    foreign key (account_id, parent_id) references accounts_team (account_id, id) deferrable initially deferred;
alter table accounts_teammember add constraint team_member_same_account
    foreign key (account_id, team_id) references accounts_team (account_id, id) deferrable initially deferred;
alter table accounts_teammember add constraint team_member_is_member
    foreign key (account_id, user_id) references accounts_membership (account_id, user_id)
    on delete cascade deferrable initially deferred;
"""

NO_LINKS = """
alter table accounts_membership drop constraint membership_role_same_account;
alter table accounts_team drop constraint team_parent_same_account;
alter table accounts_teammember drop constraint team_member_same_account;
alter table accounts_teammember drop constraint team_member_is_member;
"""

APPEND_ONLY = """
create function accounts_audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'The audit is append-only.' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_is_append_only before update or delete on accounts_auditentry
    for each row execute function accounts_audit_is_append_only();
"""

REWRITABLE = """
drop trigger audit_is_append_only on accounts_auditentry;
drop function accounts_audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(LINKS, NO_LINKS),
        migrations.RunSQL(APPEND_ONLY, REWRITABLE),
    ]
