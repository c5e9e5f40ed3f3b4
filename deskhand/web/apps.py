from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "deskhand.web"
    label = "web"
