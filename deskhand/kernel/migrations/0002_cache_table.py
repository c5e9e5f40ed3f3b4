"""The table of Django's shared cache (`settings.CACHES`); what it holds may be lost at any time."""

from django.db import migrations

CREATE = """
create table kernel_cache (cache_key varchar(255) primary key, value text not null, expires timestamptz not null);
create index kernel_cache_expires on kernel_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "drop table kernel_cache")]
