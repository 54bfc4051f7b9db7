"""One Chromium process: launch, pages, limits and shutdown."""
