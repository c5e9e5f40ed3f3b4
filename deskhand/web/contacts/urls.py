"""Addresses of contacts and companies: the same ones of both kinds."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.contacts import actions, linking, mail, merge, views


def _of(kind: str, folder: str, name: str) -> list[URLPattern | URLResolver]:
    own = {"kind": kind}
    one, other = f"{folder}/<id:record_id>", "<id:other_id>"
    return [
        path(folder, views.listing, own, name=name),
        path(f"{folder}/new", actions.new, own, name=f"{kind}-new"),
        path(f"{folder}/add", actions.add, own, name=f"{kind}-add"),
        path(one, views.record, own, name=kind),
        path(f"{one}/timeline", views.timeline, own, name=f"{kind}-timeline"),
        path(f"{one}/property", views.property_line, own, name=f"{kind}-property"),
        path(f"{one}/save", actions.save, own, name=f"{kind}-save"),
        path(f"{one}/archive", actions.archive, own, name=f"{kind}-archive"),
        path(f"{one}/restore", actions.restore, own, name=f"{kind}-restore"),
        path(f"{one}/link", actions.choose_link, own, name=f"{kind}-link"),
        path(f"{one}/link/{other}", actions.link, own, name=f"{kind}-linked"),
        path(f"{one}/link/{other}/labels", actions.label_link, own, name=f"{kind}-link-labels"),
        path(f"{one}/unlink/{other}", actions.unlink, own, name=f"{kind}-unlink"),
        path(f"{one}/tasks/<id:task_id>/done", actions.finish_task, own, name=f"{kind}-task-done"),
        path(f"{one}/others", linking.choose, own, name=f"{kind}-others"),
        path(f"{one}/others/linked", linking.link, own, name=f"{kind}-others-linked"),
        path(f"{one}/others/unlink", linking.unlink, own, name=f"{kind}-others-unlink"),
        path(f"{one}/others/labels", linking.label, own, name=f"{kind}-others-labels"),
        path(f"{one}/merge", merge.choose, own, name=f"{kind}-merge"),
        path(f"{one}/merge/{other}", merge.compare, own, name=f"{kind}-merge-with"),
        path(f"{one}/merged/{other}", merge.merge, own, name=f"{kind}-merged"),
        path(f"{one}/unmerge/{other}", merge.undo, own, name=f"{kind}-unmerge"),
    ]


urlpatterns: list[URLPattern | URLResolver] = [
    *_of("contact", "contacts", "contacts"),
    *_of("company", "companies", "companies"),
    path("contacts/<id:record_id>/primary/<id:other_id>", actions.make_primary, {"kind": "contact"}, name="contact-primary"),
    path("contacts/<id:record_id>/email", mail.write, {"kind": "contact"}, name="contact-email"),
    path("contacts/<id:record_id>/email/send", mail.send, {"kind": "contact"}, name="contact-send"),
]  # fmt: skip
