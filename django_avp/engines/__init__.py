"""Engines answer a batch of checks; ``AVP_ENGINE`` names the one that is used."""
