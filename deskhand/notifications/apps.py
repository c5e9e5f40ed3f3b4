from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "deskhand.notifications"
    label = "notifications"
