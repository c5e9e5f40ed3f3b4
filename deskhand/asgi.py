import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
django = get_asgi_application()

from deskhand.web import live  # noqa: E402  # needs Django to be set up

application = live.beside(django)
