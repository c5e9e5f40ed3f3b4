from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "deskhand.crm"
    label = "crm"
