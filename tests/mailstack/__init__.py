"""A Postfix and a Dovecot of the tests' own, on free ports of this machine: the world around a help desk."""
