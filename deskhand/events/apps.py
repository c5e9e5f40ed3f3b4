from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "deskhand.events"
    label = "events"
