"""The app that most groups measure: photos in albums, with policies as a site may have them."""
