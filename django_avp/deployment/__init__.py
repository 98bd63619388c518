"""Policies as code: a directory of Cedar files and an AVP policy store, compared and brought into line either way."""
