from django.apps import AppConfig
from django.db.models.signals import post_migrate


class KernelConfig(AppConfig):
    name = "deskhand.kernel"
    label = "kernel"

    def ready(self) -> None:
        from deskhand.kernel.database.rls import build_walls

        post_migrate.connect(build_walls, dispatch_uid="deskhand.rls")
