from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "deskhand.accounts"
    label = "accounts"
