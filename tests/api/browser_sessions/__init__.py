"""Sessions of browsers: the refresh token is in a cookie."""
