"""The topics that billing consumes, one module each."""
