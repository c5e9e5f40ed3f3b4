from django.db import migrations, models

HERE = """
insert into delivery_home (id, place)
select 1, system_identifier || '/' || 'delivery_home'::regclass::oid from pg_control_system()
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Home",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("place", models.TextField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="one_home")],
            },
        ),
        migrations.RunSQL(HERE, migrations.RunSQL.noop),
    ]
