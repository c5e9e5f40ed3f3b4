import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
# Static files and attachments are read in a thread and sent as a whole, which is meant.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
django = get_asgi_application()

from deskhand import wiring  # noqa: E402  # needs Django to be set up
from deskhand.web import live  # noqa: E402
from deskhand.web.finishing import finishing  # noqa: E402

wiring.connect()
application = live.beside(finishing(django))
