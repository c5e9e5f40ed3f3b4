"""Addresses of tasks and their queues."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.tasks import queue_views, views, work_views

urlpatterns: list[URLPattern | URLResolver] = [
    path("tasks", views.index, name="tasks"),
    path("tasks/many", views.change_many, name="tasks-many"),
    path("tasks/<id:task_id>/done", views.finish, name="task-done"),
    path("tasks/<id:task_id>/take", work_views.take, name="task-take"),
    path("tasks/queues", queue_views.index, name="task-queues"),
    path("tasks/queues/new", queue_views.new, name="task-queue-new"),
    path("tasks/queues/add", queue_views.add, name="task-queue-add"),
    path("tasks/queues/<id:queue_id>", queue_views.edit, name="task-queue"),
    path("tasks/queues/<id:queue_id>/save", queue_views.save, name="task-queue-save"),
    path("tasks/queues/<id:queue_id>/delete", queue_views.ask_delete, name="task-queue-ask-delete"),
    path("tasks/queues/<id:queue_id>/deleted", queue_views.delete, name="task-queue-delete"),
    path("tasks/queues/<id:queue_id>/work", work_views.work, name="task-queue-work"),
]
