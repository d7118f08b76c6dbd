"""Limits how often a caller does something. Counts in this process or in Redis.

Import the modules `client`, `redis` and `resilient` only if there is a `REDIS_URL`:
the library that they import costs 0.1 s at start and 6 MB in each process.
"""
