"""The settings by topic: what each part of the application needs to know."""
