"""The example project's gallery, and a page that is as bare as one can be."""
