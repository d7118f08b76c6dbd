"""Passkeys (WebAuthn Level 3): a way to sign in, and a second factor."""
