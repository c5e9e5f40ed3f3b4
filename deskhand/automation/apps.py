from django.apps import AppConfig


class AutomationConfig(AppConfig):
    name = "deskhand.automation"
    label = "automation"

    def ready(self) -> None:
        from deskhand.automation import standings

        standings.tell_filters()
