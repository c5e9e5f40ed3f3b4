from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "deskhand.desk"
    label = "desk"

    def ready(self) -> None:
        from deskhand.crm.schema import activities as known
        from deskhand.crm.schema import formulas
        from deskhand.desk import activities, facts

        formulas.add(facts.FORMULAS)
        known.add(activities.MESSAGE, activities.COMMENT)
