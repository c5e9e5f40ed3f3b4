"""What an upgrade must not lose: an installation with runs in every kind of waiting."""
