"""A believable company to look at; see README.md."""
