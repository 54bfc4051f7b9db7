"""The only way out of the browser: a proxy that checks every address."""
