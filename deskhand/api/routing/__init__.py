"""What the contract has no words for: who gets tickets and why, who is there, what they know and how much they may hold."""

from deskhand.api.routing import capacity, decisions, presence, rules, simulations, skills

__all__ = ["capacity", "decisions", "presence", "rules", "simulations", "skills"]
