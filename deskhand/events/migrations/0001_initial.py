"""The log is partitioned by month: `events_partition(month)` makes one, the default one catches the rest.

What waited in the default one moves over.
"""

from django.db import migrations, models

LOG = """
create sequence events_event_id_seq;
create table events_event (
    id bigint not null default nextval('events_event_id_seq'),
    account_id bigint not null,
    kind text not null,
    object_type text not null,
    object_id bigint not null,
    version bigint not null,
    actor_kind text not null,
    actor_id bigint,
    cause jsonb,
    depth smallint not null default 0,
    data jsonb not null default '{}',
    occurred_at timestamptz not null,
    primary key (id, occurred_at)
) partition by range (occurred_at);
alter sequence events_event_id_seq owned by events_event.id;
create index event_of_record on events_event (account_id, object_type, object_id, id);
-- Whoever reads a stretch of time finds its blocks by this; it costs writers next to nothing.
create index event_by_time on events_event using brin (occurred_at) with (pages_per_range = 16, autosummarize = on);
create table events_event_other partition of events_event default;
create function events_partition(month date) returns boolean language plpgsql set lock_timeout = '3s' as $$
declare
    name text := 'events_event_' || to_char(month, 'YYYYMM');
    since timestamptz := date_trunc('month', month::timestamp) at time zone 'UTC';
    until timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC';
begin
    if to_regclass(name) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('events_partition'));
    -- A statement's own snapshot: after the wait to_regclass may still say what it said before.
    if exists (select from pg_class where relname = name and pg_table_is_visible(oid)) then
        return false;
    end if;
    -- A coming month is attached beside the writers of this one. Into a month that has begun somebody may be writing,
    -- by way of the default partition; they wait at the door then, because behind it their way would be wrong.
    if since <= now() or exists (select from events_event_other where occurred_at >= since and occurred_at < until) then
        lock table events_event in access exclusive mode;
    end if;
    execute format('create table %I (like events_event including all)', name);
    lock table events_event_other in access exclusive mode;
    execute format('with late as (delete from events_event_other where occurred_at >= %L and occurred_at < %L returning *)'
                   ' insert into %I select * from late', since, until, name);
    execute format('alter table events_event attach partition %I for values from (%L) to (%L)', name, since, until);
    return true;
end $$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(LOG, "drop table events_event; drop function events_partition(date)"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="EventRow",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("account_id", models.BigIntegerField()),
                        ("kind", models.TextField()),
                        ("object_type", models.TextField()),
                        ("object_id", models.BigIntegerField()),
                        ("version", models.BigIntegerField()),
                        ("actor_kind", models.TextField()),
                        ("actor_id", models.BigIntegerField(null=True)),
                        ("cause", models.JSONField(null=True)),
                        ("depth", models.SmallIntegerField(default=0)),
                        ("data", models.JSONField(default=dict)),
                        ("occurred_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "events_event",
                        "indexes": [
                            models.Index(
                                fields=["account_id", "object_type", "object_id", "id"], name="event_of_record"
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="PendingEvent",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("account_id", models.BigIntegerField()),
                ("object_type", models.TextField()),
                ("object_id", models.BigIntegerField()),
                ("occurred_at", models.DateTimeField()),
                ("attempts", models.SmallIntegerField(default=0)),
                ("due_at", models.DateTimeField()),
                ("error", models.TextField(default="")),
                ("quarantined_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("quarantined_at", None)),
                        fields=["account_id", "id"],
                        name="pending_of_account",
                    ),
                    models.Index(fields=["account_id", "object_type", "object_id", "id"], name="pending_of_record"),
                ],
            },
        ),
    ]
