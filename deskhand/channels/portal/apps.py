from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "deskhand.channels.portal"
    label = "portal"
