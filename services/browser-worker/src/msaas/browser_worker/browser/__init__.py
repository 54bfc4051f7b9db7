"""One Chromium: started, watched, recycled, ended."""
