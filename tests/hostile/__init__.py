"""Tokens under attack: hostile tokens over real HTTP, and generated ones against an oracle."""
