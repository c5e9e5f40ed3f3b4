"""The ways out. Wiring names them; each fits `delivery.types.Transport`."""
