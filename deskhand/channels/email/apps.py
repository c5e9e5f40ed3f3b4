from django.apps import AppConfig


class EmailConfig(AppConfig):
    name = "deskhand.channels.email"
    label = "email"
