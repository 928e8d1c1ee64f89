"""Pure functions, one number an image."""
