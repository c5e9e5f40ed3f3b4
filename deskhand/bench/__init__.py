"""Measuring the product on this machine; see README.md."""
