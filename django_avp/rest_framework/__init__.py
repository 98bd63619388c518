"""Django REST framework: the same decisions, in one round, for lists, details, writes and what a client may offer."""
