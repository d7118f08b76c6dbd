import pytest
from fastapi import FastAPI

from tests.support.people import People
from tests.support.totp import Phone, enrolled


@pytest.fixture
async def phone(app: FastAPI, people: People) -> Phone:
    """The authenticator app of a user who is logged in."""
    return await enrolled(app, people)
