"""The groups of cases, a module each, with a function ``build`` that makes the group."""
