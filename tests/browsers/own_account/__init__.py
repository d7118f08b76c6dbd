"""The account page, in a real browser, with the pages of providers."""
