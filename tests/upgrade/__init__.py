"""What an upgrade must not lose: an installation with runs in every kind of waiting, of today and of the release before."""
