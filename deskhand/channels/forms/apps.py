from django.apps import AppConfig


class FormsConfig(AppConfig):
    name = "deskhand.channels.forms"
    label = "forms"
