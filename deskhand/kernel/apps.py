from django.apps import AppConfig
from django.db.models.signals import post_migrate


class KernelConfig(AppConfig):
    name = "deskhand.kernel"
    label = "kernel"

    def ready(self) -> None:
        """Stop the start when a setting is wrong that is only read later. Raises Misconfigured."""
        from deskhand.kernel import env
        from deskhand.kernel.database.rls import build_walls

        env.hosts("ALLOW_PRIVATE_HOSTS")
        post_migrate.connect(build_walls, dispatch_uid="deskhand.rls")
