"""Timers: anything that must happen at a time is a row here, claimed by one loop. Why slow jobs failed. What is searched."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models


class Timer(models.Model):
    """`kind` names the handler in wiring; the same key twice is one timer."""

    account_id = models.BigIntegerField()
    kind = models.TextField()
    key = models.TextField()
    due_at = models.DateTimeField()
    payload = models.JSONField(default=dict)
    attempts = models.SmallIntegerField(default=0)
    error = models.TextField(default="")
    quarantined_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "kind", "key"], name="timer_once")]
        indexes = [
            models.Index(fields=["due_at"], name="timer_due", condition=models.Q(quarantined_at=None)),
            models.Index(
                fields=["account_id", "due_at"],
                name="timer_due_account",
                condition=models.Q(quarantined_at=None),
            ),
        ]


class JobFailure(models.Model):
    """Why a slow job failed last, and how often; Procrastinate's own tables have the job, but no reasons."""

    account_id = models.BigIntegerField()
    job_id = models.BigIntegerField()  # of procrastinate_jobs
    tries = models.SmallIntegerField()
    error = models.TextField()
    failed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "job_id"], name="job_failure_once")]


class SearchEntry(models.Model):
    """The words by which a record is found; see search.py. Not walled by row-level security, which keeps `@@` off its
    index: the words name their account themselves, and who reads the records that were found passes their walls."""

    account_id = models.BigIntegerField()
    kind = models.TextField()  # one capital letter, of who put it in
    record_id = models.BigIntegerField()
    words = SearchVectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "kind", "record_id"], name="search_entry_once")
        ]
        # What was just written waits in a list that every search reads; kept short.
        indexes = [GinIndex(fields=["words"], name="search_by_word", gin_pending_list_limit=512)]
