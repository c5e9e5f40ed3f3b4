from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "deskhand.routing"
    label = "routing"
