from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "deskhand.desk"
    label = "desk"

    def ready(self) -> None:
        from deskhand.crm.schema import formulas
        from deskhand.desk import facts

        formulas.add(facts.FORMULAS)
