"""What a site's pages cost."""
