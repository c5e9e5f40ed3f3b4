from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "deskhand.desk"
    label = "desk"
